"""An aggregator learned from labelled items: which features of the votes tell the best response."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from deemster.aggregators.base import Ballot, Floats, Reducer, pairs_of
from deemster.aggregators.reducers import Majority, Mean, Median
from deemster.aggregators.relative import Borda, Centred, Softmax
from deemster.errors import InputError
from deemster.json_text import parse_json

FEATURES = ("mean", "median", "low", "high", "softmax", "borda", "wins")
"""Per response: mean, median, lowest and highest score less the votes' levels; mean softmax share;
rank points; share of the votes it wins outright."""


@dataclass(frozen=True)
class Learned(Reducer):
    """A weighted sum of `FEATURES`, the weights learned by `fit` (conditional logit).

    Features are taken less their mean over the responses, so that a reward says how much better a
    response is than its rivals; with a single response the mean score is the reward. Helps where
    labels of the same judge and kind of data exist; a few hundred items are enough, and fewer
    shrink towards nothing. Accuracy on the items it was fitted on means nothing: `cross_fit`.

    Args:
        weights: (feature, weight) pairs or a mapping; features that are not named weigh 0.
    """

    weights: tuple[tuple[str, float], ...] = (("softmax", 1.0),)

    def __post_init__(self) -> None:
        checked = []
        for name, weight in pairs_of(self.weights, "weights of features"):
            if name not in FEATURES:
                raise InputError(f"unknown feature {name!r}; known: {', '.join(FEATURES)}")
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise InputError(f"weight of feature {name!r} must be a number, got {weight!r}")
            if not isfinite(weight):
                raise InputError(f"weight of feature {name!r} must be finite, got {weight!r}")
            checked.append((str(name), float(weight)))
        if not any(weight for _, weight in checked):
            raise InputError("all weights are 0; give at least one feature a weight")
        object.__setattr__(self, "weights", tuple(sorted(checked)))

    def reduce(self, ballot: Ballot) -> Floats:
        """See `Reducer.reduce`."""
        if ballot.scores.shape[-1] < 2:
            return Mean().reduce(ballot)
        values = features(ballot)
        by_name = dict(self.weights)
        weights = np.array([by_name.get(name, 0.0) for name in FEATURES])
        rewards: Floats = values @ weights
        return rewards

    def to_json(self) -> str:
        """The weights as JSON."""
        return json.dumps({"aggregator": "learned", "weights": dict(self.weights)}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Learned:
        """Read what `to_json` wrote.

        Raises:
            InputError: the text is something else.
        """
        try:
            record: Any = parse_json(text, "it")
            weights = tuple(record["weights"].items())
            right = record["aggregator"] == "learned"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"not a learned aggregator: {error!r}") from error
        if not right:
            raise InputError(f"aggregator {record['aggregator']!r} is not 'learned'")
        return cls(weights)


def features(ballot: Ballot) -> Floats:
    """(..., N, F): `FEATURES`, less their mean over the responses; NaN without a score."""
    level = Centred().select(ballot)
    counted = np.where(level.given > 0, level.scores, np.nan)
    scored = np.asarray((~np.isnan(counted)).any(axis=-2))
    low = np.where(scored, np.where(np.isnan(counted), np.inf, counted).min(axis=-2), np.nan)
    high = np.where(scored, np.where(np.isnan(counted), -np.inf, counted).max(axis=-2), np.nan)
    # A response that only ever stands alone in its votes has no rank points: even ones.
    borda = Borda().reduce(ballot)
    borda = np.where(np.isnan(borda) & scored, 0.5, borda)
    columns = (
        Mean().reduce(level),
        Median().reduce(level),
        low,
        high,
        Softmax().reduce(ballot),
        borda,
        Majority().reduce(ballot) / max(ballot.asked, 1),
    )
    values = np.stack(columns, axis=-1)
    count = scored.sum(axis=-1, keepdims=True).astype(float)[..., None]
    mean = np.where(np.isnan(values), 0.0, values).sum(axis=-2, keepdims=True)
    mean = mean / np.maximum(count, 1)
    return np.where(scored[..., None], values - mean, np.nan)


def fit(ballots: Sequence[Ballot], best: Sequence[int], *, penalty: float = 1.0) -> Learned:
    """Weights under which the softmax of the rewards best predicts the labels.

    Args:
        ballots: one per labelled item (not batched), with 2 or more responses; those with a
            response that no vote scores are left out.
        best: the best response of each.
        penalty: of the squared weights of standardised features (a normal prior of that
            precision), >= 0. 1 is a weak one from some hundred items on; it was not tuned.

    Raises:
        InputError: lengths differ, no item can be used, or no feature tells the labelled best from
            the others.
    """
    if len(ballots) != len(best):
        raise InputError(f"{len(ballots)} ballots, but {len(best)} labels; give one each")
    if not penalty >= 0:
        raise InputError(f"penalty must be >= 0, got {penalty!r}")
    tables = []
    for ballot, label in zip(ballots, best, strict=True):
        if not 0 <= label < ballot.scores.shape[-1]:
            raise InputError(f"label {label} is no response of {ballot.scores.shape[-1]}")
        values = features(ballot) if ballot.scores.shape[-1] > 1 else np.full((1, 1), np.nan)
        if np.isfinite(values).all():
            # the best first, so that items of all sizes can be stacked
            tables.append(np.concatenate([values[label : label + 1], np.delete(values, label, 0)]))
    if not tables:
        raise InputError("no labelled item has 2 or more responses that are all scored")
    spread = np.concatenate(tables).std(axis=0)
    spread = np.where(spread > 1e-12, spread, np.inf)
    weights = _maximise([table / spread for table in tables], penalty)
    if not (weights / spread).any():
        raise InputError("nothing in the votes tells the labelled best response from the others")
    return Learned(tuple(zip(FEATURES, (float(w) for w in weights / spread), strict=True)))


def cross_fit(
    ballots: Sequence[Ballot],
    best: Sequence[int],
    *,
    folds: int = 5,
    seed: int = 0,
    penalty: float = 1.0,
) -> list[Floats]:
    """Rewards (N,) of each item by weights that were learned on the other folds.

    Args:
        ballots: as in `fit`.
        best: as in `fit`.
        folds: parts the items are dealt into at random, >= 2.
        seed: of the dealing.
        penalty: as in `fit`.

    Raises:
        InputError: as in `fit`, on any of the folds.
    """
    if not 2 <= folds <= len(ballots):
        raise InputError(f"folds must be from 2 to the {len(ballots)} items, got {folds}")
    fold = np.random.default_rng(seed).permutation(len(ballots)) % folds
    rewards: list[Floats] = [np.empty(0)] * len(ballots)
    for part in range(folds):
        train, test = np.flatnonzero(fold != part).tolist(), np.flatnonzero(fold == part).tolist()
        learned = fit([ballots[i] for i in train], [best[i] for i in train], penalty=penalty)
        for i in test:
            rewards[i] = learned.reduce(ballots[i])
    return rewards


def _maximise(tables: Sequence[Floats], penalty: float) -> Floats:
    """Penalised maximum likelihood of row 0 being chosen in each (N, F) table."""
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    most = max(len(table) for table in tables)
    stack = np.zeros((len(tables), most, tables[0].shape[1]))
    there = np.zeros((len(tables), most), dtype=bool)
    for i, table in enumerate(tables):
        stack[i, : len(table)] = table
        there[i, : len(table)] = True

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = np.where(there, stack @ weights, -np.inf)
        top = logits.max(axis=1, keepdims=True)
        parts = np.exp(logits - top)
        shares = parts / parts.sum(axis=1, keepdims=True)
        missed = np.log(parts.sum(axis=1)) + top[:, 0] - logits[:, 0]
        slope = np.einsum("in,inf->f", shares, stack) - stack[:, 0].sum(axis=0)
        value = float(missed.sum() + penalty / 2 * weights @ weights)
        return value, slope + penalty * weights

    found: Floats = minimize(loss, np.zeros(stack.shape[2]), jac=True, method="L-BFGS-B").x
    return found


__all__ = ["FEATURES", "Learned", "cross_fit", "features", "fit"]
