"""docs/terms.md has every exported name once, and what it has exists."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "terms.md"
PACKAGES = (
    "deemster",
    "deemster.aggregators",
    "deemster.backends",
    "deemster.benchmarks",
    "deemster.data",
    "deemster.dialects",
    "deemster.judges",
    "deemster.judges.verifier",
    "deemster.principles",
    "deemster.probe",
    "deemster.publishing",
    "deemster.reports",
    "deemster.schemas",
    "deemster.serve",
    "deemster.suites",
    "deemster.testing",
    "deemster.training",
    "deemster.zoo",
)
_ROW = re.compile(r"^\| (?P<term>[^|]+) \| (?P<meaning>[^|]+) \| (?P<code>[^|]+) \|$", re.MULTILINE)


def rows() -> list[re.Match[str]]:
    found = list(_ROW.finditer(PAGE.read_text("utf-8")))
    return [row for row in found if row["term"] != "term"]


def listed() -> Counter[str]:
    """Names in the last column; `argument k` and `field order` are words of signatures."""
    exported = [row["code"] for row in rows() if not row["code"].startswith(("field", "argument"))]
    return Counter(name for code in exported for name in re.findall(r"`(\w+)`", code))


@pytest.mark.parametrize("package", PACKAGES)
def test_exported_names_exist_and_have_a_term(package: str) -> None:
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(set(module.__all__)) == len(module.__all__)
    assert sorted(set(module.__all__) - set(listed())) == [], f"{package}: add a row to {PAGE.name}"
    assert set(module.__all__) <= set(dir(module))


def test_a_name_exported_twice_is_one_thing() -> None:
    found: dict[str, object] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            assert found.setdefault(name, thing) is thing, f"{name} of {package} is another"


def test_the_page_has_each_name_and_each_term_once() -> None:
    assert [name for name, times in listed().items() if times > 1] == []
    terms = Counter(row["term"] for row in rows())
    assert [term for term, times in terms.items() if times > 1] == []


def test_the_page_has_no_name_that_is_gone() -> None:
    exported = {name for package in PACKAGES for name in importlib.import_module(package).__all__}
    assert sorted(set(listed()) - exported) == []
