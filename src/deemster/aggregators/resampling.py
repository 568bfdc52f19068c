"""Rewards of resampled ballots, without copying votes where the reducer allows it.

A resample draws each vote some number of times. A weighted mean needs those numbers alone, and so
does the choice of the votes with the highest meta rewards where no two of them are equal: rewards
of all resamples are then one matrix product. Any other reducer gets the drawn votes themselves.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Ballot, Floats, Pipeline, Reducer
from deemster.aggregators.reducers import Mean, Sum
from deemster.aggregators.selectors import TopK

Ints = npt.NDArray[np.signedinteger[Any]]


# Runs decide thousands of ballots of few sizes, and drawing costs more than the rest.
@lru_cache(maxsize=16)
def drawn(seed: int, n: int, resamples: int) -> Ints:
    """(resamples, n): indices of `n` votes drawn with replacement; not to be written to."""
    index = np.random.default_rng([seed, n]).integers(0, n, size=(resamples, n))
    index.flags.writeable = False
    return index


@lru_cache(maxsize=16)
def _times(seed: int, n: int, resamples: int) -> Ints:
    """(n, resamples): how often `drawn` has each vote; not to be written to."""
    index = drawn(seed, n, resamples)
    cells = (index + n * np.arange(resamples)[:, None]).ravel()
    counts = np.bincount(cells, minlength=n * resamples).reshape(resamples, n)
    # Small numbers: choosing among votes is a matter of memory.
    times: Ints = np.ascontiguousarray(counts.T, dtype=np.int16 if n < 2**15 else np.intp)
    times.flags.writeable = False
    return times


@lru_cache(maxsize=16)
def _weighty(seed: int, n: int, resamples: int) -> Floats:
    """`_times` as floats."""
    times = _times(seed, n, resamples).astype(float)
    times.flags.writeable = False
    return times


def resampled_rewards(reducer: Reducer, ballot: Ballot, *, seed: int, resamples: int) -> Floats:
    """(I, N, R): `reducer.reduce` of each of R resamples of each ballot, up to rounding.

    Args:
        reducer: makes the rewards.
        ballot: I ballots (I, K, N), K >= 1, all of whose votes have a weight above 0; with `TopK`,
            of as many votes with a meta reward.
        seed: draws the resamples: the same ones for all ballots of K votes.
        resamples: how many.
    """
    counted = _counted(reducer, ballot, seed, resamples)
    if counted is not None:
        return _means(*counted)
    index = drawn(seed, ballot.scores.shape[-2], resamples)
    each = [
        reducer.reduce(ballot.take(np.intp(row)).take(index)).T for row in range(len(ballot.scores))
    ]
    return np.ascontiguousarray(each)


def equal_meta_rewards(ballot: Ballot) -> npt.NDArray[np.bool_]:
    """(I,): whether two of a ballot's meta rewards are equal; NaN counts as none."""
    rising = np.sort(ballot.meta, axis=-1)
    equal: npt.NDArray[np.bool_] = (rising[..., 1:] == rising[..., :-1]).any(axis=-1)
    return equal


def _counted(
    reducer: Reducer, ballot: Ballot, seed: int, resamples: int
) -> tuple[Floats, Floats, Floats] | None:
    """Scores (I, K, N), weights (I, K), and how often each vote counts (K, R) or (I, K, R).

    None where such numbers do not tell the rewards. A subclass of a step may work in another way:
    hence the exact types.
    """
    steps, last = (reducer.steps, reducer.last) if isinstance(reducer, Pipeline) else ((), reducer)
    if type(last) not in {Mean, Sum} or any(type(step) is not TopK for step in steps):
        return None
    scores, weights, asked = ballot.scores, ballot.weights, ballot.asked
    if not steps:
        times = _weighty(seed, scores.shape[-2], resamples)
    else:
        order = np.argsort(-ballot.meta, axis=-1, kind="stable")  # NaN last
        rows = np.arange(len(order))[:, None]
        falling = ballot.meta[rows, order]
        if (falling[:, 1:] == falling[:, :-1]).any():
            return None  # of equal meta rewards those drawn first are kept
        n_rated = int((falling == falling).sum(axis=1).max())  # noqa: PLR0124 - NaN is none
        scores, weights = scores[rows, order], weights[rows, order]
        kept: Ints = _times(seed, scores.shape[-2], resamples)[order]
        for step in steps:
            if isinstance(step, TopK):
                kept = _highest(kept, n_rated, step.k_meta)
                asked = step.wanted(asked)
        times = kept.astype(float)
    return (scores * asked if isinstance(last, Sum) else scores), weights, times


def _highest(times: Ints, n_rated: int, k_meta: int | None) -> Ints:
    """`times` (I, K, R), best votes first, with only the first `k_meta` draws of each resample.

    Votes from `n_rated` on have no meta reward.
    """
    total = times[:, :n_rated].sum(axis=1, dtype=times.dtype)
    left = (total + 1) // 2 if k_meta is None else np.full_like(total, min(k_meta, times.shape[1]))
    kept = np.zeros_like(times)
    for place in range(n_rated):
        np.minimum(times[:, place], left, out=kept[:, place])
        left -= kept[:, place]
    # Where no vote has a meta reward all of them count.
    return kept if total.all() else np.where(total[:, None] > 0, kept, times)


def _means(scores: Floats, weights: Floats, times: Floats) -> Floats:
    """(I, N, R): weighted means of scores, each taken so many times; NaN for none."""
    missing = np.isnan(scores)
    if not missing.any():
        means = _product((scores * weights[..., None]).swapaxes(-1, -2), times)
        means /= _product(weights[:, None], times)
        return means
    given = np.where(missing, 0.0, weights[..., None])
    total = _product(given.swapaxes(-1, -2), times)
    sums = _product((given * np.where(missing, 0.0, scores)).swapaxes(-1, -2), times)
    return np.divide(sums, total, out=np.full_like(total, np.nan), where=total > 0)


def _product(rows: Floats, times: Floats) -> Floats:
    """(I, M, K) times (K, R) or (I, K, R): (I, M, R); of the former a single matrix product."""
    if times.ndim == 2:
        n_ballots, m, k = rows.shape
        return (rows.reshape(n_ballots * m, k) @ times).reshape(n_ballots, m, -1)
    product: Floats = rows @ times
    return product
