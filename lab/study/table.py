"""One split's figures, item by item, and their intervals: the same resamples for every figure.

Rows are items of a seed, columns are figures per item (right or not, votes drawn). The unit that
is resampled is the item: where several seeds share an item, its rows go together. A difference of
two figures is a column of differences, so that it is paired by construction.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from pydantic import Field

from deemster.errors import InputError
from deemster.suites.metrics.estimate import Bootstrap, Estimate, Floats, Ints, tidy
from lab.study.files import Scored

Key = TypeVar("Key", bound=Hashable)


class Rows:
    """The items of a split, over all files and seeds.

    Args:
        split: for messages.
        files: (seed, file's name, its items).

    Raises:
        InputError: two files disagree on what an item is.
    """

    def __init__(self, split: str, files: Iterable[tuple[int, str, Scored]]) -> None:
        self._row: dict[tuple[int, str], int] = {}
        self._unit: dict[str, tuple[int, tuple[int, int, str]]] = {}
        units: list[int] = []
        for seed, name, scored in files:
            facts = zip(
                scored.n.tolist(), scored.best.tolist(), scored.domains.tolist(), strict=True
            )
            for item, fact in zip(scored.items.tolist(), facts, strict=True):
                unit, known = self._unit.setdefault(item, (len(self._unit), fact))
                if known != fact:
                    raise InputError(
                        f"study file {name!r}: item {item!r} has (n, best, domain) {fact}, "
                        f"elsewhere in split {split!r} {known}; an id must name one item "
                        "in all files"
                    )
                if (seed, item) not in self._row:
                    self._row[seed, item] = len(units)
                    units.append(unit)
        self.units: Ints = np.array(units, dtype=np.intp)
        """(rows,): which item a row is of."""
        self.seeds: Ints = np.array([seed for seed, _ in self._row], dtype=np.intp)
        """(rows,): its seed."""
        domains = {unit: fact[2] for unit, fact in self._unit.values()}
        self.domains = np.array([domains[unit] for unit in units], dtype=str)
        """(rows,): its domain."""

    @property
    def n_items(self) -> int:
        """How many different items there are."""
        return len(self._unit)

    def where(self, seed: int, scored: Scored) -> Ints:
        """(I,): the rows of a file's items."""
        return np.array([self._row[seed, item] for item in scored.items.tolist()], dtype=np.intp)

    def empty(self) -> Floats:
        """A column without figures."""
        return np.full(len(self.units), np.nan)


class Figure(Estimate):
    """A mean over items with its interval; `n` counts different items."""

    by_seed: dict[str, float] = Field(default_factory=dict)
    """The mean of each seed's items."""


def figures(
    rows: Rows, columns: Mapping[Key, Floats], bootstrap: Bootstrap, *, shares: Container[Key]
) -> tuple[dict[Key, Figure], dict[Key, Floats]]:
    """Means of columns (rows,) with percentile intervals, and the draws behind these.

    Rows that are NaN in a column are left out of it.

    Args:
        rows: what the columns' rows are.
        columns: figures per item.
        bootstrap: how items are resampled.
        shares: the columns that are shares of 1. Such a one that is 0 or 1 for every item takes
            the exact binomial interval: resampling would give none.

    Returns:
        By key: the figure, and its means (resamples,) over resampled items; both only for
        columns with at least one row.
    """
    keys = [key for key, column in columns.items() if np.isfinite(column).any()]
    if not keys:
        return {}, {}
    table = np.stack([columns[key] for key in keys], axis=1)
    there = ~np.isnan(table)
    sums = np.zeros((rows.n_items, len(keys)))
    np.add.at(sums, rows.units, np.where(there, table, 0.0))
    # Most columns are of the same few sets of rows: their sizes are resampled once.
    kinds, kind = np.unique(there, axis=1, return_inverse=True)
    sizes = np.zeros((rows.n_items, kinds.shape[1]))
    np.add.at(sizes, rows.units, kinds.astype(float))
    kind = kind.ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = np.concatenate(
            [
                (drawn @ sums) / (drawn @ sizes)[:, kind]
                for drawn in bootstrap.counts(np.ones(rows.n_items, dtype=np.intp))
            ]
        )
    found: dict[Key, Figure] = {}
    for place, key in enumerate(keys):
        size = sizes[:, kind[place]]
        value = float(sums[:, place].sum() / size.sum())
        n = int((size > 0).sum())
        interval = _interval(value, draws[:, place], n, share=key in shares, bootstrap=bootstrap)
        by_seed = _by_seed(rows, table[:, place])
        found[key] = Figure(**interval.model_dump(), by_seed=by_seed)
    return found, {key: draws[:, place] for place, key in enumerate(keys)}


def _interval(
    value: float, draws: Floats, n: int, *, share: bool, bootstrap: Bootstrap
) -> Estimate:
    if n < 2:
        return Estimate(value=tidy(value), low=None, high=None, n=n)
    if share and value in (0.0, 1.0):
        return bootstrap.mean(np.full(n, value))
    return bootstrap.between(value, draws, n)


def _by_seed(rows: Rows, column: Floats) -> dict[str, float]:
    there = ~np.isnan(column)
    seeds = np.unique(rows.seeds[there])
    return {
        str(seed): round(float(column[there & (rows.seeds == seed)].mean()), 10) for seed in seeds
    }


def pooled(parts: Iterable[tuple[Figure, Floats]], bootstrap: Bootstrap) -> tuple[Figure, Floats]:
    """Mean over splits of figures and draws; splits are resampled independently of each other.

    Where no draw differs from another, the ends of the splits' exact intervals are averaged.
    """
    given = list(parts)
    values, lows, highs = (
        [getattr(figure, end) for figure, _ in given] for end in ("value", "low", "high")
    )
    draws: Floats = np.mean([draw for _, draw in given], axis=0)
    n = sum(figure.n for figure, _ in given)
    estimate = bootstrap.between(float(np.mean(values)), draws, n)
    if np.ptp(draws) == 0 and None not in (*lows, *highs):
        low, high = tidy(float(np.mean(lows))), tidy(float(np.mean(highs)))
        estimate = estimate.model_copy(update={"low": low, "high": high})
    seeds = set.intersection(*(set(figure.by_seed) for figure, _ in given))
    by_seed = {
        seed: round(float(np.mean([figure.by_seed[seed] for figure, _ in given])), 10)
        for seed in sorted(seeds)
    }
    return Figure(**estimate.model_dump(), by_seed=by_seed), draws
