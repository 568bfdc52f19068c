"""Trajectories that several processes draw are those that one draws."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.ray_rollouts import N, made, samples
from tests.support.toy_training import write_toy

from deemster.errors import InputError
from deemster.training.drawing import DrawSettings
from deemster.training.rollouts import RolloutFile
from deemster.training.sampling import Tally, sample_rollouts
from deemster.training.shared_sampling import Exchange as Processes
from deemster.training.shared_sampling import SharedSampling, help_out

ROOT = Path(__file__).parents[2]
WORLD = 3


class Threads(Processes):
    """Processes that are threads of this one."""

    def __init__(self, number: int, world: list[Threads]) -> None:
        self._number, self._world = number, world
        self.said: Any = None
        self.barrier: threading.Barrier = (
            world[0].barrier if world else threading.Barrier(WORLD, timeout=30)
        )
        self.asked = 0
        world.append(self)

    @property
    def count(self) -> int:
        return WORLD

    @property
    def number(self) -> int:
        return self._number

    def gather(self, said: list[Any]) -> list[list[Any]]:
        self.asked += len(said)
        return self._exchange(said)

    def broadcast(self, message: object) -> Any:
        return self._exchange(message)[0]

    def _exchange(self, said: Any) -> list[Any]:
        self.said = said
        self.barrier.wait()
        found = [one.said for one in self._world]
        self.barrier.wait()
        return found


@pytest.mark.parametrize("most", [2, 64], ids=["many-rounds", "one-round"])
def test_all_draw_and_the_first_writes(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deemster.training.shared_sampling._ROUND", most)
    alone, shared = RolloutFile(tmp_path / "alone.jsonl"), RolloutFile(tmp_path / "shared.jsonl")
    judge = made(tmp_path, deadly=False)[0]
    asyncio.run(sample_rollouts(judge, samples(), n=3, out=alone))
    shared.append("q0", [one for one in alone.read() if one.sample_id == "q0"])  # drawn before

    world: list[Threads] = []
    first, *others = [Threads(number, world) for number in range(WORLD)]
    helpers = [threading.Thread(target=help_out, args=(one,)) for one in others]
    for helper in helpers:
        helper.start()
    tally = Tally(shared)
    make = partial(made, tmp_path, deadly=False)
    asyncio.run(SharedSampling(first).draw(make, samples(), DrawSettings(3), tally))
    first.broadcast(None)
    for helper in helpers:
        helper.join(30)
        assert not helper.is_alive()
    assert (tally.items, tally.resumed) == (N - 1, 1)
    assert sorted(shared.read(), key=str) == sorted(alone.read(), key=str)
    assert {one.asked for one in world} == {(N - 1) // WORLD}


def test_what_cannot_be_judged_is_said(tmp_path: Path) -> None:
    world: list[Threads] = []
    first = Threads(0, world)
    first.barrier = threading.Barrier(1)
    twice = [*samples()[:1], *samples()[:1]]
    tally = Tally(RolloutFile(tmp_path / "rows.jsonl"))
    with pytest.raises(InputError, match="occurs twice"):
        asyncio.run(SharedSampling(first).draw(
            partial(made, tmp_path, deadly=False), twice, DrawSettings(1), tally))  # fmt: skip


@pytest.mark.slow
def test_two_processes_run_the_pipeline(tmp_path: Path) -> None:
    """What they drew, trained and judged is there, and no process is left."""
    recipe = write_toy(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2",
         "--mixed_precision", "no", "--dynamo_backend", "no", "--num_machines", "1",
         "-m", "deemster", "train", str(recipe), "--out", str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=900,
        env={**os.environ, "MASTER_PORT": "29611"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for stage in ("rft", "meta"):
        drawn = RolloutFile(tmp_path / "run" / stage / "rollouts.jsonl").read()
        assert len(drawn) == 32
    assert (tmp_path / "run" / "eval" / "evaluation.json").is_file()
