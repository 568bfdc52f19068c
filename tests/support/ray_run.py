"""A run on a Ray cluster of two nodes, in a process of its own: `python -m tests.support.ray_run`.

With `--kill`, the node without the driver ends when a few verdicts have come.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster

from deemster.integrations.ray_engine import RayEngine, RayOptions
from deemster.schemas import Sample, Verdict
from deemster.suites.loading import load_suite
from deemster.suites.runner import run_suite

_MEMORY = 80 * 1024**2


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("suite", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    node = {"object_store_memory": _MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **node})
    other = cluster.add_node(num_cpus=1, object_store_memory=_MEMORY)
    done = ready = 0

    def report(line: str) -> None:
        nonlocal ready
        ready += "is ready" in line
        tell(line)

    def observe(_judge: str, _sample: Sample, _verdict: Verdict) -> None:
        nonlocal done, other
        done += 1
        if ready < 2:
            time.sleep(0.05)  # nothing is shown by a run that one actor has finished alone
        elif given.kill and other is not None:
            cluster.remove_node(other, allow_graceful=False)
            other = None

    try:
        ray.init(address=cluster.address, log_to_driver=False)
        engine = RayEngine(RayOptions(actors=2, chunk=4), report=report)
        result = asyncio.run(
            run_suite(load_suite(given.suite), given.out, engine=engine, observer=observe)
        )
        tell(f"unscored {result.unscored}, observed {done}")
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
