"""How well meta rewards tell right judgments from wrong ones: ROC-AUC, overall and within items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deemster.suites.metrics.estimate import Bools, Bootstrap, Estimate, Floats, Ints
from lab.study.files import Scored

_BINS = 64
"""Quantile bins of the meta rewards in the resamples; the value itself is exact."""


def labels(scored: Scored) -> tuple[Bools, Bools]:
    """(I, K) right by Eq. 10, and (I, K) whether the judgment parsed and has a meta reward."""
    filled = np.where(np.isnan(scored.scores), -np.inf, scored.scores)
    mine = np.take_along_axis(filled, scored.best[:, None, None], axis=-1)
    right = ((filled >= mine).sum(axis=-1) == 1) & np.isfinite(mine[..., 0])
    return right, scored.parsed(scored.scores) & ~np.isnan(scored.meta)


def within_items(scored: Scored) -> Floats:
    """(I,): AUC over an item's own judgments; NaN unless it has right and wrong ones."""
    right, rated = labels(scored)
    meta = np.nan_to_num(scored.meta)
    good, bad = right & rated, ~right & rated
    pairs = good.sum(axis=1) * bad.sum(axis=1)
    wins = np.zeros(len(scored.n))
    for k in range(meta.shape[1]):  # one judgment at a time: no (I, K, K) array
        other = meta[:, k : k + 1]
        beats = (meta > other) + 0.5 * (meta == other)
        wins += np.where(bad[:, k], (beats * good).sum(axis=1), 0.0)
    return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)


def overall(
    seeds: Sequence[tuple[Scored, Ints]], n_items: int, bootstrap: Bootstrap
) -> tuple[Estimate, Floats] | None:
    """AUC over all judgments of all items, and the draws behind its interval.

    Each seed has a meta RM of its own, so AUCs are computed per seed and averaged. Items are
    resampled whole: judgments of one item depend on each other.

    Args:
        seeds: per seed, its votes and which item (I,) each of its items is.
        n_items: how many different items there are.
        bootstrap: how items are resampled.

    Returns:
        None unless every seed has right and wrong judgments.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - slow to import

    values, binned = [], []
    for scored, units in seeds:
        right, rated = labels(scored)
        if not (right & rated).any() or not (~right & rated).any():
            return None
        values.append(float(roc_auc_score(right[rated], scored.meta[rated])))
        binned.append(_histograms(scored.meta, right, rated, units, n_items))
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = [
            np.mean([_area(drawn @ good, drawn @ bad) for good, bad in binned], axis=0)
            for drawn in bootstrap.counts(np.ones(n_items, dtype=np.intp))
        ]
    areas: Floats = np.concatenate(draws)
    return bootstrap.between(float(np.mean(values)), areas, n_items), areas


def _histograms(
    meta: Floats, right: Bools, rated: Bools, units: Ints, n_items: int
) -> tuple[Floats, Floats]:
    """(items, bins): how many right and wrong judgments fall in each bin of meta rewards."""
    edges = np.unique(np.quantile(meta[rated], np.arange(1, _BINS) / _BINS))
    place = np.searchsorted(edges, meta, side="right")
    rows = np.broadcast_to(units[:, None], meta.shape)
    tables = []
    for chosen in (right & rated, ~right & rated):
        table = np.zeros((n_items, len(edges) + 1))
        np.add.at(table, (rows[chosen], place[chosen]), 1.0)
        tables.append(table)
    return tables[0], tables[1]


def _area(good: Floats, bad: Floats) -> Floats:
    """(b,): AUC of histograms (b, bins); half of a bin's own pairs are won."""
    below = np.cumsum(bad, axis=1) - bad / 2
    area: Floats = (good * below).sum(axis=1) / (good.sum(axis=1) * bad.sum(axis=1))
    return area
