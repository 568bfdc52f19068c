"""The examples that need nothing run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_demo_shows_principles_critiques_votes_and_the_verdict() -> None:
    out = run("demo.py")
    for part in ("principles", "critiques", "is best", "4 of 4 votes valid", "5 of 5 examples"):
        assert part in out


def test_own_parts() -> None:
    assert "topk(k_meta=2) >> best()" in run("own_parts.py")


@pytest.mark.parametrize("name", ["api_judge.py", "local_judge.py", "build_cassette.py"])
def test_the_others_compile(name: str) -> None:
    compile((EXAMPLES / name).read_text("utf-8"), name, "exec")
