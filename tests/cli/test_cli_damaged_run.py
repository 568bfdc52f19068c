"""Every command that reads a run says in one line that its store is damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.small_suite import write_small_suite


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A suite, and a run of it that lost a sample's votes."""
    folder = tmp_path_factory.mktemp("damaged")
    suite = write_small_suite(folder)
    out = folder / "run"
    assert deemster("run", str(suite), "--out", str(out)).returncode == 0
    with closing(sqlite3.connect(out / "run.sqlite")) as db:
        db.execute("DROP TRIGGER votes_delete")
        db.execute("DELETE FROM votes WHERE sample = 2")
        db.commit()
    return suite, out


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["report", "{run}"], id="report"),
        pytest.param(["rescore", "{run}"], id="rescore"),
        pytest.param(["export", "{run}", "--out", "{folder}/x.jsonl"], id="export"),
        pytest.param(
            ["export", "{run}", "--table", "samples", "--out", "{folder}/x.jsonl"],
            id="export-samples",
        ),
        pytest.param(["cascade", "fit", "{run}", "{run}", "--out", "{folder}/c"], id="cascade"),
        pytest.param(["principles", "mine", "{run}", "--bank", "{folder}/b.sqlite"], id="mine"),
        pytest.param(["run", "{suite}", "--out", "{run}", "--resume"], id="resume"),
    ],
)
def test_readers_say_what_is_damaged(runs: tuple[Path, Path], command: list[str]) -> None:
    suite, run = runs
    places = {"suite": suite, "run": run, "folder": suite.parent}
    line = one_line(deemster(*(part.format(**places) for part in command)))
    assert "is damaged (votes: 4 missing); undamaged are 1 of 1 judges, 6 of 6 samples" in line
    assert "20 of 24 votes, 6 of 6 verdicts" in line
