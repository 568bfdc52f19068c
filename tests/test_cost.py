"""docs/cost.md: its formulas hold for what servers count, and it is made of the kept figures."""

from __future__ import annotations

import json

import pytest
from benchmarks.cost import FIGURES, PAGE
from benchmarks.cost_checks import CHECKS
from benchmarks.cost_page import render


@pytest.mark.parametrize("setup", CHECKS)
async def test_formula_equals_ledger(setup: str) -> None:
    check = await CHECKS[setup](4)
    assert check.agrees, check
    assert all(load.votes for load in check.counted)


def test_the_page_is_made_of_the_kept_figures() -> None:
    figures = json.loads(FIGURES.read_text("utf-8"))
    assert render(figures) == PAGE.read_text("utf-8"), "python -m benchmarks.cost --page"
