"""What a vote says about the responses relative to each other: centred, as shares, as ranks.

A judge's votes differ in level (one draw is strict, another mild) and in how far they spread.
These look at each vote by itself before votes are put together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from deemster.aggregators.base import Ballot, Floats, Reducer, Selector, pairs_of
from deemster.aggregators.reducers import Mean
from deemster.errors import InputError

_SWEEPS = 200


@dataclass(frozen=True)
class Centred(Selector):
    """Subtract each vote's level, so that a strict draw and a mild one say the same.

    The levels are those of the least-squares fit score = level of the vote + merit of the
    response. Where no score is missing that is the vote's mean and changes no winner; where a vote
    lacks a response's score, the others no longer gain or lose by the level of that vote. The
    levels add up to zero over the ballot's votes, so rewards keep their scale. With a single
    response there is nothing to compare, and scores stay.
    """

    def select(self, ballot: Ballot) -> Ballot:
        """Subtract; weights stay."""
        return replace(ballot, scores=ballot.scores - levels(ballot)[..., None])


def levels(ballot: Ballot) -> Floats:
    """(..., K): each counted vote's level; they average to 0. All 0 for a single response."""
    given = ballot.given
    weights = ballot.weights
    if ballot.scores.shape[-1] < 2:
        return np.zeros(weights.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        shown = (given > 0).astype(float)
        level = np.zeros(weights.shape)
        for _ in range(_SWEEPS):
            merit = (given * (ballot.filled - level[..., None])).sum(-2) / given.sum(-2)
            merit = np.nan_to_num(merit)
            new = (shown * (ballot.filled - merit[..., None, :])).sum(-1) / shown.sum(-1)
            new = np.nan_to_num(new)  # a vote that does not count shows nothing
            total = (weights > 0).sum(-1, keepdims=True)
            new = np.where(weights > 0, new - new.sum(-1, keepdims=True) / total, 0.0)
            change = np.abs(new - level).max(initial=0.0)
            level = new
            if change <= 1e-12 * max(1.0, float(np.abs(level).max(initial=0.0))):
                break
    return level


@dataclass(frozen=True)
class Softmax(Reducer):
    """Each vote shares itself out over the responses by the softmax of its scores.

    A vote's say does not grow with the spread of its scores, and a clear favourite counts more
    than a narrow one: between `Majority` (temperature towards 0) and `Sum` (large). Rewards are
    mean shares, in 0..1, and so comparable between judges.

    A response that a vote does not score keeps its even share 1/N of that vote: it is neither
    counted nor missed. With a single response every share is 1, so the mean score is the reward.

    Args:
        temperature: in units of score, > 0. At the default of 1, a response one step better gets
            e times the share. Nothing was tuned: from 0.25 to 16 little changes.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        value: object = self.temperature
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
            raise InputError(f"temperature must be a finite number > 0, got {value!r}")

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        n = ballot.scores.shape[-1]
        if n < 2:
            return Mean().reduce(ballot)
        seen = ~np.isnan(ballot.scores)
        low = np.where(seen, ballot.scores, -np.inf)
        top = low.max(axis=-1, keepdims=True, initial=-np.inf)
        parts = np.where(
            seen, np.exp((low - np.where(np.isfinite(top), top, 0)) / self.temperature), 0
        )
        total = parts.sum(axis=-1, keepdims=True)
        # The highest score's part is 1, so a total below that is of a vote without scores.
        share = parts / np.maximum(total, 1.0) * seen.sum(axis=-1, keepdims=True) / n
        return Mean().reduce(replace(ballot, scores=np.where(seen, share, np.nan)))


@dataclass(frozen=True)
class Borda(Reducer):
    """Rank votes: each vote gives a response the share of the others that it scores lower.

    Ties give half. Only the order within a vote counts, so judges on different scales and votes
    of different spread weigh the same; how far apart scores are is lost. Rewards are in 0..1.

    A vote compares only the responses it scores; one that scores a single response of several
    says nothing. With a single response the mean score is the reward.
    """

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        n = ballot.scores.shape[-1]
        if n < 2:
            return Mean().reduce(ballot)
        seen = ~np.isnan(ballot.scores)
        filled = ballot.filled
        beaten = np.zeros(filled.shape)
        for rival in range(n):  # one rival at a time: no (..., K, N, N) array
            other = filled[..., rival : rival + 1]
            wins = (filled > other) + 0.5 * (filled == other)
            beaten += np.where(seen & seen[..., rival : rival + 1], wins, 0.0)
        others = seen.sum(axis=-1, keepdims=True) - 1
        points = np.where(seen & (others > 0), (beaten - 0.5) / np.maximum(others, 1), np.nan)
        return Mean().reduce(replace(ballot, scores=points))


@dataclass(frozen=True)
class PerJudge(Reducer):
    """Softmax votes of several judges: a mean per judge, then a mean over the judges.

    So a judge that drew 8 votes does not outvote one that drew 2, and scales need not match. A
    judge without a vote on a response is left out of that response's mean.

    Args:
        judges: (name, weight >= 0) pairs or a mapping; a judge that is not named weighs 1.
        temperature: see `Softmax`.
    """

    judges: tuple[tuple[str, float], ...] = ()
    temperature: float = 1.0

    def __post_init__(self) -> None:
        Softmax(self.temperature)
        checked = []
        for name, weight in pairs_of(self.judges, "weights of judges"):
            if (
                isinstance(weight, bool)
                or not isinstance(weight, int | float)
                or not 0 <= weight < inf
            ):
                raise InputError(
                    f"weight of judge {name!r} must be a finite number >= 0, got {weight!r}"
                )
            checked.append((str(name), float(weight)))
        object.__setattr__(self, "judges", tuple(sorted(checked)))

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        return self._over_judges(ballot, Softmax(self.temperature))

    def mean_scores(self, ballot: Ballot) -> Floats:
        """(..., N): each judge's mean score, averaged over the judges with their weights."""
        return self._over_judges(ballot, Mean())

    def _over_judges(self, ballot: Ballot, reducer: Reducer) -> Floats:
        by_name = dict(self.judges)
        total = np.zeros((*ballot.scores.shape[:-2], ballot.scores.shape[-1]))
        weight = np.zeros(total.shape)
        for index, name in enumerate(ballot.judge_names):
            own = replace(ballot, weights=np.where(ballot.judges == index, ballot.weights, 0.0))
            rewards = reducer.reduce(own)
            counts = np.where(np.isnan(rewards), 0.0, by_name.get(name, 1.0))
            total += counts * np.nan_to_num(rewards)
            weight += counts
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(weight > 0, total / weight, np.nan)
