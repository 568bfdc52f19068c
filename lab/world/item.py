"""The parts of a task of the world, as its teacher sees them."""

from __future__ import annotations

from dataclasses import dataclass

from deemster.schemas import Sample


@dataclass(frozen=True)
class Check:
    """One response examined under one criterion."""

    evidence: str
    """Expected and found parts side by side, up to the first difference."""
    ok: bool


@dataclass(frozen=True)
class Criterion:
    """The subject of a teacher's principle, with its finding about every response."""

    name: str
    checks: tuple[Check, ...]
    slipped: tuple[Check, ...] = ()
    """The checks against a faulty working; empty if there is no working."""


@dataclass(frozen=True)
class Working:
    """How a task is solved, written before the responses are looked at."""

    text: str
    slip: str
    """The same with a wrong result."""


@dataclass(frozen=True)
class Draft:
    """A task before its answers are dressed: what a domain makes.

    Attributes:
        query: the query's text.
        answers: bare answers; exactly one is right if there are two or more.
        criteria: what decides, checks aligned with `answers`.
        dress: the wordings of answers that fit.
        solution: an answer that is right, for instruction data.
        working: how it is solved, for tasks with one solution.
    """

    query: str
    answers: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    dress: str
    solution: str
    working: Working | None = None

    @property
    def quality(self) -> tuple[float, ...]:
        """Share of the criteria met, one per answer, in 0..1."""
        return tuple(
            sum(criterion.checks[i].ok for criterion in self.criteria) / len(self.criteria)
            for i in range(len(self.answers))
        )


@dataclass(frozen=True)
class Item:
    """A sample with what decides it (`proper`) and what should not (`improper`)."""

    sample: Sample
    proper: tuple[Criterion, ...]
    improper: tuple[Criterion, ...]
    working: Working | None

    @property
    def domain(self) -> str:
        """The kind of task."""
        return self.sample.subset
