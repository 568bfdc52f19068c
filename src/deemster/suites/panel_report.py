"""What a panel of stored judges is worth: shared errors, copies, weights, the fewest judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.judges.calibrator_fit import folds
from deemster.judges.panel_weights import PanelWeights
from deemster.schemas import Count, Record, Text
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.metrics.estimate import DEFAULT, Ints
from deemster.suites.panels import StoredPanel, rewards_table, subsets_of, win_share

COPY = 0.9
"""Error correlation, corrected for attenuation, from which on two judges count as copies."""
ONE_SIDED = 0.3
"""How much more often a judge may be right where the best stands at one place than elsewhere."""
_FEW = 20
"""Items at a place, and elsewhere, that such a difference needs."""
WITHIN = 0.01
"""How much accuracy the smallest panel may lose."""
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_MAX_SEARCHED = 8
"""Members up to which all panels are tried."""


@dataclass(frozen=True)
class _Shared:
    """The labelled items of a panel, and how many votes of each member count."""

    panel: StoredPanel
    keys: tuple[str, ...]
    votes: int | None
    bootstrap: Bootstrap


class MemberFigures(Record):
    """A member by itself, over the shared labelled items."""

    name: Text
    accuracy: Estimate
    """Strict; unscored items and ties on top are wrong."""
    votes: float
    """Per item."""
    cost: float | None
    """US dollars per item; None if unknown."""
    favours: int | None
    """The place in the data where it finds the best far more often than elsewhere (by
    `ONE_SIDED`); None if there is none, or if the best stands at one place nearly always."""


class MemberPair(Record):
    """Two members' errors."""

    first: str
    second: str
    correlation: Estimate
    """Pearson's, of the errors."""
    corrected: float | None
    """The same corrected for attenuation: divided by how well each judge's error from half of its
    votes correlates with that from the other half. 1: they err on the same items, as far as
    votes can tell. None with single votes."""
    same_wrong: float | None
    """Where both are wrong, how often they name the same response."""
    copies: bool


class PanelReport(Record):
    """A panel of stored runs, over the labelled items that all have."""

    n: Count
    members: tuple[MemberFigures, ...]
    pairs: tuple[MemberPair, ...]
    effective: Estimate
    """Effective number of members: of independent judges whose mean error would vary as much,
    J / (1 + (J - 1) r), r being the mean correlation of errors (Kish's design effect)."""
    equal: Estimate
    """Accuracy of all members with equal weights."""
    weighted: Estimate
    """With weights learned from labels, shrunk towards equal ones; cross-fitted."""
    weighted_gain: Estimate
    """Weighted less equal, paired."""
    best_single: str
    gain: Estimate
    """All members with equal weights less the best single one, paired."""
    smallest: tuple[str, ...]
    """Fewest members within a point of the best panel, on all items."""
    smallest_accuracy: Estimate
    """Of choosing so: chosen on four folds, counted on the fifth."""
    smallest_loss: Estimate
    """All members less the smallest panel, cross-fitted and paired."""
    weights: PanelWeights
    """Learned on all items."""
    penalty: float
    """How far weights are shrunk, chosen on held-out items."""


def report_panel(
    panel: StoredPanel,
    *,
    votes: int | None = None,
    seed: int = 0,
    bootstrap: Bootstrap = DEFAULT,
) -> PanelReport:
    """Measure a panel of stored runs.

    Args:
        panel: the runs.
        votes: only the first so many votes of each member.
        seed: of the folds.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: fewer than 20 labelled comparisons are shared, or the members are too many.
    """
    keys = panel.labelled
    if len(keys) < 20:
        raise InputError(f"the runs share {len(keys)} labelled comparisons; 20 or more are needed")
    if len(panel.members) > _MAX_SEARCHED:
        raise InputError(f"{len(panel.members)} members; at most {_MAX_SEARCHED} can be searched")
    shared = _Shared(panel, keys, votes, bootstrap)
    table = rewards_table(panel, keys, None if votes is None else range(votes))
    shares = np.stack([win_share(table[:, [j]]) for j in range(table.shape[1])], axis=1)
    right = shares == 1
    equal = (win_share(table) == 1).astype(float)
    weighted, weights, penalty = _weighted(panel, table, seed)
    best = int(right.mean(axis=0).argmax())
    searched, chosen = _smallest(table, seed)
    return PanelReport(
        n=len(keys),
        members=tuple(_member(shared, j, right[:, j]) for j in range(len(panel.members))),
        pairs=tuple(_pairs(shared, table, 1 - shares)),
        effective=effective_number(1 - shares, bootstrap=bootstrap),
        equal=bootstrap.mean(equal),
        weighted=bootstrap.mean(weighted),
        weighted_gain=bootstrap.difference(weighted, equal),
        best_single=panel.names[best],
        gain=bootstrap.difference(equal, right[:, best].astype(float)),
        smallest=tuple(panel.names[j] for j in chosen),
        smallest_accuracy=bootstrap.mean(searched),
        smallest_loss=bootstrap.difference(equal, searched),
        weights=weights,
        penalty=penalty,
    )


def effective_number(errors: Floats, *, bootstrap: Bootstrap = DEFAULT) -> Estimate:
    """Kish's effective number of raters whose errors (I, J) correlate; see `PanelReport`.

    Correlations below 0 count as 0: a panel is worth no more than its members.
    """
    j = errors.shape[1]
    distinct, counts = np.unique(errors, axis=0, return_counts=True)

    def statistic(w: Floats) -> Floats:
        found = np.array([_mean_correlation(distinct, row) for row in w])
        number: Floats = j / (1 + (j - 1) * np.maximum(found, 0.0))
        return number

    value = float(statistic(counts[None].astype(float))[0])
    return bootstrap.estimate(value, counts, statistic)


def _mean_correlation(rows: Floats, weights: Floats) -> float:
    w = weights / weights.sum()
    centred = rows - w @ rows
    cov = (centred * w[:, None]).T @ centred
    spread = np.sqrt(np.diag(cov))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = cov / np.outer(spread, spread)
    upper = correlations[np.triu_indices(len(cov), 1)]
    return float(np.nanmean(upper)) if np.isfinite(upper).any() else float("nan")


def _correlation(a: Floats, b: Floats) -> float:
    if a.std() < 1e-12 or b.std() < 1e-12:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _member(shared: _Shared, j: int, right: Floats) -> MemberFigures:
    member, keys, votes = shared.panel.members[j], shared.keys, shared.votes
    every = member.votes_per_item(keys)
    drawn = [len(member.verdicts[key].votes) for key in keys]
    used = sum(drawn if votes is None else [min(votes, n) for n in drawn]) / len(keys)
    cost = member.cost_per_item(keys)
    return MemberFigures(
        name=member.info.name,
        accuracy=shared.bootstrap.mean(right.astype(float)),
        votes=used,
        cost=None if cost is None else cost * used / every,
        favours=_favours(right, np.array([shared.panel.sample(key).best for key in keys])),
    )


def _favours(right: Floats, places: Ints) -> int | None:
    """The place of the best at which a member is right far more often than elsewhere."""
    over = {}
    for place in np.unique(places):
        here = places == place
        if min(here.sum(), (~here).sum()) >= _FEW:
            over[int(place)] = float(right[here].mean() - right[~here].mean())
    most = max(over, key=lambda place: over[place], default=None)
    return most if most is not None and over[most] >= ONE_SIDED else None


def _pairs(shared: _Shared, table: Floats, errors: Floats) -> list[MemberPair]:
    panel = shared.panel
    halves = _half_errors(panel, shared.keys, shared.votes)
    picks = _picks(table)
    found = []
    for a in range(len(panel.members)):
        for b in range(a + 1, len(panel.members)):
            corrected = None if halves is None else _disattenuated(halves[:, a], halves[:, b])
            correlation = _correlation_estimate(errors[:, a], errors[:, b], shared.bootstrap)
            both = (picks[:, a] > 0) & (picks[:, b] > 0)
            same = float((picks[both, a] == picks[both, b]).mean()) if both.any() else None
            alike = corrected if corrected is not None else correlation.value
            found.append(
                MemberPair(
                    first=panel.names[a],
                    second=panel.names[b],
                    correlation=correlation,
                    corrected=corrected,
                    same_wrong=same,
                    copies=alike is not None and alike >= COPY,
                )
            )
    return found


def _correlation_estimate(a: Floats, b: Floats, bootstrap: Bootstrap) -> Estimate:
    rows, counts = np.unique(np.stack([a, b], axis=1), axis=0, return_counts=True)

    def statistic(w: Floats) -> Floats:
        return np.array([_mean_correlation(rows, one) for one in w])

    return bootstrap.estimate(_correlation(a, b), counts, statistic, within=(-1.0, 1.0))


def _picks(table: Floats) -> Ints:
    """(I, J): the response named strictly best, 0 being the labelled one; -1 for none."""
    filled = np.where(np.isnan(table), -np.inf, table)
    first = filled.argmax(axis=2)
    ordered = np.sort(filled, axis=2)
    strict: Ints = np.where(ordered[..., -1] - ordered[..., -2] > 1e-9, first, -1)
    return strict


def _half_errors(panel: StoredPanel, keys: Sequence[str], votes: int | None) -> Floats | None:
    """(I, J, 2) errors from the votes of even and of odd number; None with single votes."""
    least = min(len(m.verdicts[key].votes) for m in panel.members for key in keys)
    k = least if votes is None else min(least, votes)
    if k < 2:
        return None
    found = []
    for start in (0, 1):
        half = rewards_table(panel, keys, range(start, k - k % 2, 2))
        found.append(np.stack([1 - win_share(half[:, [j]]) for j in range(half.shape[1])], axis=1))
    return np.stack(found, axis=2)


def _disattenuated(a: Floats, b: Floats) -> float | None:
    """Correlation of two judges' errors (I, 2) as if each had endless votes (Spearman 1904)."""
    own = _correlation(a[:, 0], a[:, 1]) * _correlation(b[:, 0], b[:, 1])
    across = np.mean([_correlation(a[:, i], b[:, k]) for i in (0, 1) for k in (0, 1)])
    return float(across / np.sqrt(own)) if own > 0 and np.isfinite(across) else None


# --- weights ------------------------------------------------------------------------------------


def _weighted(panel: StoredPanel, table: Floats, seed: int) -> tuple[Floats, PanelWeights, float]:
    """Cross-fitted hits (I,) of weights learned from labels; the weights of all items."""
    hits = np.zeros(len(table))
    for inside in folds(len(table), seed=seed):
        weights, _ = _fit(table[~inside], seed)
        hits[inside] = win_share(table[inside], weights) == 1
    weights, penalty = _fit(table, seed)
    names = {name: float(w) for name, w in zip(panel.names, weights, strict=True)}
    return hits, PanelWeights(method="logistic", weights=names, items=len(table)), penalty


def _fit(table: Floats, seed: int) -> tuple[Floats, float]:
    """Weights of mean 1, and the penalty under which a held-out third is predicted best."""
    inside = folds(len(table), seed=seed + 1, count=3)[0]
    losses = [
        conditional_loss(table[inside], conditional_logit(table[~inside], penalty))
        for penalty in _PENALTIES
    ]
    penalty = _PENALTIES[int(np.argmin(losses))]
    weights = conditional_logit(table, penalty)
    total = weights.sum()
    return (weights * len(weights) / total if total > 0 else np.ones(len(weights))), penalty


def conditional_logit(table: Floats, penalty: float) -> Floats:
    """(J,) weights >= 0 under which softmax of the weighted rewards predicts the labelled best.

    Args:
        table: (I, J, N) of `rewards_table`, the labelled best first.
        penalty: of the squared distances from the mean weight, >= 0.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    filled = np.nan_to_num(table)
    there = ~np.isnan(table[:, 0])

    def loss(w: Floats) -> tuple[float, Floats]:
        shares = _softmax(np.where(there, np.einsum("ijn,j->in", filled, w), -np.inf))
        apart = w - w.mean()
        missed = -np.log(np.maximum(shares[:, 0], 1e-300)).sum()
        slope = np.einsum("in,ijn->j", shares, filled) - filled[:, :, 0].sum(axis=0)
        return float(missed + penalty / 2 * apart @ apart), slope + penalty * apart

    n = table.shape[1]
    found = minimize(loss, np.full(n, 1 / n), jac=True, method="L-BFGS-B", bounds=[(0.0, 1e3)] * n)
    weights: Floats = found.x
    return weights


def conditional_loss(table: Floats, weights: Floats) -> float:
    """Mean log loss of the labelled best under weights of `conditional_logit`."""
    total = np.einsum("ijn,j->in", np.nan_to_num(table), weights)
    shares = _softmax(np.where(np.isnan(table[:, 0]), -np.inf, total))
    return float(-np.log(np.maximum(shares[:, 0], 1e-300)).mean())


def _softmax(logits: Floats) -> Floats:
    parts = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = parts / parts.sum(axis=1, keepdims=True)
    return shares


# --- the fewest members -------------------------------------------------------------------------


def _smallest(table: Floats, seed: int) -> tuple[Floats, tuple[int, ...]]:
    """Hits (I,) of the smallest panel within a point of the best, cross-fitted; and that of all."""
    options = subsets_of(table.shape[1])
    right = np.stack([win_share(table[:, list(one)]) == 1 for one in options], axis=1)
    hits = np.zeros(len(table))
    for inside in folds(len(table), seed=seed):
        hits[inside] = right[inside, _choose(options, right[~inside].mean(axis=0))]
    return hits, options[_choose(options, right.mean(axis=0))]


def _choose(options: Sequence[tuple[int, ...]], accuracy: Floats) -> int:
    """The best of the smallest panels that are within a point of the best."""
    enough = [i for i in range(len(options)) if accuracy[i] >= accuracy.max() - WITHIN]
    return min(enough, key=lambda i: (len(options[i]), -accuracy[i]))
