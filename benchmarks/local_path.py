"""The parts of the `hf:` backend on the CPU, each with and without it, interleaved in one run.

Threads: steps of k rows beside a busy process, each way in a process of its own, because the
waiting of threads is fixed when torch is imported. Prompts: those of a judge (instructions first)
in both orders of several items, read one after the other. Rows: what leaving out rows that have
ended saves. Run: `python -m benchmarks.local_path`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WAYS: dict[str, tuple[dict[str, str], str]] = {
    "one thread": ({"OMP_WAIT_POLICY": "PASSIVE"}, "one"),
    "a thread per core, spinning": ({"GOMP_SPINCOUNT": "300000"}, "all"),
    "a thread per core, asleep": ({"OMP_WAIT_POLICY": "PASSIVE"}, "all"),
    "deemster (asleep, chosen by time)": ({"OMP_WAIT_POLICY": "PASSIVE"}, "chosen"),
}
"""Environment, and which threads. 300,000 turns is what libgomp spins by itself."""
_SETTLING = 20
"""Steps that are not counted: the number of threads is found in them."""


def main(*, rounds: int = 3, prompt: int = 300, k: int = 16, steps: int = 12) -> dict[str, Any]:
    """Measure all parts.

    Args:
        rounds: of which the medians are taken.
        prompt: its tokens.
        k: rows of a step.
        steps: that are timed.

    Returns:
        By part, seconds and CPU seconds of each way.
    """
    threads: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS}
    # Spawned: a fork of a process with threads may hang.
    busy = multiprocessing.get_context("spawn").Process(target=_burn, daemon=True)
    busy.start()
    try:
        for _ in range(rounds):
            for way, (environment, which) in _WAYS.items():
                ours = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
                sizes = [str(prompt), str(k), str(steps)]
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.local_path", "--way", which, *sizes],
                    env={**ours, **environment}, check=True, capture_output=True, text=True,
                )  # fmt: skip
                threads[way].append(json.loads(done.stdout.splitlines()[-1]))
    finally:
        busy.terminate()
        busy.join()
    return {
        "setting": {"rounds": rounds, "prompt": prompt, "k": k, "steps": steps},
        "threads": {way: _medians(found) for way, found in threads.items()},
        "prompts": _alone("prompts", rounds),
        "rows": _alone("rows", rounds),
    }


def _alone(part: str, rounds: int) -> Any:  # noqa: ANN401 - JSON
    """A part in a process with one thread."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.local_path", "--part", part, str(rounds)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _burn() -> None:
    while True:
        sum(range(10**5))


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(one[key] for one in found), 4) for key in found[0]}


def _open(threads: int | None, layers: int = 4) -> Any:  # noqa: ANN401 - of torch
    from benchmarks.transformers_backend import _saved
    from deemster.backends._local.loading import load

    with tempfile.TemporaryDirectory() as folder:
        return load(
            str(_saved(Path(folder), "llama", 512, layers)), device="cpu", dtype=None,
            max_context=None, sanitize=True, template_args={}, threads=threads,
        )  # fmt: skip


def _steps(which: str, prompt: int, k: int, steps: int) -> dict[str, float]:
    """Seconds and CPU seconds of a step."""
    import torch

    from deemster.backends._local.loading import usable_cpus

    model = _open({"one": 1, "all": usable_cpus(), "chosen": None}[which], 8)
    with torch.inference_mode():
        rows = model.runner.rows(model.runner.prefill(list(range(prompt))), k, steps + _SETTLING)
        for _ in range(_SETTLING if which == "chosen" else 2):
            model.runner.step([(rows, [5] * k)])
        return _timed(lambda: model.runner.step([(rows, [5] * k)]), steps)


def _timed(call: Callable[[], object], times: int = 1) -> dict[str, float]:
    begun, spent = time.perf_counter(), time.process_time()
    for _ in range(times):
        call()
    return {
        "seconds": (time.perf_counter() - begun) / times,
        "cpu_seconds": (time.process_time() - spent) / times,
    }


def _prompts(rounds: int) -> dict[str, Any]:
    """A judge's prompts, all of them, each from its beginning and from where it is new."""
    import torch

    from deemster import FakeBackend, Judge
    from lab.world import World

    fake = FakeBackend("Scores: \\boxed{8, 3}")
    judge = Judge(fake, k=2, dialect="grm")
    samples = [one for one in World(1).samples(40) if len(one.responses) == 2][:3]

    async def ask() -> None:
        for one in samples:
            await judge.score(one.query, one.responses)

    asyncio.run(ask())
    model = _open(1)
    ids = [model.chat.encode(one.messages) for one in fake.requests]
    reused = 0

    def read(reuse: bool) -> None:
        nonlocal reused
        before, reused = None, 0
        for one in ids:
            before = model.runner.prefill(one, before if reuse else None)
            reused += before.reused

    with torch.inference_mode():
        read(True)
        found: dict[str, list[dict[str, float]]] = {"whole": [], "only what is new": []}
        for _ in range(rounds):
            found["whole"].append(_timed(lambda: read(False)))
            found["only what is new"].append(_timed(lambda: read(True)))
    tokens = sum(map(len, ids))
    ways = {way: _medians(times) for way, times in found.items()}
    return {"prompts": len(ids), "tokens": tokens, "reused": reused, "ways": ways}


def _rows(rounds: int) -> dict[str, Any]:
    """Draws that end one after the other, with the ended ones left in and taken out."""
    import torch

    from deemster.backends._local.decoding import gap_filling_order

    model, k = _open(1), 16
    found: dict[str, list[dict[str, float]]] = {"stay": [], "leave": []}
    with torch.inference_mode():
        read = model.runner.prefill(list(range(300)))

        def draw(leave: bool) -> None:
            rows, alive = model.runner.rows(read, k, 4 * k), k
            for step in range(4 * k):
                rows.step([5] * (alive if leave else k))
                if leave and step % 4 == 3 and alive > 1:
                    rows.keep(gap_filling_order([False, *[True] * (alive - 1)]))
                    alive -= 1

        draw(True)
        for _ in range(rounds):
            found["stay"].append(_timed(lambda: draw(False)))
            found["leave"].append(_timed(lambda: draw(True)))
    return {"k": k, "ways": {way: _medians(times) for way, times in found.items()}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", nargs=4)
    parser.add_argument("--part", nargs=2)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(_steps(given.way[0], *map(int, given.way[1:]))))
    elif given.part:
        print(json.dumps({"prompts": _prompts, "rows": _rows}[given.part[0]](int(given.part[1]))))
    else:
        print(json.dumps(main(), indent=2))
