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
        return ballot.mean


@dataclass(frozen=True)
class Sum(Reducer):
    """Sum of the scores over k votes (Eq. 14): the weighted mean of a response's scores times k.

    With all k votes valid and of weight 1 this is the plain sum. A vote that was lost, or scores
    only some of the responses, is left out of the mean and does not lower the sum: rewards of
    different samples stay comparable. k is the same for all samples of a judge:

    - the votes asked for, also where a stopping rule ended the draw before;
    - after `TopK` the votes it was to keep: `k_meta`, or half of k rounded up;
    - after `Weighted` and `Reliable` still k: weights say how much a vote counts beside the others,
      not how large the sum is;
    - for a panel its members; for a debate the votes of all rounds and of the arbiter, though only
      the last of each member counts; for a cascade the votes of all its judges;
    - for a stored run decided by its first votes that number; for an imported log the most votes
      that a sample of the log has;
    - without a judge (`Sum()(votes)`, `Ballot`) the number of votes given, failures included.
    """

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        total: Floats = ballot.mean * ballot.asked
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
        close = 1e-12 * half
        low = np.argmax(cumulative >= half - close, axis=-2)[..., None, :]
        high = np.argmax(cumulative > half + close, axis=-2)[..., None, :]
        middle = np.take_along_axis(scores, low, -2) + np.take_along_axis(scores, high, -2)
        return np.where(half > 0, middle / 2, np.nan)[..., 0, :]


@dataclass(frozen=True)
class Majority(Reducer):
    """Votes for the strictly best response (Eq. 13): each vote goes to its best.

    The reward is the share of the counted votes' weight that a response won, times k as in `Sum`:
    the number of votes won, where none was lost. A vote tied on top goes to nobody, and a vote
    cannot go to a response that it does not score.

    With a single response there is no best among several: the reward is the score that the
    largest weight of votes gave (the larger of two equally frequent ones).
    """

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        if ballot.scores.shape[-1] == 1:
            return _mode(ballot)
        low = np.where(np.isnan(ballot.scores), -np.inf, ballot.scores)
        top = low.max(axis=-1, keepdims=True)
        best = (low == top) & np.isfinite(top)
        strict = best & (best.sum(axis=-1, keepdims=True) == 1)
        won = (strict * ballot.weights[..., None]).sum(axis=-2)
        scored = ballot.given.sum(axis=-2) > 0
        total = np.where(scored, ballot.weights.sum(axis=-1, keepdims=True), 1.0)
        return np.where(scored, won * ballot.asked / total, np.nan)


def _mode(ballot: Ballot) -> Floats:
    scores = ballot.scores[..., 0]
    weights = ballot.given[..., 0]
    same = scores[..., :, None] == scores[..., None, :]
    support = (same * weights[..., None, :]).sum(axis=-1)
    support = np.where(weights > 0, support, -1.0)
    most = support.max(axis=-1, keepdims=True)
    mode = np.where((support >= most) & (most > 0), scores, -np.inf).max(axis=-1)
    return np.where(np.isfinite(mode), mode, np.nan)[..., None]
