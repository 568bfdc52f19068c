"""Calibration: does a confidence of 0.8 mean right four times in five?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deemster.errors import InputError
from deemster.schemas import Count, Record
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats, Ints, tidy
from deemster.suites.metrics.items import Item


class Bin(Record):
    """One point of the reliability curve."""

    low: float
    """Lowest confidence in the bin."""
    high: float
    confidence: float
    """Mean confidence."""
    accuracy: Estimate
    n: Count


class Calibration(Record):
    """Confidence against correctness."""

    ece: Estimate
    """Expected calibration error, 0..1: the mean distance of accuracy and confidence over the
    bins, by share of items. Small samples bias it upwards, and resampling more so."""
    brier: Estimate
    """Mean squared distance of confidence and correctness, 0..1, lower is better."""
    curve: tuple[Bin, ...]
    """Reliability curve, by rising confidence."""


def calibration(
    items: Sequence[Item], *, bins: int = 10, bootstrap: Bootstrap = DEFAULT
) -> Calibration | None:
    """Calibration of the verdicts' confidence; None if no item has both.

    Correct is strict: a tie on top is wrong. Items without confidence, unscored or without a
    unique true best are left out.
    """
    pairs = [
        (item.confidence, item.right)
        for item in items
        if item.confidence is not None and item.right is not None
    ]
    if not pairs:
        return None
    confidence, right = np.array(pairs, dtype=float).T
    return calibrate(confidence, right, bins=bins, bootstrap=bootstrap)


def calibrate(
    confidence: npt.ArrayLike,
    right: npt.ArrayLike,
    *,
    bins: int = 10,
    bootstrap: Bootstrap = DEFAULT,
) -> Calibration:
    """Calibration of confidences (n,) in 0..1 against outcomes (n,) of 0 or 1, n >= 1.

    Bins hold equally many items, as far as equal confidences, which stay together, allow.
    """
    if bins < 1:
        raise InputError(f"bins must be >= 1, got {bins!r}")
    stated, hit = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    if not len(stated) or not ((stated >= 0) & (stated <= 1)).all():
        raise InputError("confidences must be 1 or more numbers from 0 to 1")
    rows, counts = np.unique(np.stack([stated, hit], axis=1), axis=0, return_counts=True)
    place = _equal_mass(stated, bins, rows[:, 0])
    member = np.eye(int(place.max()) + 1)[place]
    gap = (rows[:, 1] - rows[:, 0])[:, None] * member

    def over_bins(w: Floats) -> Floats:
        # n_bin |accuracy - confidence| summed, over n: the bin sizes cancel.
        error: Floats = np.abs(w @ gap).sum(axis=1) / len(stated)
        return error

    ece = bootstrap.estimate(float(over_bins(counts[None, :].astype(float))[0]), counts, over_bins)
    brier = bootstrap.mean((stated - hit) ** 2)
    if (hit == hit[0]).all():
        ece, brier = (_less_certain(found, bootstrap) for found in (ece, brier))
    return Calibration(
        ece=ece,
        brier=brier,
        curve=tuple(
            _bin(stated, hit, rows[place == b, 0], bootstrap) for b in range(member.shape[1])
        ),
    )


def _less_certain(found: Estimate, bootstrap: Bootstrap) -> Estimate:
    """Where all outcomes are alike: a share of others moves neither figure by more than itself."""
    if found.value is None or found.low is None or found.high is None:
        return found
    room = bootstrap.unseen(found.n)
    low, high = max(0.0, found.value - room), min(1.0, found.value + room)
    return found.model_copy(
        update={"low": tidy(min(low, found.low)), "high": tidy(max(high, found.high))}
    )


def _equal_mass(stated: Floats, bins: int, values: Floats) -> Ints:
    """The bin of each of `values`, numbered from 0 without gaps."""
    distinct, counts = np.unique(stated, return_counts=True)
    # A value goes where the middle of its items goes, so that a frequent one fills its own bin.
    middle = (np.cumsum(counts) - counts / 2) / len(stated)
    place = np.unique((middle * bins).astype(np.intp), return_inverse=True)[1]
    return place[np.searchsorted(distinct, values)].astype(np.intp)


def _bin(stated: Floats, hit: Floats, values: Floats, bootstrap: Bootstrap) -> Bin:
    inside = (stated >= values.min()) & (stated <= values.max())
    return Bin(
        low=float(values.min()),
        high=float(values.max()),
        confidence=tidy(float(stated[inside].mean())) or 0.0,
        accuracy=bootstrap.mean(hit[inside]),
        n=int(inside.sum()),
    )
