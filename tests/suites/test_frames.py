from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.support.small_suite import write_small_suite

import deemster
from deemster.errors import InputError
from deemster.suites.frames import export_run
from deemster.suites.loading import load_suite
from deemster.suites.runner import run_suite


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    suite = load_suite(write_small_suite(tmp_path), environment={})
    await run_suite(suite, tmp_path / "run")
    return tmp_path / "run"


def test_frames(run: Path) -> None:
    frames = deemster.load_run(run)
    assert len(frames.samples) == 6
    assert len(frames.verdicts) == 6
    assert len(frames.votes) == 24
    assert frames.verdicts["right"].sum() == 6
    assert set(frames.votes["status"]) == {"ok"}
    joined = frames.votes.merge(frames.samples, left_on="sample", right_on="id")
    assert len(joined) == 24


def test_export(run: Path, tmp_path: Path) -> None:
    assert export_run(run, tmp_path / "votes.jsonl") == 24
    lines = (tmp_path / "votes.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[0])["principles"]
    assert export_run(run, tmp_path / "votes.parquet") == 24
    assert len(pd.read_parquet(tmp_path / "votes.parquet")) == 24
    with pytest.raises(InputError, match=r"end the name in \.jsonl or \.parquet"):
        export_run(run, tmp_path / "votes.csv")
    with pytest.raises(InputError, match="unknown table 'x'; known: samples"):
        export_run(run, tmp_path / "votes.jsonl", table="x")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no run in"):
        export_run(tmp_path / "none", tmp_path / "votes.jsonl")
