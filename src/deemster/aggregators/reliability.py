"""Weights by agreement with the rest: no labels needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from deemster.aggregators.base import Ballot, Floats, Selector
from deemster.aggregators.relative import levels
from deemster.errors import InputError


@dataclass(frozen=True)
class Reliable(Selector):
    """Votes that stray from the mean of the other votes weigh less.

    A vote's weight is multiplied by 2 / (1 + d / D): d is the mean squared distance of its scores,
    less its level (see `Centred`), from the mean of the other votes; D the mean of d over the
    votes. So it is in 0..2, about 1 for an ordinary vote. Two votes agree equally with each
    other, so with fewer than three nothing changes.
    """

    def select(self, ballot: Ballot) -> Ballot:
        """Multiply the weights; scores stay."""
        given = ballot.given
        scores = np.where(given > 0, ballot.filled - levels(ballot)[..., None], 0.0)
        weights = given.sum(axis=-2, keepdims=True) - given
        with np.errstate(invalid="ignore", divide="ignore"):
            rest = ((given * scores).sum(axis=-2, keepdims=True) - given * scores) / weights
            apart = np.where((given > 0) & (weights > 0), np.square(scores - rest), np.nan)
            counted = ~np.isnan(apart)
            own = np.where(counted, apart, 0.0).sum(axis=-1) / counted.sum(axis=-1)
            known = ~np.isnan(own)
            mean = np.where(known, own, 0.0).sum(-1, keepdims=True) / known.sum(-1, keepdims=True)
            size = np.square(scores).mean(axis=(-2, -1))[..., None]
            # apart by rounding alone is not apart
            strays = mean > 1e-12 * np.maximum(size, 1.0)
            factor = np.where(known & strays, 2 / (1 + own / mean), 1.0)
        return replace(ballot, weights=ballot.weights * factor)


def reliability_weights(scores: Floats) -> Floats:
    """How much each judge should count, from agreement alone.

    Judges' scores are standardised; what they have in common is taken for the truth (one factor),
    and a judge with loading l on it gets the weight l / (1 - l^2) that a regression of the truth
    on the scores would give it. Judges that share their errors (one model under two names) look
    more reliable than they are: that is beyond what agreement can tell.

    Args:
        scores: (items, judges), NaN where missing. For several responses per item, one row each,
            less the item's mean.

    Returns:
        (judges,): weights for standardised scores, >= 0, mean 1. With fewer than three judges, or
        no agreement at all, all 1.
    """
    if scores.ndim != 2:
        raise InputError(f"scores must be (items, judges), got shape {scores.shape}")
    n = scores.shape[1]
    if n < 3:
        return np.ones(n)
    agree = _correlations(scores)
    np.fill_diagonal(agree, 0.0)
    loading = np.full(n, 0.5)
    for _ in range(500):
        new = np.clip(
            agree @ loading / np.maximum((loading**2).sum() - loading**2, 1e-9), 0.0, 0.97
        )
        # Half a step: whole steps may swing between two values.
        loading = (new + loading) / 2
    weights = loading / (1 - loading**2)
    total: float = weights.sum()  # above 0: steps by half never end at 0
    return np.asarray(weights * n / total)


def judge_weights(ballots: Iterable[Ballot]) -> dict[str, float]:
    """`reliability_weights` of the judges that vote in ballots, for `Weighted("judge", judges=…)`.

    Each judge's votes on a response are averaged; with several responses their mean over the item
    is taken off, so that only the comparison counts. The weights are for the scores as they are:
    those of a judge with a wide spread are divided by it.

    Args:
        ballots: one per item, not batched.

    Returns:
        Weight by judge name, mean 1.
    """
    cells: list[dict[str, float]] = []
    for ballot in ballots:
        means = {}
        for index, name in enumerate(ballot.judge_names):
            own = np.where((ballot.judges == index)[:, None], ballot.given, 0.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = (own * ballot.filled).sum(axis=0) / own.sum(axis=0)
            if len(mean) > 1 and np.isfinite(mean).all():
                means[name] = mean - mean.mean()
            elif len(mean) == 1:
                means[name] = mean
        cells += [
            {name: float(mean[response]) for name, mean in means.items()}
            for response in range(ballot.scores.shape[-1])
        ]
    names = list(dict.fromkeys(name for cell in cells for name in cell))
    table = np.array([[cell.get(name, np.nan) for name in names] for cell in cells], dtype=float)
    if not names:
        return {}
    weights = reliability_weights(table)
    spread = np.array([np.nanstd(column) if np.isfinite(column).any() else 0 for column in table.T])
    weights = np.where(spread > 0, weights / np.where(spread > 0, spread, 1.0), 0.0)
    weights = np.ones(len(names)) if weights.sum() <= 0 else weights * len(names) / weights.sum()
    return dict(zip(names, (float(weight) for weight in weights), strict=True))


def _correlations(scores: Floats) -> Floats:
    """(judges, judges) over the items that both scored; 0 where undefined."""
    n = scores.shape[1]
    if not np.isnan(scores).any():
        spread = scores.std(axis=0)
        scaled = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        full: Floats = scaled.T @ scaled / max(len(scores), 1)
        return full
    agree = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            both = ~np.isnan(scores[:, i]) & ~np.isnan(scores[:, j])
            a, b = scores[both, i], scores[both, j]
            if both.sum() > 2 and a.std() > 0 and b.std() > 0:
                agree[i, j] = agree[j, i] = float(np.corrcoef(a, b)[0, 1])
    return agree
