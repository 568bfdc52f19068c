"""docs/benchmarks.md is made of the kept figures, and says where each table comes from."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import pytest
from benchmarks.__main__ import MEASURES
from benchmarks.page import FIGURES, PAGE, WRITERS, render


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    return found


def test_the_page_is_made_of_the_kept_figures(figures: dict[str, Any]) -> None:
    assert render(figures) == PAGE.read_text("utf-8"), "python -m benchmarks --page"


@pytest.mark.parametrize("name", WRITERS)
def test_a_section_names_the_command_of_its_tables_and_the_machine(
    figures: dict[str, Any], name: str
) -> None:
    text = render({name: figures[name]}).partition("\n## ")[2]
    before, _, after = text.partition("\n|")
    assert "Command: `python -m benchmarks." in before
    assert " GB of memory" in after.rpartition("Measured on ")[2]


def test_every_section_can_be_measured() -> None:
    assert list(MEASURES) == list(WRITERS)
    for module, _ in MEASURES.values():
        assert find_spec(module) is not None
