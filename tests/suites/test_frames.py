from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.support.small_suite import write_small_suite

import deemster
from deemster.errors import InputError
from deemster.suites.frames import Table, export_run
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


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param([{}, {}], id="none"),
        pytest.param([{"a": 1}, {"a": "x"}], id="types-differ"),
        pytest.param([{"a": []}, {"b": {}}], id="empty-inside"),
    ],
)
@pytest.mark.parametrize("table", ["samples", "verdicts", "votes"])
async def test_any_metadata_goes_into_parquet(
    metadata: list[object], table: Table, tmp_path: Path
) -> None:
    samples = [
        {"query": "q", "responses": ["a", "b"], "ground_truth": [1, 0], "metadata": one}
        for one in metadata
    ]
    path = tmp_path / "suite.yaml"
    judge = {"model": "fake:no scores"}
    path.write_text(json.dumps({"name": "s", "data": {"samples": samples}, "judges": judge}))
    await run_suite(load_suite(path, environment={}), tmp_path / "run")
    assert export_run(tmp_path / "run", tmp_path / "x.parquet", table=table) == 2
    read = pd.read_parquet(tmp_path / "x.parquet")
    if table == "samples":
        assert [json.loads(one) for one in read["metadata"]] == metadata


def test_an_export_that_fails_leaves_nothing(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        export_run(run, tmp_path / "none" / "votes.jsonl")
    (run / "run.sqlite").write_bytes(b"")
    with pytest.raises(InputError):
        export_run(run, tmp_path / "votes.parquet")
    assert [path.name for path in tmp_path.glob("*votes*")] == []


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
