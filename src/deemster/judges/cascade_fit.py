"""When a cascade may stop asking: calibrated confidence, and thresholds with a guarantee.

After "Trust or Escalate" (arXiv 2407.18370): thresholds are tested on labelled items from the
strictest to the most lenient, each by an exact binomial test, and the last one before the first
failure is taken. So the level holds with probability 1 - delta over the draw of those items,
however many thresholds there are (fixed-sequence testing). Unlike there, all stages share one
threshold, because a calibrated confidence means the same at each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deemster.aggregators import Ballot, PerJudge, strict_best
from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.judges.cascade_rule import FEATURES, CascadeRule, Stage, stage_features

Bools = npt.NDArray[np.bool_]

GRID = tuple(round(1 - step / 100, 2) for step in range(101))
"""Thresholds tested, strictest first."""
_KEPT = 0.95
"""Share of further batches that keep to a number of votes."""
_CALIBRATE = 0.2
"""Share of the labelled items that confidence is fitted on; thresholds are tested on the others."""


@dataclass(frozen=True)
class StagedItems:
    """Labelled items as a cascade of S stages would see them, all stages asked.

    Attributes:
        values: (I, S, F) `FEATURES` after each stage, NaN where unscored.
        right: (I, S): whether the votes up to a stage name the labelled best, strictly.
        votes: (I, S): votes that the stage's own judge drew.
    """

    values: Floats
    right: Bools
    votes: Floats

    def take(self, index: npt.NDArray[np.intp]) -> StagedItems:
        """Some of the items."""
        return StagedItems(self.values[index], self.right[index], self.votes[index])


@dataclass(frozen=True)
class Decisions:
    """Whom a rule asks about each of I items, and what it answers."""

    stage: npt.NDArray[np.intp]
    """(I,): the last stage asked."""
    answered: Bools
    right: Bools
    """(I,): answered as labelled."""
    votes: Floats
    """(I, S): votes drawn by each judge."""


def staged(cases: Sequence[tuple[Sequence[Ballot], int]]) -> StagedItems:
    """The table that `fit_rule` and `run_rule` work on.

    Args:
        cases: per item, one ballot per stage, of the votes of all judges up to it, and the index
            of the labelled best response.
    """
    values, right, votes = [], [], []
    for ballots, best in cases:
        values.append([stage_features(ballot) for ballot in ballots])
        found = [PerJudge().reduce(ballot) for ballot in ballots]
        right.append(
            [bool(np.isfinite(r).all()) and strict_best(r.tolist()) == best for r in found]
        )
        totals = [ballot.scores.shape[0] for ballot in ballots]
        votes.append(np.diff([0, *totals]))
    return StagedItems(np.array(values), np.array(right, dtype=bool), np.array(votes, dtype=float))


def run_rule(rule: CascadeRule, items: StagedItems) -> Decisions:
    """Who is asked, and what is answered, under a rule."""
    chances = _confidences(rule.stages, items)
    return _decisions(chances, items, rule.thresholds, abstain=rule.abstain)


def fit_rule(
    items: StagedItems,
    judges: Sequence[str],
    *,
    level: float | None = None,
    samples: float | None = None,
    delta: float = 0.1,
    abstain: bool = False,
    stops: Sequence[str] | None = None,
    seed: int = 0,
) -> CascadeRule:
    """Fit the confidences on 20 % of the items and the threshold on the others.

    Give one of `level` and `samples`.

    Args:
        items: labelled ones, in an order that does not matter.
        judges: names, cheapest first.
        level: agreement with the labels that must hold over the answered items, in 0..1; the
            threshold is then the most lenient that is certified.
        samples: votes per item, on average, that the judges after the first may draw; the
            threshold is then the strictest that keeps to it in at least 95 % of further batches as
            large as `items`, and guarantees no more agreement than its `bound`.
        delta: the probability with which the level may fail, in 0..1.
        abstain: leave items unanswered that even the last judge is unsure of.
        stops: the stopping rules to record for the stages.
        seed: of the split.

    Raises:
        InputError: too few items, or no threshold holds the level.
    """
    if (level is None) == (samples is None):
        raise InputError("give a cascade one of level and samples to fit")
    if level is not None and not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, got {level!r}; 0.8 for example")
    if not 0 < delta < 1:
        raise InputError(f"delta must be between 0 and 1, got {delta!r}; 0.1 is usual")
    n = len(items.right)
    if n < 50:
        raise InputError(f"{n} labelled items are too few to fit a cascade; give 50 or more")
    order = np.random.default_rng(seed).permutation(n)
    cut = round(_CALIBRATE * n)
    train, test = items.take(order[:cut]), items.take(order[cut:])
    stages = tuple(
        _calibrate(name, train.values[:, s], train.right[:, s], stops[s] if stops else "")
        for s, name in enumerate(judges)
    )
    thresholds, answered, agreed = (
        _within(stages, test, samples=samples or 0.0, abstain=abstain, batch=n)
        if level is None
        else _last_certified(stages, test, level=level, delta=delta, abstain=abstain)
    )
    return CascadeRule(
        stages=stages,
        thresholds=thresholds,
        abstain=abstain,
        level=level,
        samples=samples,
        delta=delta,
        n_tested=len(test.right),
        n_answered=answered,
        n_agreed=agreed,
        bound=lower_bound(agreed, answered, delta),
    )


def lower_bound(hits: int, n: int, delta: float) -> float:
    """Clopper-Pearson: the share that is exceeded with probability 1 - delta."""
    from scipy.stats import beta  # noqa: PLC0415 - slow to import

    return 0.0 if hits == 0 else float(beta.ppf(delta, hits, n - hits + 1))


def _within(
    stages: tuple[Stage, ...], test: StagedItems, *, samples: float, abstain: bool, batch: int
) -> tuple[tuple[float, ...], int, int]:
    """The strictest thresholds within a number of votes; no label is looked at to choose them.

    It is kept to by `_KEPT` of further batches of `batch` items: both the items tested and those
    to come vary, so the mean of the former has to leave room (a normal prediction bound).
    """
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    chances = _confidences(stages, test)
    for threshold in GRID:
        thresholds = _thresholds(threshold, len(stages), abstain=abstain)
        done = _decisions(chances, test, thresholds, abstain=abstain)
        drawn = done.votes[:, 1:].sum(axis=1)
        room = ndtri(_KEPT) * drawn.std(ddof=1) * math.sqrt(1 / len(drawn) + 1 / batch)
        if threshold == GRID[-1] or drawn.mean() + room <= samples:
            break
    return thresholds, int(done.answered.sum()), int(done.right.sum())


def _thresholds(threshold: float, n: int, *, abstain: bool) -> tuple[float, ...]:
    return (*[threshold] * (n - 1), threshold if abstain else 0.0)


def _last_certified(
    stages: tuple[Stage, ...], test: StagedItems, *, level: float, delta: float, abstain: bool
) -> tuple[tuple[float, ...], int, int]:
    """Thresholds, and the numbers of answered and agreed items behind them."""
    chances = _confidences(stages, test)
    # Skip thresholds with too few answers to pass even if all were right; three times that is
    # the start. It depends on the confidences alone, never on the labels.
    start = 3 * math.ceil(math.log(delta) / math.log(level))
    best: tuple[tuple[float, ...], int, int] | None = None
    tried = 0.0
    for threshold in GRID:
        thresholds = _thresholds(threshold, len(stages), abstain=abstain)
        done = _decisions(chances, test, thresholds, abstain=abstain)
        answered, agreed = int(done.answered.sum()), int(done.right.sum())
        if answered < min(start, len(test.right)):
            continue
        bound = lower_bound(agreed, answered, delta)
        tried = max(tried, bound)
        if bound < level:
            break
        best = thresholds, answered, agreed
    if best is None:
        raise InputError(
            f"level {level:g} cannot be guaranteed with probability {1 - delta:g}: the lower bound "
            f"on {len(test.right)} items is {tried:.3f}; ask for less, give more labelled items"
            + ("" if abstain else ", or let it abstain")
        )
    return best


def _decisions(
    chances: Floats, items: StagedItems, thresholds: Sequence[float], *, abstain: bool
) -> Decisions:
    sure = (chances >= np.array(thresholds)) & ~np.isnan(items.values[..., 0])
    stop = sure.copy()
    stop[:, -1] = True
    stage = stop.argmax(axis=1)
    rows = np.arange(len(stage))
    answered = sure[rows, stage] if abstain else np.ones(len(stage), dtype=bool)
    asked = np.arange(chances.shape[1]) <= stage[:, None]
    right = items.right[rows, stage] & answered
    return Decisions(stage, answered, right, np.where(asked, items.votes, 0.0))


def _confidences(stages: Sequence[Stage], items: StagedItems) -> Floats:
    """(I, S)."""
    logits = np.einsum("isf,sf->is", items.values, np.array([stage.weights for stage in stages]))
    logits = logits + np.array([stage.intercept for stage in stages])
    chances: Floats = 1 / (1 + np.exp(-np.clip(logits, -40, 40)))
    return np.where(np.isnan(chances), 0.0, chances)


def _calibrate(name: str, values: Floats, right: Bools, stop: str) -> Stage:
    """Logistic regression of right on the features."""
    known = np.isfinite(values).all(axis=1)
    hits, x = right[known], values[known]
    spread = x.std(axis=0) if len(x) else np.ones(len(FEATURES))
    if hits.all() or not hits.any():
        share = (hits.sum() + 1) / (len(hits) + 2)
        return Stage(
            judge=name,
            weights=(0.0,) * len(FEATURES),
            intercept=math.log(share / (1 - share)),
            stop=stop,
        )
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import

    spread = np.where(spread > 1e-9, spread, np.inf)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(x / spread, hits)
    return Stage(
        judge=name,
        weights=tuple(float(weight) for weight in model.coef_[0] / spread),
        intercept=float(model.intercept_[0]),
        stop=stop,
    )
