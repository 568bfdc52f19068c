"""Selectors: which votes count, and how much."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import numpy as np

from deemster.aggregators.base import Ballot, Pipeline, Reducer, Selector, pairs_of
from deemster.errors import InputError


@dataclass(frozen=True)
class TopK(Selector):
    """Keep the `k_meta` votes with the highest meta reward (meta-guided voting, section 2).

    Args:
        k_meta: how many to keep, >= 1; None keeps half of the valid votes, rounded up (the
            paper's default k/2). With fewer valid votes all are kept. Ties keep draw order. A
            vote without a meta reward is dropped, unless no vote has one: then all count.

    However many are kept, `>> Sum()` is their mean times the votes to keep of the k asked for:
    `k_meta` (at most k), or half of k rounded up.
    """

    k_meta: int | None = None

    def __post_init__(self) -> None:
        given: object = self.k_meta
        if given is None:
            return
        if isinstance(given, bool) or not isinstance(given, int) or given < 1:
            raise InputError(f"k_meta must be a whole number >= 1, got {self.k_meta!r}")

    def select(self, ballot: Ballot) -> Ballot:
        """Set the weight of the other votes to 0."""
        rated = (ballot.weights > 0) & ~np.isnan(ballot.meta)
        key = np.where(rated, -np.nan_to_num(ballot.meta), np.inf)
        rank = np.argsort(np.argsort(key, axis=-1, kind="stable"), axis=-1, kind="stable")
        if self.k_meta is None:
            keep = (rated.sum(axis=-1, keepdims=True) + 1) // 2
        else:
            keep = np.full((*rated.shape[:-1], 1), self.k_meta)
        kept = np.where(rated & (rank < keep), ballot.weights, 0.0)
        none_rated = ~rated.any(axis=-1, keepdims=True)
        weights = np.where(none_rated, ballot.weights, kept)
        return replace(ballot, weights=weights, k=self.wanted(ballot.asked))

    def wanted(self, asked: int) -> int:
        """How many of `asked` votes it is to keep, lost ones not counted."""
        return (asked + 1) // 2 if self.k_meta is None else min(self.k_meta, asked)


@dataclass(frozen=True)
class Weighted(Selector):
    """Weigh votes before they are reduced.

    Args:
        by: `meta`: by meta reward (see `scale`); `judge`: by `judges`; `principles`: take each
            vote's scores per principle, weighted by its principles, in place of its overall
            scores.
        judges: with `by="judge"`: (name, weight >= 0) pairs or a mapping; a judge that is not
            named weighs 1.
        scale: with `by="meta"`: `linear` takes meta rewards as they are (they must be >= 0, as
            probabilities are); `logit` takes their log-odds, clipped to 0..4.

    A vote without a meta reward weighs nothing, unless no vote has one; likewise a vote without
    scores per principle (the `grm` dialect gives none, `json` does).
    """

    by: Literal["meta", "judge", "principles"] = "meta"
    judges: tuple[tuple[str, float], ...] = ()
    scale: Literal["linear", "logit"] = "linear"

    def __post_init__(self) -> None:
        if self.by not in ("meta", "judge", "principles"):
            raise InputError(f"weights by {self.by!r}; allowed: meta, judge, principles")
        if self.scale not in ("linear", "logit"):
            raise InputError(f"meta scale {self.scale!r}; allowed: linear, logit")
        pairs = pairs_of(self.judges, "weights of judges")
        checked = tuple(sorted((str(name), _weight(name, weight)) for name, weight in pairs))
        if self.by == "judge" and checked and all(weight == 0 for _, weight in checked):
            raise InputError("all judge weights are 0; give at least one judge a weight above 0")
        object.__setattr__(self, "judges", checked)

    def select(self, ballot: Ballot) -> Ballot:
        """Multiply the weights."""
        if self.by == "judge":
            given = dict(self.judges)
            by_judge = np.array([given.get(name, 1.0) for name in ballot.judge_names])
            return replace(ballot, weights=ballot.weights * by_judge[ballot.judges])
        if self.by == "principles":
            return _by_principles(ballot)
        meta = ballot.meta
        counted = (ballot.weights > 0) & ~np.isnan(meta)
        if (meta[counted] < 0).any() and self.scale == "linear":
            raise InputError("meta rewards below 0 cannot be weights; rescale them, or use TopK")
        factor = np.nan_to_num(meta)
        if self.scale == "logit":
            share = np.clip(factor, 1e-6, 1 - 1e-6)
            factor = np.clip(np.log(share / (1 - share)), 0.0, 4.0)
        weights = np.where(counted, ballot.weights * factor, 0.0)
        useless = weights.sum(axis=-1, keepdims=True) <= 0
        return replace(ballot, weights=np.where(useless, ballot.weights, weights))


def selects_by_meta(reducer: Reducer) -> bool:
    """Whether a pipeline keeps or weighs votes by their meta rewards."""
    steps = reducer.steps if isinstance(reducer, Pipeline) else ()
    return any(
        isinstance(step, TopK) or (isinstance(step, Weighted) and step.by == "meta")
        for step in steps
    )


def _by_principles(ballot: Ballot) -> Ballot:
    scored = ~np.isnan(ballot.by_principle)
    none_scored = ~scored.any(axis=(-2, -1), keepdims=True)
    scores = np.where(none_scored, ballot.scores, ballot.by_principle)
    silent = np.isnan(scores).all(axis=-1)
    return replace(ballot, scores=scores, weights=np.where(silent, 0.0, ballot.weights))


def _weight(name: object, weight: object) -> float:
    if isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight < inf:
        return float(weight)
    raise InputError(f"weight of judge {name!r} must be a finite number >= 0, got {weight!r}")
