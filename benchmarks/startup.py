"""CPU seconds until the first verdict of `deemster score`, each time in a process of its own.

The API model is the loopback server of `benchmarks.api_backend`, without latency; the import of
torch alone, which the embedded model needs, stands beside it. Rounds are interleaved, and the
medians are reported.

    python -m benchmarks.startup [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.api_backend import server
from benchmarks.api_judges import TEXTS

SCORE = ("-m", "deemster", "score", "-q", "What is 12 + 30?", "-r", "42", "-r", "52", "-k", "2")


def cpu_seconds(*arguments: str) -> float:
    """CPU that Python takes with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OPENAI_API_KEY": "key", "DEEMSTER_NANO_NOTICE": "0"}
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int = 5) -> dict[str, Any]:
    """Measure; CPU seconds by what is started."""
    with server(0.0, TEXTS["grm"]) as grm, server(0.0, TEXTS["json"]) as with_schema:
        api = (*SCORE, "--model", "openai/gpt-5-mini", "--api-base")
        starts = {
            "`deemster --help`": ("-m", "deemster", "--help"),
            "`deemster score`, a model behind an API": (*api, grm),
            "the same by the dialect `json`": (*api, with_schema, "--dialect", "json"),
            "`deemster score`, the embedded model": SCORE,
            "`import torch` alone": ("-c", "import torch"),
        }
        found: dict[str, list[float]] = {name: [] for name in starts}
        for _ in range(rounds):
            for name, arguments in starts.items():
                found[name].append(cpu_seconds(*arguments))
    return {
        name: {
            "cpu_s": round(statistics.median(seconds), 2),
            "range": [round(min(seconds), 2), round(max(seconds), 2)],
        }
        for name, seconds in found.items()
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    print(json.dumps(main(**vars(parser.parse_args())), indent=2))
