"""What one run gains over another on the same pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deemster import Judge
from deemster.backends import FakeBackend
from deemster.errors import InputError
from deemster.suites import load_suite, run_suite
from lab.smol.figures import Figures
from lab.smol.gains import gain, main, measured, right


def test_votes_are_counted_in_expectation_and_a_tie_is_wrong() -> None:
    rng = np.random.default_rng(0)
    assert right([6, -6, 6, 6], 1, rng) == 0.75
    assert right([6, -6, 6, 6], 4, rng) == 1.0
    assert right([6, -6], 2, rng) == 0.0
    assert right([6, -7, 6, 6], 3, rng) == 1.0
    assert right([6, -7, 6, 6], 2, rng) == pytest.approx(0.5, abs=0.1)


def test_the_gain_is_over_the_pairs_that_both_have() -> None:
    leads = {f"a{i}": [5.0, 5.0, -4.0] for i in range(30)}
    leads |= {f"b{i}": [-5.0, -5.0, 4.0] for i in range(10)}
    found = gain((leads, 1), ({**leads, "other": [1.0]}, 3))
    assert found.value == pytest.approx((30 * (1 - 2 / 3) + 10 * (0 - 1 / 3)) / 40)
    assert found.low is not None
    assert found.value is not None
    assert found.low < found.value < 0.34
    assert found.n == 40
    assert gain((leads, 3), (leads, 3)).value == 0
    with pytest.raises(InputError, match="no pair in common"):
        gain((leads, 1), ({}, 1))


@pytest.mark.parametrize("text", ["run", "run:", ":8", "run:0", "run:-1", "run:eight"])
def test_what_is_no_run_with_its_votes(text: str) -> None:
    with pytest.raises(InputError, match="not RUN:VOTES"):
        measured(text, text)


async def test_a_run_is_measured_against_itself_and_lands_in_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"id": str(i), "query": "2 + 2?", "responses": ["4", "5"], "ground_truth": [1, 0]}
        for i in range(6)
    ]
    (tmp_path / "data.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "suite.yaml").write_text(
        "name: gains\ndata: {path: data.jsonl}\njudges: [{model: nano}]\n"
    )
    votes = [f"Scores: \\boxed{{{pair}}}" for pair in ("9, 2", "2, 9", "9, 3")]
    judge = Judge(FakeBackend(lambda _, draw: votes[draw]), dialect="smol", k=3, orders="fixed")
    await run_suite(load_suite(tmp_path / "suite.yaml"), tmp_path / "run", judges=[judge])
    monkeypatch.setattr(
        "sys.argv",
        ["gains", f"{tmp_path}/run:1", f"{tmp_path}/run:3", "--title", "3 votes over one",
         "--figures", str(tmp_path)],
    )  # fmt: skip
    main()
    with pytest.raises(InputError, match="has 3 votes of a pair"):
        measured(f"{tmp_path}/run:1", f"{tmp_path}/run:8")
    part = Figures.read(tmp_path).parts["gains/3 votes over one"]
    assert part["model"] == "fake"
    assert part["n"] == 6
    assert part["gain"][0] == pytest.approx(1 / 3)
