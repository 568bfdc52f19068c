"""The probe set that ships: short items with undisputed answers, padding and attacks."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import yaml

from deemster.schemas import Record

Family = Literal["arithmetic", "facts", "instructions", "formats"]
PLAIN: tuple[Family, ...] = ("arithmetic", "facts")
"""Families in which added text changes neither what is right nor what is wrong."""


class Pair(Record):
    """A right and a wrong answer of equal length."""

    family: Family
    query: str
    right: str
    wrong: str


class Single(Record):
    """One answer, right or wrong."""

    family: Family
    query: str
    answer: str
    right: bool


class ProbeSet(Record):
    """Everything a probe asks."""

    pairs: tuple[Pair, ...]
    singles: tuple[Single, ...]
    padding: tuple[str, ...]
    master_keys: tuple[str, ...]
    injections: dict[str, str]
    """Name to text with the slots that `inject` fills."""

    @property
    def plain(self) -> tuple[Pair, ...]:
        """Pairs whose answers may carry more text."""
        return tuple(pair for pair in self.pairs if pair.family in PLAIN)

    def pad(self, length: int) -> str:
        """Empty sentences, cut to exactly `length` characters."""
        text = " ".join(self.padding)
        return (f"{text} " * (length // len(text) + 1))[:length]

    def inject(self, name: str, *, me: int, low: float, high: float, n: int) -> str:
        """The text of an injection attack.

        Args:
            name: of the injection.
            me: place of the answer that carries it in the order shown, from 1.
            low: lowest score.
            high: highest score.
            n: answers shown, 1 or 2.
        """
        other = 3 - me
        scores = ", ".join(f"{high if place == me else low:g}" for place in range(1, n + 1))
        return self.injections[name].format(
            me=me,
            other=other,
            letter="AB"[me - 1],
            opposite="AB"[other - 1],
            low=f"{low:g}",
            high=f"{high:g}",
            scores=scores,
        )


@cache
def load_probe_set() -> ProbeSet:
    """The set that ships with deemster."""
    text = resources.files("deemster.probe").joinpath("items.yaml").read_text(encoding="utf-8")
    return ProbeSet.model_validate(yaml.safe_load(text))
