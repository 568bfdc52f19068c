"""Training without padding: the loss falls, what is saved goes on, and rates, passes and rows."""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed.run import get_args_parser

from lab.smol import packed
from lab.smol.packed import options, parted, passes, rate, rows_of, train
from lab.smol.packed_llama import MASTER, Packed, Row

ROWS = [
    Row([5, 9, 21], [[33, 40, 2]], [1.0]),
    Row([7], [[11, 12, 13, 14]], [1.0]),
]


def settings(**changed: Any) -> argparse.Namespace:
    given = {"steps": 12, "batch": 2, "rate": 0.02, "warm": 2, "decay": 4, "save": 5}
    return argparse.Namespace(**{**given, **changed})


def test_training_lowers_the_loss_and_saves_what_it_goes_on_from(
    base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Packed(base, adapter, dtype=torch.float32, compiled=False)
    before = float(model.loss(ROWS).detach())
    train(model, ROWS, tmp_path / "out", settings())
    after = float(model.loss(ROWS).detach())
    assert after < 0.8 * before
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["10", "12", "5"]
    assert "step 12 of 12: loss" in capsys.readouterr().out
    again = Packed(base, tmp_path / "out" / "12", dtype=torch.float32, compiled=False)
    assert float(again.loss(ROWS).detach()) == pytest.approx(after, rel=1e-6)
    (tmp_path / "out" / "12" / MASTER).unlink()
    rounded = Packed(base, tmp_path / "out" / "12", dtype=torch.float32, compiled=False)
    assert float(rounded.loss(ROWS).detach()) == pytest.approx(after, rel=0.02)


def _one_of_two(rank: int, base: Path, adapter: Path, out: Path) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    meeting = (out.parent / "meeting").as_uri()
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    train(Packed(base, adapter, dtype=torch.float32, compiled=False), ROWS, out, settings())
    parted()


def test_two_processes_train_what_one_does(base: Path, adapter: Path, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    train(Packed(base, adapter, dtype=torch.float32, compiled=False), ROWS, alone, settings())
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=_one_of_two, args=(i, base, adapter, together)) for i in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    # torch aborts now and then when all is done; what Python raises is 1
    assert 1 not in [process.exitcode for process in both]
    one, two = (
        float(Packed(base, out / "12", dtype=torch.float32, compiled=False).loss(ROWS).detach())
        for out in (alone, together)
    )
    assert two == pytest.approx(one, rel=0.05)


def test_the_rate_rises_stays_and_falls() -> None:
    found = [rate(step, 100, top=2.0, warm=10, decay=50) for step in (0, 9, 49, 50, 75, 99)]
    assert found == pytest.approx([0.2, 2.0, 2.0, 2.0, 1.0, 0.04])
    assert rate(0, 10, top=2.0, warm=0, decay=0) == 2.0


def test_passes_are_filled_and_a_long_row_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_PACKED", 8)
    rows = [Row([0] * n, [[1]], [1.0]) for n in (9, 3, 2, 1, 5)]
    parts = [[len(row.prompt) for row in rows[part]] for part in passes(rows)]
    assert parts == [[9], [3, 2], [1, 5]]


def test_what_the_teacher_writes_is_learned_after_its_prompt(base: Path) -> None:
    rows = rows_of(20, seed=1, base=base)
    assert 15 < len(rows) <= 20
    assert all(row.prompt and row.completions[0] for row in rows)
    assert rows == rows_of(20, seed=1, base=base)


def test_torchrun_takes_none_of_the_options_for_its_own() -> None:
    every = [one for action in options()._actions[1:] for one in (*action.option_strings, "1")]
    launched = ["--nproc-per-node", "2", "-m", "lab.smol.packed", *every]
    given = get_args_parser().parse_args(launched)
    assert given.training_script_args == every
    assert options().parse_args(given.training_script_args).batch == 1
