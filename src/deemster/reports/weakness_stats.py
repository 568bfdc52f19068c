"""The test behind weakness analysis: does this cost the policy more than its opponents?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from deemster.reports.least_squares import clustered_least_squares
from deemster.reports.loss_columns import WeightedVotes, floats, whole
from deemster.reports.losses import JudgedItems, Result
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.metrics.estimate import Floats, Ints, tidy

if TYPE_CHECKING:
    from scipy import sparse

MIN_ITEMS = 10
"""Fewer lost and won items than this leave nothing to test."""
PER_GROUP = 8
"""Items per coefficient of the regression."""
MOST_FITTED = 150
"""Coefficients of the regression at most: it is over votes, of which there may be 100,000."""
RESULTS: tuple[Result, ...] = ("lost", "won")
"""Of the table's items, in its order; tied ones say nothing."""
FEW = 6
"""With fewer groups than this, a usual gap cannot be estimated."""


@dataclass(frozen=True)
class Table:
    """Losses by G groups on the items the policy lost (L) and won (W)."""

    lost: Floats
    """(L, G): reward the policy lost by the group, >= 0."""
    won: Floats
    """(W, G): reward the opponent lost by the group where the policy won, >= 0. Of single
    responses, what the policy lost on the items that scored high."""
    net: Floats
    """(L + W, G): signed gap against the policy."""
    weight: Floats
    """(L + W, G): mean weight of the group's principles in the item's votes."""
    lost_votes: Floats
    """(L, G): votes against the policy."""
    votes: tuple[sparse.csc_array, Floats, Ints]
    """Votes (V) without scores per principle: weights (V, G), whole gaps (V,), items (V,)."""

    @classmethod
    def of(cls, judged: JudgedItems, labels: Ints, n_groups: int) -> Table:
        """Sum each item's gaps within groups, averaged over its votes.

        Args:
            judged: the items.
            labels: (P,), the group of each principle.
            n_groups: how many.
        """
        items = judged.items
        lost, won = ([i for i, item in enumerate(items) if item.result == r] for r in RESULTS)
        rows = np.full(len(items), -1, dtype=np.intp)  # of the table; -1 for tied items
        rows[[*lost, *won]] = np.arange(len(lost) + len(won))
        shape = (len(lost) + len(won), n_groups)
        found = judged.losses
        row = rows[whole(found.item)]
        kept = row >= 0
        cells = (row * n_groups + labels[whole(found.principle)])[kept]
        n_votes = np.array([max(item.n_votes, 1) for item in items], dtype=float)
        share = n_votes[whole(found.item)[kept]]

        def summed(values: Floats) -> Floats:
            flat = np.bincount(cells, values[kept] / share, minlength=shape[0] * n_groups)
            return flat.astype(float).reshape(shape)

        net, weight = summed(floats(found.gap)), summed(floats(found.weight))
        on_lost = row[kept] < len(lost)
        against = whole(found.against)[kept][on_lost].astype(float)
        votes = np.bincount(cells[on_lost], against, minlength=len(lost) * n_groups)
        side = np.ones(len(net))
        side[len(lost) :] = [1.0 if items[i].single else -1.0 for i in won]
        charged = np.maximum(net * side[:, None], 0)
        return cls(
            charged[: len(lost)],
            charged[len(lost) :],
            net,
            weight,
            votes.astype(float).reshape(-1, n_groups),
            _votes(judged.votes, rows, labels, n_groups),
        )

    @cached_property
    def parts_lost(self) -> Floats:
        """(L', G): each group's share of the item's loss; items without a loss are left out."""
        return _parts(self.lost)

    @cached_property
    def parts_won(self) -> Floats:
        """(W', G)."""
        return _parts(self.won)


def _votes(
    found: WeightedVotes, rows: Ints, labels: Ints, n_groups: int
) -> tuple[sparse.csc_array, Floats, Ints]:
    """Those of the table's items, in the order of its rows."""
    from scipy import sparse  # noqa: PLC0415 - slow to import

    row = rows[whole(found.item)]
    order = np.argsort(row, kind="stable")
    order = order[row[order] >= 0]
    place = np.full(len(row), -1, dtype=np.intp)
    place[order] = np.arange(len(order))
    vote = place[whole(found.vote)]
    kept = vote >= 0
    groups = labels[whole(found.principle)]
    # Principles of one group are added up.
    weight = sparse.csc_array(
        (floats(found.weight)[kept], (vote[kept], groups[kept])), shape=(len(order), n_groups)
    )
    weight.eliminate_zeros()
    return weight, floats(found.gap)[order], row[order]


def _parts(charges: Floats) -> Floats:
    total = charges.sum(axis=1, keepdims=True)
    parts: Floats = np.divide(charges, total, out=np.zeros_like(charges), where=total > 0)
    kept: Floats = parts[total[:, 0] > 0]
    return kept


def p_values(
    table: Table, groups: Sequence[int], *, direct: bool, paired: bool
) -> dict[int, float]:
    """One-sided p-values: is the policy's gap on a group larger than usual for it?

    Usual is the weighted median gap over groups, and at least 0: a policy that is worse
    everywhere has no particular weakness, and an opponent's weakness is not one of the policy's.
    For pairs with fewer than `FEW` groups it is 0, as a particular weakness and a general one
    cannot be told apart.

    Args:
        table: the losses.
        groups: which groups to test.
        direct: whether the judge scored each principle. Then an item's gaps on the group are
            tested by the Wilcoxon signed-rank test. Otherwise the whole gap of a vote is the
            weighted sum of unknown gaps, which least squares over the votes' weights estimates
            (errors clustered by item): defects that occur together do not hide each other. That
            takes `PER_GROUP` items per group, so only the best supported groups are tested, and
            only those whose weight differs between votes.
        paired: whether equally good sides would be equally likely to lose. That holds for pairs,
            not for the best of many or for single responses.

    Returns:
        The p-value of each group that could be tested; none with fewer than `MIN_ITEMS` lost
        and won items.
    """
    if len(table.net) < MIN_ITEMS or not groups:
        return {}
    if not direct:
        return _by_regression(table, groups, paired=paired)
    from scipy import stats  # noqa: PLC0415 - slow to import

    named = table.weight.sum(axis=0)
    gaps = table.net.sum(axis=0) / np.where(named > 0, named, 1)
    usual = _usual(gaps[list(groups)], named[list(groups)], paired=paired)
    found = {}
    for group in groups:
        above = table.net[:, group] - usual * table.weight[:, group]
        above = above[np.abs(above) > 1e-12]
        p = float(stats.wilcoxon(above, alternative="greater").pvalue) if len(above) else 1.0
        found[group] = p if np.isfinite(p) else 1.0
    return found


def _by_regression(table: Table, groups: Sequence[int], *, paired: bool) -> dict[int, float]:
    from scipy import sparse, stats  # noqa: PLC0415 - slow to import

    weight, gap, item = table.votes
    n_items = len(np.unique(item))
    varied = [g for g in groups if _varies(weight, g)]
    varied.sort(key=lambda g: -np.diff(weight.indptr)[g])
    varied = varied[: min(n_items // PER_GROUP, MOST_FITTED)]
    if not varied or np.allclose(gap, 0):
        return {}
    fitted = weight[:, varied]
    rest = np.maximum(weight.sum(axis=1) - fitted.sum(axis=1), 0)
    columns = [fitted, *([sparse.csc_array(rest[:, None])] if rest.max() > 1e-9 else [])]
    found = clustered_least_squares(sparse.hstack(columns, format="csr"), gap, item)
    gaps, errors = (values[: len(varied)] for values in found)
    usual = _usual(gaps, fitted.sum(axis=0), paired=paired)
    p = stats.t.sf((gaps - usual) / np.maximum(errors, 1e-12), max(n_items - 1, 1))
    p = np.nan_to_num(p, nan=1.0)
    return {group: float(value) for group, value in zip(varied, p, strict=True)}


def _varies(weight: sparse.csc_array, group: int) -> bool:
    """Whether a group's weight differs between votes."""
    return len(weight.data) > 0 and float(np.std(weight[:, [group]].toarray())) > 1e-6


def _usual(gaps: Floats, weights: Floats, *, paired: bool) -> float:
    """The median of the gaps by weight, at least 0."""
    if paired and len(gaps) < FEW:
        return 0.0
    order = np.argsort(gaps)
    total = np.cumsum(weights[order])
    middle = min(int(np.searchsorted(total, total[-1] / 2)), len(gaps) - 1)
    return max(0.0, float(gaps[order][middle]))


def adjusted(p: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg q-values."""
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - slow to import

    return [float(q) for q in false_discovery_control(p)] if p else []


def shares(table: Table, groups: Sequence[int], *, bootstrap: Bootstrap) -> list[Estimate]:
    """Each group's share of all reward lost on lost items; items are resampled."""
    rows = np.column_stack([table.lost[:, list(groups)], table.lost.sum(axis=1)])
    rows = rows[rows[:, -1] > 0]
    if not len(rows):
        return [Estimate(value=None, low=None, high=None, n=0) for _ in groups]
    total = rows.sum(axis=0)
    drawn = _resampled_sums(rows, bootstrap)
    return [
        bootstrap.between(float(total[i] / total[-1]), drawn[:, i] / drawn[:, -1], len(rows))
        for i in range(len(groups))
    ]


def lifts(table: Table, groups: Sequence[int], *, bootstrap: Bootstrap) -> list[Estimate]:
    """Mean part of the loss on lost items over that on won ones, half an item added to each sum."""
    lost, won = table.parts_lost[:, list(groups)], table.parts_won[:, list(groups)]
    n = len(lost) + len(won)
    if not len(lost) or not len(won):
        return [Estimate(value=None, low=None, high=None, n=n) for _ in groups]

    def ratio(tops: Floats, bottoms: Floats) -> Floats:
        result: Floats = ((tops + 0.5) / (len(lost) + 1)) / ((bottoms + 0.5) / (len(won) + 1))
        return result

    # Another seed: lost and won items vary independently.
    other = replace(bootstrap, seed=bootstrap.seed + 1)
    values = ratio(lost.sum(axis=0), won.sum(axis=0))
    drawn = ratio(_resampled_sums(lost, bootstrap), _resampled_sums(won, other))
    return [
        bootstrap.between(float(values[i]), drawn[:, i], n)
        if n > 1
        else Estimate(value=tidy(float(values[i])), low=None, high=None, n=n)
        for i in range(len(groups))
    ]


def _resampled_sums(rows: Floats, bootstrap: Bootstrap) -> Floats:
    """(resamples, C): column sums of resampled rows (n, C)."""
    ones = np.ones(len(rows), dtype=np.intp)
    return np.concatenate([block @ rows for block in bootstrap.counts(ones)])


def difference(now: Estimate, before: Estimate, *, level: float = 0.95) -> Estimate | None:
    """Difference of two proportions of different items (Newcombe interval)."""
    from statsmodels.stats.proportion import (  # noqa: PLC0415 - slow to import
        confint_proportions_2indep,
    )

    if now.value is None or before.value is None or not now.n or not before.n:
        return None
    hits = [round(now.value * now.n), round(before.value * before.n)]
    low, high = confint_proportions_2indep(
        hits[0], now.n, hits[1], before.n, compare="diff", method="newcomb", alpha=1 - level
    )
    return Estimate(
        value=tidy(now.value - before.value),
        low=tidy(float(low)),
        high=tidy(float(high)),
        n=now.n + before.n,
    )
