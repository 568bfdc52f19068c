from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from deemster.errors import InputError
from deemster.plugins import Registry

POINTS = [
    EntryPoint("third", "json:loads", "deemster.things"),
    EntryPoint("own", "json:dumps", "deemster.things"),
    EntryPoint("broken", "no_such_module_at_all:x", "deemster.things"),
    EntryPoint("stranger", "json:loads", "other.group"),
]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[object]:
    def entry_points(*, group: str) -> list[EntryPoint]:
        return [point for point in POINTS if point.group == group]

    monkeypatch.setattr("deemster.plugins.entry_points", entry_points)
    return Registry("thing", group="deemster.things", builtin={"own": "math:sqrt"})


def test_names_of_both_kinds(registry: Registry[object]) -> None:
    assert registry.names() == ["broken", "own", "third"]
    assert "own" in registry
    assert "third" in registry
    assert "stranger" not in registry


def test_builtin_cannot_be_taken_over(registry: Registry[object]) -> None:
    import math

    assert registry.get("own") is math.sqrt


def test_entry_point_is_loaded(registry: Registry[object]) -> None:
    import json

    assert registry.get("third") is json.loads


def test_unknown_name_lists_the_known(registry: Registry[object]) -> None:
    with pytest.raises(InputError, match="unknown thing 'thrid'; known: broken, own, third"):
        registry.get("thrid")


def test_broken_plugin_harms_nobody_else(registry: Registry[object]) -> None:
    assert registry.get("third")
    with pytest.raises((InputError, ModuleNotFoundError), match="no_such_module_at_all"):
        registry.get("broken")
