"""Rewards of resampled ballots, without copying votes where the reducer allows it.

A resample draws each vote some number of times. A weighted mean needs those numbers alone, and so
does the choice of the votes with the highest meta rewards where no two of them are equal: rewards
of all resamples are then one matrix product. Any other reducer gets the drawn votes themselves.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Ballot, Floats, Pipeline, Reducer
from deemster.aggregators.reducers import Mean, Sum
from deemster.aggregators.selectors import TopK

Ints = npt.NDArray[np.intp]


# Runs decide thousands of ballots of few sizes, and drawing costs more than the rest.
@lru_cache(maxsize=16)
def drawn(seed: int, n: int, resamples: int) -> Ints:
    """(resamples, n): indices of `n` votes drawn with replacement; not to be written to."""
    index = np.random.default_rng([seed, n]).integers(0, n, size=(resamples, n))
    index.flags.writeable = False
    return index


@lru_cache(maxsize=16)
def _times(seed: int, n: int, resamples: int) -> Floats:
    """(n, resamples): how often `drawn` has each vote; not to be written to."""
    index = drawn(seed, n, resamples)
    cells = (index + n * np.arange(resamples)[:, None]).ravel()
    counts = np.bincount(cells, minlength=n * resamples).reshape(resamples, n)
    times = np.ascontiguousarray(counts.T, dtype=float)
    times.flags.writeable = False
    return times


def resampled_rewards(
    reducer: Reducer, ballot: Ballot, valid: Ints, *, seed: int, resamples: int
) -> Floats:
    """(N, resamples): `reducer.reduce` of each resample, up to rounding.

    Args:
        reducer: makes the rewards.
        ballot: one ballot, without batch axes.
        valid: (n,), its votes of weight above 0, n >= 1.
        seed: draws the resamples: the same ones for all ballots with n valid votes.
        resamples: how many.
    """
    counts = _counted(reducer, ballot, valid, seed, resamples)
    if counts is None:
        index = valid[drawn(seed, len(valid), resamples)]
        return np.ascontiguousarray(reducer.reduce(ballot.take(index)).T)
    times, factor = counts
    return factor * _means(ballot.scores[valid], ballot.weights[valid], times)


def _counted(
    reducer: Reducer, ballot: Ballot, valid: Ints, seed: int, resamples: int
) -> tuple[Floats, int] | None:
    """How often each valid vote counts in each resample (n, R), and what means are multiplied by.

    None where such numbers do not tell the rewards. A subclass of a step may work in another way:
    hence the exact types.
    """
    steps, last = (reducer.steps, reducer.last) if isinstance(reducer, Pipeline) else ((), reducer)
    if type(last) not in {Mean, Sum}:
        return None
    times = _times(seed, len(valid), resamples)
    asked = len(valid) if ballot.k is None else ballot.k
    for step in steps:
        if type(step) is not TopK:
            return None
        meta = ballot.meta[valid]
        rated = np.flatnonzero(~np.isnan(meta))
        order = rated[np.argsort(-meta[rated], kind="stable")]
        falling = meta[order]
        if (falling[1:] == falling[:-1]).any():
            return None  # of equal meta rewards those drawn first are kept
        times = _highest(times, order, step.k_meta)
        asked = step.wanted(asked)
    return times, asked if isinstance(last, Sum) else 1


def _highest(times: Floats, order: Ints, k_meta: int | None) -> Floats:
    """`times` (n, R) with only the first `k_meta` draws of each resample, by `order` of votes."""
    total = times[order].sum(axis=0)
    left = np.floor((total + 1) / 2) if k_meta is None else np.full_like(total, k_meta)
    kept = np.zeros_like(times)
    for vote in order:
        np.minimum(times[vote], left, out=kept[vote])
        left -= kept[vote]
    # Where no vote has a meta reward all of them count.
    return kept if total.all() else np.where(total > 0, kept, times)


def _means(scores: Floats, weights: Floats, times: Floats) -> Floats:
    """(N, R): weighted means of scores (n, N), each taken `times` (n, R); NaN for none."""
    missing = np.isnan(scores)
    if not missing.any():
        weighed = weights @ times
        means: Floats = (scores * weights[:, None]).T @ times / weighed
        return means
    given = np.where(missing, 0.0, weights[:, None])
    total = given.T @ times
    sums = (given * np.where(missing, 0.0, scores)).T @ times
    return np.divide(sums, total, out=np.full_like(total, np.nan), where=total > 0)
