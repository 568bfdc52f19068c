"""The reducers that need nothing but the scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deemster.aggregators.base import Ballot, Floats, Reducer


@dataclass(frozen=True)
class Mean(Reducer):
    """Weighted mean of the scores a response got (Eq. 12)."""

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        given = ballot.given
        total = given.sum(axis=-2)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: Floats = (given * ballot.filled).sum(axis=-2) / total
        return np.where(total > 0, mean, np.nan)


@dataclass(frozen=True)
class Sum(Reducer):
    """Sum of the scores over all votes (Eq. 14): the mean times the number of votes.

    For full ballots this is the plain sum. Where a vote lacks a score for one response, the mean
    of the scores it did get stands in: a plain sum would count the missing one as 0.
    """

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        votes = ballot.weights.sum(axis=-1)
        total: Floats = Mean().reduce(ballot) * votes[..., None]
        return total


@dataclass(frozen=True)
class Median(Reducer):
    """Weighted median of the scores a response got: half of the weight on either side.

    Two scores that split the weight evenly give their midpoint.
    """

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        given = ballot.given
        rank = np.argsort(ballot.scores, axis=-2, kind="stable")  # NaN last, with weight 0
        scores = np.take_along_axis(ballot.scores, rank, axis=-2)
        cumulative = np.cumsum(np.take_along_axis(given, rank, axis=-2), axis=-2)
        half = cumulative[..., -1:, :] / 2
        close = 1e-12 * np.maximum(half, 1)
        low = np.argmax(cumulative >= half - close, axis=-2)[..., None, :]
        high = np.argmax(cumulative > half + close, axis=-2)[..., None, :]
        middle = np.take_along_axis(scores, low, -2) + np.take_along_axis(scores, high, -2)
        return np.where(half > 0, middle / 2, np.nan)[..., 0, :]


@dataclass(frozen=True)
class Majority(Reducer):
    """Votes for the strictly best response (Eq. 13): each vote gives its weight to its best.

    A vote tied on top gives nothing to anyone. With a single response there is no best among
    several: the reward is the score that the largest weight of votes gave (the larger of two
    equally frequent ones).
    """

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        if ballot.scores.shape[-1] == 1:
            return _mode(ballot)
        low = np.where(np.isnan(ballot.scores), -np.inf, ballot.scores)
        top = low.max(axis=-1, keepdims=True)
        best = (low == top) & np.isfinite(top)
        strict = best & (best.sum(axis=-1, keepdims=True) == 1)
        shares: Floats = (strict * ballot.weights[..., None]).sum(axis=-2)
        scored = ballot.given.sum(axis=-2) > 0
        return np.where(scored, shares, np.nan)


def _mode(ballot: Ballot) -> Floats:
    scores = ballot.scores[..., 0]
    weights = ballot.given[..., 0]
    same = scores[..., :, None] == scores[..., None, :]
    support = (same * weights[..., None, :]).sum(axis=-1)
    support = np.where(weights > 0, support, -1.0)
    most = support.max(axis=-1, keepdims=True)
    mode = np.where((support >= most) & (most > 0), scores, -np.inf).max(axis=-1)
    return np.where(np.isfinite(mode), mode, np.nan)[..., None]
