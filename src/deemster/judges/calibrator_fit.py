"""Fits what `Calibrator` stores: the chance that a judge's leader is the labelled best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.judges.calibrator import FEATURES, ChanceMap, pick

Method = Literal["logistic", "isotonic"]
METHODS: tuple[Method, ...] = ("logistic", "isotonic")
FOLDS = 5
MIN_ITEMS = 50
"""Fewest labelled items that a calibration is fitted on."""
MIN_EACH = 5
"""Fewest that the judge got right, and fewest that it got wrong."""
_KNOWN = 0.95
"""A feature is used if this share of the items has it."""


def why_not(values: Floats, right: Floats) -> str:
    """Why nothing can be fitted to these items; empty if something can."""
    usable = np.isfinite(values[:, FEATURES.index("margin")])
    n, hits = int(usable.sum()), int(right[usable].sum())
    if n < MIN_ITEMS:
        return f"{n} labelled comparisons with one best response are fewer than {MIN_ITEMS}"
    if min(hits, n - hits) < MIN_EACH:
        return f"the judge got {hits} of {n} right: fewer than {MIN_EACH} of a kind to learn from"
    return ""


def usable_features(values: Floats) -> tuple[str, ...]:
    """The features that nearly all items have and in which they differ."""
    names = []
    for name, column in zip(FEATURES, values.T, strict=True):
        known = column[np.isfinite(column)]
        if len(known) >= _KNOWN * len(column) and known.std() > 1e-9:
            names.append(name)
    return tuple(names)


def fit(values: Floats, right: Floats, *, method: Method = "logistic") -> ChanceMap:
    """Fit one calibration.

    Args:
        values: (I, F) `FEATURES`, NaN where missing; items lacking a used one are left out.
        right: (I,) 1 where the leader is the labelled best, else 0.
        method: `logistic`, on all usable features; `isotonic`, on the resampled confidence, or
            where there is none (a single vote) on the margin.

    Raises:
        InputError: no feature tells items apart.
    """
    features = usable_features(values)
    if not features:
        raise InputError("all verdicts look alike; nothing tells a sure one from an unsure one")
    if method == "isotonic":
        features = next((name,) for name in ("confidence", "margin", *features) if name in features)
    x = pick(values, features)
    known = np.isfinite(x).all(axis=1)
    x, y = x[known], right[known]
    return _isotonic(x[:, 0], y, features) if method == "isotonic" else _logistic(x, y, features)


def _logistic(x: Floats, y: Floats, features: tuple[str, ...]) -> ChanceMap:
    if y.all() or not y.any():
        share = (y.sum() + 1) / (len(y) + 2)
        zeros = (0.0,) * len(features)
        return ChanceMap(
            method="logistic",
            features=features,
            weights=zeros,
            intercept=float(np.log(share / (1 - share))),
        )
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import

    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    model = LogisticRegression(C=1.0, max_iter=1000).fit((x - centre) / spread, y)
    weights = model.coef_[0] / spread
    return ChanceMap(
        method="logistic",
        features=features,
        weights=tuple(float(weight) for weight in weights),
        intercept=float(model.intercept_[0] - weights @ centre),
    )


def _isotonic(x: Floats, y: Floats, features: tuple[str, ...]) -> ChanceMap:
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 - slow to import

    at, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=y) / counts
    found = isotonic_regression(means, weights=counts)
    # One success and one failure more in each block: no chance is 0 or 1 after a few items.
    sizes = np.add.reduceat(counts, found.blocks[:-1])
    levels = (found.x[found.blocks[:-1]] * sizes + 1) / (sizes + 2)
    rising = np.repeat(np.maximum.accumulate(levels), np.diff(found.blocks))
    return ChanceMap(
        method="isotonic",
        features=features,
        knots=tuple((float(a), float(b)) for a, b in zip(at, rising, strict=True)),
    )


def cross_fit_chances(
    values: Floats, right: Floats, *, method: Method = "logistic", seed: int = 0
) -> Floats:
    """(I,) chances, each by a calibration fitted on the other folds."""
    found = np.full(len(right), np.nan)
    for inside in folds(len(right), seed=seed):
        fitted = fit(values[~inside], right[~inside], method=method)
        found[inside] = fitted.chance(values[inside])
    return found


def folds(n: int, *, seed: int, count: int = FOLDS) -> Sequence[npt.NDArray[np.bool_]]:
    """`count` masks (n,) that hold each item once, at random."""
    fold = np.random.default_rng(seed).permutation(n) % count
    return [fold == number for number in range(count)]
