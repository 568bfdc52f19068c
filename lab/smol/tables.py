"""The committed tables of facts and texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.smol.item import Rng

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Group:
    """Facts of one kind: questions about a subject, each with one answer."""

    name: str
    """Of the principle."""
    fact: str
    """A clause with `{s}` and `{a}`."""
    ask: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    wrong: dict[str, str]
    """A mistake that people make, by subject."""


@cache
def facts() -> dict[str, Group]:
    """The groups of `facts.yaml` by their names."""
    table = _read("facts")
    return {
        key: Group(
            name=group["name"],
            fact=group["fact"],
            ask=tuple(group["ask"]),
            pairs=tuple(_pairs(group["pairs"])),
            wrong=dict(_pairs(group["wrong"])) if "wrong" in group else {},
        )
        for key, group in table.items()
    }


@cache
def texts() -> dict[str, list[Any]]:
    """The lists of `texts.yaml` by their names."""
    return _read("texts")


@cache
def _phrasings() -> dict[str, list[tuple[str, str]]]:
    table = _read("phrasings")
    return {key: [_halves(line) for line in text.splitlines()] for key, text in table.items()}


def _halves(line: str) -> tuple[str, str]:
    question, _, sentence = line.partition(" |")
    return question.strip(), sentence.strip()


def phrasing(rng: Rng, key: str) -> tuple[str, str]:
    """One of the ways of `phrasings.yaml` to ask something, and a sentence that answers it."""
    return rng.choice(_phrasings()[key])


@cache
def rows(key: str) -> list[tuple[str, ...]]:
    """The lines of one list of `entries.yaml`, each split into its columns."""
    lines = _read("entries")[key].splitlines()
    return [tuple(cell.strip() for cell in line.split(" | ")) for line in lines]


@cache
def _read(name: str) -> dict[str, Any]:
    """A file's tables. The parser in C, where there is one, takes a tenth of the time."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for pair in text.split(", "):
        subject, _, answer = pair.partition("=")
        found.append((subject.strip(), answer.strip()))
    return found
