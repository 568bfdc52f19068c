"""How sure a ballot is of its winner, and how rewards rank."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Ballot, Floats, Reducer
from deemster.aggregators.resampling import drawn, equal_meta_rewards, resampled_rewards

RESAMPLES = 512
"""Bootstrap resamples: the standard error of a confidence of 0.9 is then 0.013."""
_CELLS_AT_ONCE = 2**17
"""Numbers of a block of resampled ballots: a megabyte, which stays in a processor's cache."""

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
    every = len(valid) == len(ballot.weights)
    counted = ballot.take(None if every else valid[None])
    rewards = resampled_rewards(reducer, counted, seed=seed, resamples=resamples)
    on_top = _on_top(rewards[0], axis=0)
    return float((on_top[leader] / on_top.sum(axis=0)).mean())


def confidences(
    reducer: Reducer,
    ballots: Ballot,
    leaders: npt.NDArray[np.intp],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Floats:
    """`confidence` of many ballots at once, several times as fast as one after the other.

    Args:
        reducer: makes the rewards.
        ballots: I ballots (I, K, N).
        leaders: (I,), a response of each.
        seed: draws the resamples, the same ones for all ballots with equally many valid votes.
        resamples: of each ballot.

    Returns:
        (I,): shares in 0..1; NaN with fewer than 2 valid votes or fewer than 2 responses.
    """
    n_ballots, _, n = ballots.scores.shape
    found = np.full(n_ballots, np.nan)
    if n < 2:
        return found
    valid = ballots.weights > 0
    n_valid = valid.sum(axis=1)
    order = np.argsort(~valid, axis=1, kind="stable")  # valid votes first, as drawn
    rated = (valid & ~np.isnan(ballots.meta)).sum(axis=1)
    # Ballots of a group are of one shape, and are counted in the same way.
    kinds = np.stack([n_valid, rated, equal_meta_rewards(ballots)], axis=1)
    for kind in np.unique(kinds[n_valid >= 2], axis=0):
        rows = np.flatnonzero((kinds == kind).all(axis=1))
        size = max(1, _CELLS_AT_ONCE // (resamples * (n + int(kind[0]))))
        for part in np.split(rows, range(size, len(rows), size)):
            counted = ballots.take((part[:, None], order[part, : kind[0]]))
            rewards = resampled_rewards(reducer, counted, seed=seed, resamples=resamples)
            on_top = _on_top(rewards, axis=1)
            wins = on_top[np.arange(len(part)), leaders[part]] / on_top.sum(axis=1)
            found[part] = wins.mean(axis=1)
    return found


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
    """Whether all votes say the same, and so every resample."""
    if not (ballot.scores[valid] == ballot.scores[valid[0]]).all():
        return False
    parts = ballot.by_principle[valid]
    return np.array_equal(parts, np.broadcast_to(parts[0], parts.shape), equal_nan=True)


def win_shares(rewards: Floats) -> Floats:
    """(..., N) rewards to (..., N) shares of the win: 1/m for each of the m on top.

    A response without reward (NaN) cannot win.
    """
    on_top = _on_top(rewards, axis=-1)
    shares: Floats = on_top / on_top.sum(axis=-1, keepdims=True)
    return shares


def _on_top(rewards: Floats, *, axis: int) -> npt.NDArray[np.bool_]:
    missing = np.isnan(rewards)
    values = np.where(missing, -np.inf, rewards) if missing.any() else rewards
    top = values.max(axis=axis, keepdims=True)
    on_top: npt.NDArray[np.bool_] = values >= top - TIE * np.maximum(1.0, np.abs(top))
    return on_top
