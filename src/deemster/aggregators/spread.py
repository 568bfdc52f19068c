"""How far a response's scores spread from vote to vote."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Ballot, Floats
from deemster.aggregators.relative import levels
from deemster.schemas import Scale


def fit_spread(ballots: Iterable[Ballot]) -> float | None:
    """Standard deviation of a response's score from vote to vote, pooled over ballots.

    Shifts of a whole vote do not count: they move no winner. Needs no labels.

    Args:
        ballots: of one judge; each may be batched.

    Returns:
        The spread, or None if no response has two votes or all votes agree everywhere.
    """
    squares = freedom = 0.0
    for ballot in ballots:
        ss, df = noise(ballot)
        squares += float(ss.sum())
        freedom += float(df.sum())
    return math.sqrt(squares / freedom) if freedom > 0 and squares > 0 else None


def prefix(ballot: Ballot, n: int) -> Ballot:
    """The ballot of the first n votes."""
    return replace(
        ballot,
        scores=ballot.scores[..., :n, :],
        weights=ballot.weights[..., :n],
        meta=ballot.meta[..., :n],
        judges=ballot.judges[..., :n],
        by_principle=ballot.by_principle[..., :n, :],
    )


def noise(ballot: Ballot) -> tuple[Floats, Floats]:
    """(...): squared distances from level of the vote + merit of the response, and degrees."""
    given = ~np.isnan(ballot.scores) & (ballot.weights[..., None] > 0)
    scores = np.where(given, ballot.filled - levels(ballot)[..., None], 0.0)
    rest = np.where(given, scores - _mean(scores, given, -2), 0.0)
    votes, responses = given.any(axis=-1).sum(axis=-1), given.any(axis=-2).sum(axis=-1)
    several = ballot.scores.shape[-1] > 1
    parameters = responses + np.maximum(votes - 1, 0) * several
    freedom = np.maximum(given.sum(axis=(-2, -1)) - parameters, 0).astype(float)
    squares: Floats = np.square(rest).sum(axis=(-2, -1))
    return squares, freedom


def _mean(values: Floats, given: npt.NDArray[np.bool_], axis: int) -> Floats:
    mean: Floats = values.sum(axis=axis, keepdims=True) / np.maximum(
        given.sum(axis=axis, keepdims=True), 1
    )
    return mean


def step_of(scores: Floats, scale: Scale | None) -> Floats:
    """(...): distance of neighbouring scores.

    1 for whole numbers, else a tenth of the scale; where that is unknown too, the whole range
    seen, which waits for the votes to show their own spread.
    """
    if scale is not None:
        step = 1.0 if scale.integer else (scale.high - scale.low) / 10
        return np.full(scores.shape[:-2], step)
    seen = ~np.isnan(scores)
    whole = (np.where(seen, scores, 0.0) % 1 == 0).all(axis=(-2, -1))
    high = np.where(seen, scores, -np.inf).max(axis=(-2, -1))
    low = np.where(seen, scores, np.inf).min(axis=(-2, -1))
    spread = np.where(np.isfinite(high) & (high > low), high - low, 1.0)
    return np.where(whole, 1.0, spread)
