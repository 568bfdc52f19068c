"""How sure a ballot is of its winner, and how rewards rank."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Ballot, Floats, Reducer
from deemster.aggregators.resampling import drawn, resampled_rewards

RESAMPLES = 512
"""Bootstrap resamples: the standard error of a confidence of 0.9 is then 0.013."""


TIE = 1e-9
"""Rewards closer than this, relative to the larger (and to 1), are equal: weighted sums of the same
scores may differ in their last bits."""


def rank(rewards: Sequence[float], *, seed: int) -> tuple[int, ...]:
    """Response indices, best first; equal rewards in an order drawn from `seed`."""
    levels = _levels(rewards)
    return tuple(sorted(_shuffled(seed, len(rewards)), key=levels.__getitem__))


# Runs decide thousands of ballots of few sizes, and starting a generator costs more than the rest.
@lru_cache(maxsize=256)
def _shuffled(seed: int, n: int) -> tuple[int, ...]:
    """The indices of `n` responses in an order drawn from `seed`."""
    return tuple(np.random.default_rng([seed, n]).permutation(n).tolist())


def tie_groups(rewards: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """Groups of two or more responses with equal rewards, best group first."""
    groups: dict[int, list[int]] = {}
    for i, level in enumerate(_levels(rewards)):
        groups.setdefault(level, []).append(i)
    return tuple(tuple(group) for _, group in sorted(groups.items()) if len(group) > 1)


def strict_best(rewards: Sequence[float]) -> int | None:
    """The response with strictly the highest reward; None if several share it."""
    levels = _levels(rewards)
    return levels.index(0) if levels.count(0) == 1 else None


def _levels(rewards: Sequence[float]) -> list[int]:
    """0 for the highest reward, 1 for the next lower one, …; equal rewards share a level."""
    levels = [0] * len(rewards)
    level, head = 0, max(rewards)
    for i in sorted(range(len(rewards)), key=lambda i: -rewards[i]):
        if head - rewards[i] > TIE * max(1.0, abs(head)):
            level, head = level + 1, rewards[i]
        levels[i] = level
    return levels


def confidence(
    reducer: Reducer, ballot: Ballot, leader: int, *, seed: int, resamples: int = RESAMPLES
) -> float | None:
    """Share of resampled ballots that `leader` wins; a win shared by m counts 1/m.

    Valid votes are drawn with replacement, as many as there are (bootstrap), so it estimates how
    often another ballot of the same size would agree; with few votes it is optimistic.

    Returns:
        A share in 0..1, or None with fewer than 2 valid votes or fewer than 2 responses.
    """
    if ballot.scores.shape[-1] < 2:
        return None
    valid = _valid(ballot)
    if len(valid) < 2:
        return None
    if _all_equal(ballot, valid):
        return float(win_shares(reducer.reduce(ballot.take(valid)))[leader])
    rewards = resampled_rewards(reducer, ballot, valid, seed=seed, resamples=resamples)
    return float(_share_of(rewards, leader).mean())


def share_at_least(
    reducer: Reducer,
    ballot: Ballot,
    response: int,
    bar: float,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> float | None:
    """Share of resampled ballots in which a response's mean score reaches `bar`.

    Drawn as for `confidence`, and as optimistic with few votes.

    Returns:
        A share in 0..1, or None with fewer than 2 valid votes.
    """
    valid = _valid(ballot)
    if len(valid) < 2:
        return None
    index = valid[None]
    if not _all_equal(ballot, valid):
        index = valid[drawn(seed, len(valid), resamples)]
    means = reducer.mean_scores(ballot.take(index))[:, response]
    return float(np.mean(means >= bar - TIE * max(1.0, abs(bar))))


def _valid(ballot: Ballot) -> npt.NDArray[np.intp]:
    return np.flatnonzero(ballot.weights > 0)


def _all_equal(ballot: Ballot, valid: npt.NDArray[np.intp]) -> bool:
    """Whether all votes are equal, and so every resample."""
    return bool((ballot.scores[valid] == ballot.scores[valid[0]]).all())


def win_shares(rewards: Floats) -> Floats:
    """(..., N) rewards to (..., N) shares of the win: 1/m for each of the m on top.

    A response without reward (NaN) cannot win.
    """
    on_top = _on_top(rewards, axis=-1)
    shares: Floats = on_top / on_top.sum(axis=-1, keepdims=True)
    return shares


def _share_of(rewards: Floats, leader: int) -> Floats:
    """(N, R) rewards to (R,) shares of the win of one response; see `win_shares`."""
    on_top = _on_top(rewards, axis=0)
    share: Floats = on_top[leader] / on_top.sum(axis=0)
    return share


def _on_top(rewards: Floats, *, axis: int) -> npt.NDArray[np.bool_]:
    values = np.where(np.isnan(rewards), -np.inf, rewards)
    top = values.max(axis=axis, keepdims=True)
    on_top: npt.NDArray[np.bool_] = values >= top - TIE * np.maximum(1.0, np.abs(top))
    return on_top
