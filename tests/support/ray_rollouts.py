"""Trajectories drawn on a Ray cluster, in a process of its own.

`python -m tests.support.ray_rollouts FOLDER` writes `plain.jsonl` and `hinted.jsonl` there. The
actor that is asked about the sample `deadly` first dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from tests.training.fakes_training import grm_text, noisy_scores

from deemster.backends import FakeBackend, Request
from deemster.integrations.ray_engine import RayEngine, RayOptions
from deemster.judges import Judge
from deemster.schemas import Sample
from deemster.training.drawing import DrawSettings
from deemster.training.rollouts import RolloutFile
from deemster.training.sampling import Tally

N = 40
KINDS = {"plain": DrawSettings(3, stage="base"), "hinted": DrawSettings(1, hinted=True)}


def samples() -> list[Sample]:
    return [
        Sample(id=f"q{i}", query=_asked(i), responses=("right", "poor"), ground_truth=(1, 0))
        for i in range(N)
    ]  # fmt: skip


def _asked(i: int) -> str:
    return f"What of {i}?" if i != N // 2 else "What is deadly?"


def made(folder: Path, *, deadly: bool) -> tuple[Judge, Judge]:
    """A noisy judge; a `deadly` one ends its process once in all, at one of the samples."""

    def script(request: Request, draw: int) -> str:
        mark = folder / "died"
        if deadly and "deadly" in request.messages[-1].text and not mark.exists():
            mark.touch()
            os._exit(1)
        return grm_text(noisy_scores(request, draw))

    judge = Judge(FakeBackend(script, name="noisy"), k=2, seed=3)
    return judge, judge


async def main(folder: Path) -> None:
    engine = RayEngine(RayOptions(actors=2, chunk=4), report=lambda line: print(line, flush=True))  # noqa: T201
    for name, settings in KINDS.items():
        tally = Tally(RolloutFile(folder / f"{name}.jsonl"))
        await engine.draw(partial(made, folder, deadly=True), samples(), settings, tally)
        print(name, tally.sampled())  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
