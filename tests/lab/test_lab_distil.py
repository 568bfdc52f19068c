"""The measurement of distilling a stored log: what it skips, and how its figures are told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deemster.suites.metrics import Item
from deemster.training.agreement import Teacher
from lab.distil import STUDENTS, main, told


def test_without_the_log_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["distil", "--base", "base", "--data", str(tmp_path), "--out", str(tmp_path / "o")]
    monkeypatch.setattr(sys, "argv", arguments)
    assert main() == 0
    assert "skipped: " in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_figures_are_told() -> None:
    def judged(*margins: tuple[float, float]) -> list[Item]:
        return [
            Item.from_scores(str(i), [[margin, 0.0] for margin in pair], ground_truth=(1, 0))
            for i, pair in enumerate(margins)
        ]

    # The base prefers what is shown first, a student knows the first pair.
    base, student = judged((1, -1.5), (1, -1.5)), judged((2, 1), (1, -1.5))
    teacher = Teacher(name="t", rewards={"0": (1, 0), "1": (0, 1)})
    text = told({"base": base, **dict.fromkeys(STUDENTS, student)}, teacher)
    rows = [line.split(" | ") for line in text.splitlines()]
    assert (rows[2][1][:3], rows[2][2][:2], rows[2][3]) == ("50%", "0%", "100% |")
    assert rows[3][1].startswith("100%")
    assert rows[3][2].startswith("50%")
    assert rows[3][3] == "75% |"
    assert "The teacher prefers one response of 2 pairs." in text
