"""`deemster init`, and completion in the shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.command_line import deemster

from deemster.suites.loading import load_suite


def test_what_init_writes_can_be_run(tiny_nano: Path, tmp_path: Path) -> None:
    done = deemster("init", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    plan, _, report = done.stdout.splitlines()
    assert report == "deemster report runs/starter"
    suite = load_suite(tmp_path / "new" / "suite.yaml", environment={})
    assert len(list(suite.samples())) == 8
    assert suite.spec.name == "starter"
    schema = json.loads((tmp_path / "new" / "suite.schema.json").read_text("utf-8"))
    assert schema["title"] == "deemster suite"
    done = deemster(*plan.split()[1:])
    assert done.returncode == 0, done.stderr
    assert "eight votes" in done.stdout


def test_every_setting_has_a_comment(tmp_path: Path) -> None:
    deemster("init", str(tmp_path))
    lines = (tmp_path / "suite.yaml").read_text("utf-8").splitlines()
    bare = [line for line in lines if "#" not in line]
    # The description is one itself; the second judge repeats settings of the first.
    assert bare == [lines[2], "    model: nano", "    k: 8"]


def test_init_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text("mine")
    done = deemster("init", str(tmp_path))
    assert done.returncode == 2
    assert "pairs.jsonl' is there already; give another folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        pytest.param("comp", "compare", id="command"),
        pytest.param("run --dry", "--dry-run", id="option"),
        pytest.param("score --temp", "--temperature", id="option-of-a-judge"),
    ],
)
def test_the_shell_completes(typed: str, offered: str) -> None:
    words = f"deemster {typed}"
    given = {
        "_DEEMSTER_COMPLETE": "complete_bash", "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }  # fmt: skip
    code = "import sys; sys.argv = ['deemster']; from deemster.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **given}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert offered in done.stdout.split(), done.stderr
