"""Estimates with intervals: one seeded, vectorised item bootstrap behind every metric.

Rows that are equal are counted once and their counts resampled (a multinomial draw), which is the
item bootstrap exactly and costs as much as there are *distinct* rows: 10,000 right-or-wrong items
are two rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from deemster.errors import InputError
from deemster.schemas import Count, Record

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Ends = tuple[float, float]
"""The lowest and the highest value that a figure can have."""

_CELLS_AT_ONCE = 2_000_000
"""Most resampled counts held at once: 16 MB of float64."""


class Estimate(Record):
    """A figure with its interval. `None` where it is undefined, never a stand-in number."""

    value: float | None
    low: float | None
    """Lower end of the interval; None where there are fewer than 2 units to resample."""
    high: float | None
    n: Count
    """How many units (items, unless the metric says otherwise) it rests on."""


def tidy(value: float) -> float | None:
    """`value` with 10 decimals, None for NaN.

    The last bits of a float depend on how a BLAS library splits a sum over threads; without them
    the same votes give the same bytes of JSON everywhere.
    """
    return None if not np.isfinite(value) else round(float(value), 10) + 0.0


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn: percentile bootstrap over items.

    Args:
        resamples: number of resampled data sets.
        level: coverage aimed at, between 0 and 1.
        seed: equal seeds and equal data give equal intervals.
        proportions: how simple proportions (0/1 per item) get theirs: `bootstrap`, or the
            `wilson` or `clopper` (exact) interval of SciPy. Where all items agree,
            resampling would give a width of 0, so that case always takes the exact interval.
    """

    resamples: int = 2000
    level: float = 0.95
    seed: int = 0
    proportions: Literal["bootstrap", "wilson", "clopper"] = "bootstrap"

    def __post_init__(self) -> None:
        if self.resamples < 1:
            raise InputError(f"resamples must be >= 1, got {self.resamples!r}")
        if not 0 < self.level < 1:
            raise InputError(f"level must be between 0 and 1, got {self.level!r}; 0.95 is usual")
        if self.proportions not in ("bootstrap", "wilson", "clopper"):
            raise InputError(
                f"interval of proportions {self.proportions!r}; allowed: bootstrap, wilson, clopper"
            )

    def counts(self, counts: Ints) -> Iterator[Floats]:
        """Resampled counts in blocks (b, C) that add up to `resamples` rows.

        Args:
            counts: (C,), how often each distinct row occurs in the data.
        """
        rng = np.random.default_rng(self.seed)
        total, cells = int(counts.sum()), len(counts)
        size = max(1, _CELLS_AT_ONCE // max(total, cells, 1))
        for start in range(0, self.resamples, size):
            block = min(size, self.resamples - start)
            if cells * 6 <= total:
                yield rng.multinomial(total, counts / total, size=block).astype(float)
                continue
            # Mostly distinct rows: drawing the items one by one is faster than C binomials.
            which = np.repeat(np.arange(cells), counts)[rng.integers(0, total, (block, total))]
            which += np.arange(block)[:, None] * cells
            drawn = np.bincount(which.ravel(), minlength=block * cells)
            yield drawn.reshape(block, cells).astype(float)

    def estimate(
        self,
        value: float,
        counts: Ints,
        statistic: Callable[[Floats], Floats],
        *,
        within: Ends | None = None,
        units: int | None = None,
    ) -> Estimate:
        """`value` with the percentile interval of `statistic` over resampled data sets.

        Args:
            value: the statistic of the data themselves; NaN if undefined.
            counts: (C,), how often each distinct row occurs.
            statistic: maps counts (b, C) to values (b,), NaN where a resample leaves it
                undefined; such resamples are left out.
            within: the ends of the scale. Where all resamples give one value, the interval then
                allows for the largest share of others, at either end, that could have stayed
                unseen; there is none if an end is infinite, or passed by `value`. Not given, its
                width is 0.
            units: how many of them could have shown others; all if not given.
        """
        n = int(counts.sum())
        if not np.isfinite(value):
            return Estimate(value=None, low=None, high=None, n=n)
        if n < 2:
            return Estimate(value=tidy(value), low=None, high=None, n=n)
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = np.concatenate([statistic(block) for block in self.counts(counts)])
        found = self.between(value, draws, n)
        if within is None or found.low is None or found.low != found.high:
            return found
        room, (least, most) = self.unseen(n if units is None else units), within
        ends = tidy(value + (least - value) * room), tidy(value + (most - value) * room)
        known = None not in ends and least - 1e-9 <= value <= most + 1e-9
        low, high = ends if known else (None, None)
        return found.model_copy(update={"low": low, "high": high})

    def between(self, value: float, draws: Floats, n: int) -> Estimate:
        """`value` with the middle `level` of `draws`, widened to contain `value` if need be.

        Widening matters only for figures that resampling shifts, such as ECE.
        """
        draws = draws[np.isfinite(draws)]
        if not len(draws) or not np.isfinite(value):
            return Estimate(value=tidy(value), low=None, high=None, n=n)
        tail = (1 - self.level) / 2
        low, high = np.quantile(draws, (tail, 1 - tail))
        return Estimate(
            value=tidy(value), low=tidy(min(low, value)), high=tidy(max(high, value)), n=n
        )

    def mean(self, values: npt.ArrayLike, *, within: Ends = (0.0, 1.0)) -> Estimate:
        """Mean over items. Undefined for no items.

        Args:
            values: (n,), finite.
            within: the ends of their scale, see `estimate`.
        """
        rows = np.asarray(values, dtype=float)
        if not len(rows):
            return Estimate(value=None, low=None, high=None, n=0)
        distinct, counts = np.unique(rows, return_counts=True)
        if (
            within == (0.0, 1.0)
            and np.isin(distinct, within).all()
            and (len(distinct) == 1 or self.proportions != "bootstrap")
        ):
            return self._proportion(int(rows.sum()), len(rows))
        value = float(counts @ distinct) / len(rows)
        return self.estimate(value, counts, lambda w: w @ distinct / len(rows), within=within)

    def difference(self, one: npt.ArrayLike, two: npt.ArrayLike) -> Estimate:
        """Mean of `one` less `two` over items, resampled in pairs. Undefined for no items.

        Where all pairs differ alike, resampling would give a width of 0: the interval then allows
        for the largest share of other pairs that could have stayed unseen (exact).

        Args:
            one: (n,), 0 or 1.
            two: (n,), 0 or 1.
        """
        rows = np.asarray(one, dtype=float) - np.asarray(two, dtype=float)
        distinct, counts = np.unique(rows, return_counts=True)
        if len(distinct) != 1:
            value = float(counts @ distinct) / len(rows) if len(rows) else np.nan
            return self.estimate(value, counts, lambda w: w @ distinct / len(rows))
        value = float(distinct[0])
        room = (1 + abs(value)) * self.unseen(len(rows))
        low, high = max(-1.0, value - room), min(1.0, value + room)
        return Estimate(value=tidy(value), low=tidy(low), high=tidy(high), n=len(rows))

    def unseen(self, n: int) -> float:
        """Where `n` units are alike: the largest share of others that could be there (exact)."""
        return self._proportion(0, n).high or 0.0

    def means(self, values: Floats) -> Floats:
        """Means of resampled data sets, (resamples,).

        Where all values are 0, or all 1, resampling would give nothing else: the means then allow
        for others that could have stayed unseen, so that their quantiles are the exact interval's.

        Args:
            values: (n,), n >= 1.
        """
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) > 1 or distinct[0] not in (0.0, 1.0):
            return np.concatenate([block @ distinct / len(values) for block in self.counts(counts)])
        chances = np.random.default_rng(self.seed).random(self.resamples)
        others: Floats = 1 - chances ** (1 / len(values))
        means: Floats = np.abs(distinct[0] - others)
        return means

    def ratio(self, tops: npt.ArrayLike, bottoms: npt.ArrayLike) -> Estimate:
        """Sum of `tops` over sum of `bottoms`, both (n,), resampled together by item.

        No top is below 0 or above its bottom.
        Items whose bottom is 0 say nothing and are not counted in `n`.
        """
        rows = np.stack([np.asarray(tops, dtype=float), np.asarray(bottoms, dtype=float)], axis=1)
        rows = rows[rows[:, 1] > 0]
        if not len(rows):
            return Estimate(value=None, low=None, high=None, n=0)
        if (rows[:, 1] == 1).all():
            return self.mean(rows[:, 0])
        distinct, counts = np.unique(rows, axis=0, return_counts=True)
        top, bottom = distinct.T
        value = float(counts @ top) / float(counts @ bottom)
        return self.estimate(value, counts, lambda w: (w @ top) / (w @ bottom), within=(0.0, 1.0))

    def _proportion(self, hits: int, n: int) -> Estimate:
        # Not statsmodels, which imports pandas: a summary often needs no more than this.
        from scipy.stats import binomtest  # noqa: PLC0415 - slow to import

        method = "wilson" if self.proportions == "wilson" else "exact"
        found = binomtest(hits, n).proportion_ci(confidence_level=self.level, method=method)
        low, high = found.low, found.high
        # Wilson's ends miss 0 and 1 by a rounding error where all items agree.
        low, high = min(float(low), hits / n), max(float(high), hits / n)
        return Estimate(value=tidy(hits / n), low=tidy(low), high=tidy(high), n=n)


DEFAULT = Bootstrap()
"""2000 resamples, 95 %, seed 0."""
