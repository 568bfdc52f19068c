"""Rank agreement of rewards with graded truth, and ROC-AUC for single responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from deemster.errors import InputError
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats, Ints, tidy
from deemster.suites.metrics.items import Item, groups, signs, stack_pairs

Measure = Callable[[Floats, Floats], Floats]
_ENDS = (-1.0, 1.0)
_UNDEFINED = Estimate(value=None, low=None, high=None, n=0)


def roc_auc(items: Sequence[Item], *, bootstrap: Bootstrap = DEFAULT) -> Estimate:
    """Area under the ROC curve of the rewards of single responses whose truth is 0 or 1.

    The chance that a good response gets a higher reward than a bad one, ties counting half.
    Other items and unscored ones are left out. Undefined unless both truths occur.
    """
    pairs = [
        (item.rewards[0], item.ground_truth[0])
        for item in items
        if item.rewards is not None
        and item.ground_truth is not None
        and item.n_responses == 1
        and item.ground_truth[0] in (0.0, 1.0)
    ]
    rewards, labels = np.array(pairs, dtype=float).reshape(-1, 2).T
    return auc(rewards, labels, bootstrap=bootstrap)


def auc(
    rewards: npt.ArrayLike, labels: npt.ArrayLike, *, bootstrap: Bootstrap = DEFAULT
) -> Estimate:
    """ROC-AUC of rewards (n,) against labels (n,) of 0 and 1.

    It has no interval if one of the labels occurs once.
    """
    values, truth = np.asarray(rewards, dtype=float), np.asarray(labels, dtype=float)
    if len(np.unique(truth)) != 2:
        return _UNDEFINED.model_copy(update={"n": len(values)})
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - slow to import

    rows, counts = np.unique(np.stack([values, truth], axis=1), axis=0, return_counts=True)
    starts = np.unique(rows[:, 0], return_index=True)[1]

    def resampled(w: Floats) -> Floats:
        good = np.add.reduceat(w * (rows[:, 1] == 1), starts, axis=1)
        bad = np.add.reduceat(w * (rows[:, 1] == 0), starts, axis=1)
        below = np.cumsum(bad, axis=1) - bad / 2
        area: Floats = (good * below).sum(axis=1) / (good.sum(axis=1) * bad.sum(axis=1))
        return area

    value, fewest = float(roc_auc_score(truth, values)), int(min(truth.sum(), (1 - truth).sum()))
    if fewest < 2:
        # A single one resampled is itself: the interval would be too narrow.
        return Estimate(value=tidy(value), low=None, high=None, n=len(values))
    # Of so many pairs that share no item, each could have been ordered otherwise.
    return bootstrap.estimate(value, counts, resampled, within=(0.0, 1.0), units=fewest)


def kendall(items: Sequence[Item], *, bootstrap: Bootstrap = DEFAULT) -> Estimate:
    """Mean over items of Kendall's tau-b between rewards and truth of the item's responses.

    Left out: unscored items and those whose truth does not order the responses. A judge that
    gives all responses of an item the same reward gets 0 there: it ranks nothing.
    """
    return bootstrap.mean(_per_item(items, _tau), within=_ENDS)


def kendall_without_ties(items: Sequence[Item]) -> float | None:
    """The highest `kendall` that rewards without ties reach on these items; None if that is 1.

    Where truths are tied, tau-b of an item is at most the root of the share of pairs that are not:
    0.71 for one right response among four.
    """
    caps = _per_item(items, _cap)
    cap = tidy(float(caps.mean())) if len(caps) else None
    return None if cap == 1 else cap


def spearman(items: Sequence[Item], *, bootstrap: Bootstrap = DEFAULT) -> Estimate:
    """Mean over items of Spearman's rho within the item; rules as for `kendall`."""
    return bootstrap.mean(_per_item(items, _rho), within=_ENDS)


def correlation_over_items(
    items: Sequence[Item],
    method: Literal["spearman", "kendall"] = "spearman",
    *,
    bootstrap: Bootstrap = DEFAULT,
) -> Estimate:
    """Rank correlation of reward and truth over the single responses of all items."""
    pairs = [
        (item.rewards[0], item.ground_truth[0])
        for item in items
        if item.rewards is not None and item.ground_truth is not None and item.n_responses == 1
    ]
    rewards, truths = np.array(pairs, dtype=float).reshape(-1, 2).T
    return correlation(rewards, truths, method, bootstrap=bootstrap)


def correlation(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    method: Literal["spearman", "kendall"] = "spearman",
    *,
    bootstrap: Bootstrap = DEFAULT,
) -> Estimate:
    """Spearman's rho or Kendall's tau-b of two series (n,). Undefined if one is constant.

    Kendall's interval takes a SciPy call per resample: some seconds for 10,000 items.
    """
    if method not in ("spearman", "kendall"):
        raise InputError(f"correlation method {method!r}; allowed: spearman, kendall")
    rows = np.stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)], axis=1)
    if not len(rows) or (rows == rows[0]).all(axis=0).any():
        return _UNDEFINED.model_copy(update={"n": len(rows)})
    from scipy import stats  # noqa: PLC0415 - slow to import

    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    if method == "spearman":
        value = float(stats.spearmanr(rows[:, 0], rows[:, 1]).statistic)
        return bootstrap.estimate(value, counts, lambda w: _weighted_rho(distinct, w), within=_ENDS)
    value = float(stats.kendalltau(rows[:, 0], rows[:, 1]).statistic)

    def resampled(w: Floats) -> Floats:
        drawn = [distinct[np.repeat(np.arange(len(row)), row)] for row in w.astype(np.intp)]
        return np.array([stats.kendalltau(d[:, 0], d[:, 1]).statistic for d in drawn])

    return bootstrap.estimate(value, counts, resampled, within=_ENDS)


def _weighted_rho(rows: Floats, w: Floats) -> Floats:
    """Spearman's rho (b,) of the rows (C, 2), each occurring w (b, C) times."""
    n = w.sum(axis=1, keepdims=True)
    first, second = (_weighted_ranks(rows[:, side], w) - (n + 1) / 2 for side in (0, 1))
    cross = (w * first * second).sum(axis=1)
    spread = (w * first**2).sum(axis=1) * (w * second**2).sum(axis=1)
    rho: Floats = cross / np.sqrt(spread)
    return rho


def _weighted_ranks(values: Floats, w: Floats) -> Floats:
    distinct, place = np.unique(values, return_inverse=True)
    by_value = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[by_value], np.arange(len(distinct)))
    many = np.add.reduceat(w[:, by_value], starts, axis=1)
    middle: Floats = np.cumsum(many, axis=1) - many / 2 + 0.5
    ranks: Floats = middle[:, place]
    return ranks


def _per_item(items: Sequence[Item], measure: Measure) -> Floats:
    usable = [
        item
        for item in items
        if item.rewards is not None and item.ground_truth is not None and item.n_responses > 1
    ]
    values: Floats = np.full(len(usable), np.nan)
    for where in groups(usable, lambda item: (item.n_responses,)):
        values[where] = _measured(usable, where, measure)
    known: Floats = values[np.isfinite(values)]
    return known


def _measured(items: Sequence[Item], where: Ints, measure: Measure) -> Floats:
    rewards, truths = stack_pairs([items[i] for i in where])
    ordered = (truths != truths[:, :1]).any(axis=1)
    values: Floats = np.full(len(where), np.nan)
    if ordered.any():
        values[ordered] = measure(rewards[ordered], truths[ordered])
    return values


def _tau(rewards: Floats, truths: Floats) -> Floats:
    given, true = signs(rewards), signs(truths)
    agree = (given * true).sum(axis=(1, 2))
    spread = np.sqrt((given**2).sum(axis=(1, 2)) * (true**2).sum(axis=(1, 2)))
    tau: Floats = np.divide(agree, spread, out=np.zeros_like(agree), where=spread > 0)
    return tau


def _cap(_rewards: Floats, truths: Floats) -> Floats:
    n = truths.shape[1]
    untied = (signs(truths) ** 2).sum(axis=(1, 2))
    cap: Floats = np.sqrt(untied / (n * (n - 1)))
    return cap


def _rho(rewards: Floats, truths: Floats) -> Floats:
    # A response's mid-rank, up to a constant, is half its wins minus half its losses.
    given, true = signs(rewards).sum(axis=2), signs(truths).sum(axis=2)
    cross = (given * true).sum(axis=1)
    spread = np.sqrt((given**2).sum(axis=1) * (true**2).sum(axis=1))
    rho: Floats = np.divide(cross, spread, out=np.zeros_like(cross), where=spread > 0)
    return rho
