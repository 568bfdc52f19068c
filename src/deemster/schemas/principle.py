"""Principles: the weighted criteria a judgment is made by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from deemster.records import Finite, Record, Whole


class Band(Record):
    """What a range of scores means under one principle."""

    low: Whole
    """Lowest score of the band, inclusive."""
    high: Whole
    """Highest score of the band, inclusive."""
    meaning: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"band {self.low}-{self.high} is upside down; give low <= high")
        return self


class Principle(Record):
    """One criterion, generated for a query or fixed beforehand."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    weight: Annotated[Finite, Field(ge=0)] = 1.0
    """Relative importance, >= 0; in a `Judgment` the weights sum to 1."""
    bands: tuple[Band, ...] = ()
    """What the score ranges mean, best first, each starting where the one above it ended; empty
    for generated principles."""

    @model_validator(mode="after")
    def _bands_touch(self) -> Self:
        for above, below in itertools.pairwise(self.bands):
            if below.high != above.low - 1:
                raise ValueError(
                    f"band {below.low}-{below.high} does not follow on {above.low}-{above.high}; "
                    "list bands best first, without gap or overlap"
                )
        return self


class Rubric(Record):
    """A fixed, named, weighted set of principles."""

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    version: Annotated[int, Field(strict=True, ge=1)] = 1
    principles: Annotated[tuple[Principle, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        names = [principle.name for principle in self.principles]
        if len(set(names)) != len(names):
            raise ValueError(f"principle names must differ, got {names}")
        normalise_weights(self.principles)
        return self


def normalise_weights(principles: Sequence[Principle]) -> tuple[Principle, ...]:
    """The same principles with weights that sum to 1 (none given: none returned).

    Raises:
        ValueError: all weights are 0, so there is nothing to share out, or their sum overflows.
    """
    weights = [principle.weight for principle in principles]
    normalised = shares(weights)
    if normalised == weights:
        return tuple(principles)
    return tuple(
        principle.model_copy(update={"weight": weight})
        for principle, weight in zip(principles, normalised, strict=True)
    )


def shares(weights: Sequence[float]) -> list[float]:
    """Weights that sum to 1, in the same proportions (none given: none returned).

    Raises:
        ValueError: all weights are 0, so there is nothing to share out, or their sum overflows.
    """
    if not weights:
        return []
    total = sum(weights)  # fsum would raise on overflow
    if total <= 0:
        raise ValueError("all principle weights are 0; give at least one a weight above 0")
    if not math.isfinite(total):
        raise ValueError("principle weights are too large to add up; give shares or percentages")
    if math.isclose(total, 1.0, abs_tol=1e-12):
        return list(weights)
    return [weight / total for weight in weights]
