"""Agreement between raters: Krippendorff's alpha, Cohen's kappa, and the matrix of judges."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from deemster.errors import InputError
from deemster.schemas import Record
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats, tidy
from deemster.suites.metrics.items import Item, top_set

Level = Literal["nominal", "ordinal", "interval"]
HUMAN = "human"
"""Name of the ground truth among the raters of an agreement matrix."""
_ENDS = (-1.0, 1.0)
_UNITS_AT_ONCE = 2_000_000


def krippendorff_alpha(
    ratings: npt.ArrayLike, level: Level = "nominal", *, bootstrap: Bootstrap = DEFAULT
) -> Estimate:
    """Krippendorff's alpha of several raters: 1 is perfect agreement, 0 is that of chance.

    Args:
        ratings: (raters, units), NaN where a rater did not rate.
        level: what the values mean: names, ranks, or numbers on a scale.
        bootstrap: how the interval is drawn; units are resampled.

    Returns:
        The estimate; `n` counts the units with 2 or more ratings, others say nothing. Undefined
        if no two ratings can be paired or all ratings are the same value.
    """
    if level not in ("nominal", "ordinal", "interval"):
        raise InputError(f"level {level!r}; allowed: nominal, ordinal, interval")
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2:
        raise InputError(f"ratings must be (raters, units), got shape {table.shape}")
    table = table[:, (~np.isnan(table)).sum(axis=0) >= 2]
    values = np.unique(table[~np.isnan(table)])
    # Only how often each value was given matters, not by whom: (units, values).
    votes = (
        np.stack([(table == value).sum(axis=0) for value in values], axis=1)
        if len(values)
        else np.zeros((0, 1), dtype=int)
    )
    rows, counts = np.unique(votes, axis=0, return_counts=True)
    if not len(rows):
        return Estimate(value=None, low=None, high=None, n=0)
    pairs = _coincidences(rows, counts[None, :].astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(_alpha(pairs, values, level)[0])
    found = bootstrap.estimate(
        value,
        counts,
        lambda w: _alpha(_coincidences(rows, w), values, level),
        within=_ENDS,
    )
    shares = pairs[0].sum(axis=1) / pairs[0].sum()
    return _less_certain(found, 1 - float(shares @ shares), bootstrap)


def _less_certain(found: Estimate, differ: float, bootstrap: Bootstrap) -> Estimate:
    """An interval where all units agree, for which resampling gives a width of 0.

    The largest share of units that could differ unseen is taken to differ as far as by chance.

    Args:
        found: 1 where all agree.
        differ: how often two ratings differ by chance.
        bootstrap: how intervals are drawn.
    """
    if found.value != 1 or found.low is None:
        return found
    return found.model_copy(update={"low": tidy(1 - bootstrap.unseen(found.n) / differ)})


def _coincidences(rows: npt.NDArray[np.intp], w: Floats) -> Floats:
    """Coincidence matrices (b, V, V) of units with value counts (C, V) occurring w (b, C) times."""
    units, n_values = rows.shape
    total = np.zeros((len(w), n_values * n_values))
    size = max(1, _UNITS_AT_ONCE // n_values**2)
    for start in range(0, units, size):
        part = rows[start : start + size].astype(float)
        pairs = part[:, :, None] * part[:, None, :] - part[:, :, None] * np.eye(n_values)
        pairs /= (part.sum(axis=1) - 1)[:, None, None]
        total += w[:, start : start + size] @ pairs.reshape(len(part), -1)
    return total.reshape(-1, n_values, n_values)


def _alpha(pairs: Floats, values: Floats, level: Level) -> Floats:
    """Alpha (b,) of coincidence matrices (b, V, V)."""
    margin = pairs.sum(axis=2)
    if level == "nominal":
        distance = np.broadcast_to(1 - np.eye(len(values)), pairs.shape)
    else:
        place = (
            np.broadcast_to(values, margin.shape)
            if level == "interval"
            # Ranks grow with the ratings between two values, half of their own included.
            else np.cumsum(margin, axis=1) - margin / 2
        )
        distance = (place[:, :, None] - place[:, None, :]) ** 2
    chance = margin[:, :, None] * margin[:, None, :] - margin[:, :, None] * np.eye(len(values))
    expected = (chance * distance).sum(axis=(1, 2)) / (margin.sum(axis=1) - 1)
    alpha: Floats = 1 - (pairs * distance).sum(axis=(1, 2)) / expected
    return alpha


def cohen_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    weights: Literal["linear", "quadratic"] | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> Estimate:
    """Cohen's kappa of two raters of the same units: 1 is perfect, 0 is chance.

    Args:
        first: one label per unit; None where missing, and the unit is left out.
        second: as `first`.
        weights: how disagreement grows with the distance in sorted label order; none counts
            every disagreement the same.
        bootstrap: how the interval is drawn.

    Returns:
        The estimate; undefined if no unit has both labels, or both raters gave one same label.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if None not in (a, b)]
    labels: list[Hashable] = sorted({label for pair in pairs for label in pair})  # type: ignore[type-var]
    if len(labels) < 2:
        return Estimate(value=None, low=None, high=None, n=len(pairs))
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415 - slow to import

    place = {label: i for i, label in enumerate(labels)}
    codes = np.array([(place[a], place[b]) for a, b in pairs], dtype=np.intp)
    value = float(cohen_kappa_score(codes[:, 0], codes[:, 1], weights=weights))
    cells, counts = np.unique(codes, axis=0, return_counts=True)
    gap = np.abs(np.subtract.outer(np.arange(len(labels)), np.arange(len(labels)))).astype(float)
    cost = gap if weights == "linear" else gap**2 if weights == "quadratic" else np.sign(gap)

    def resampled(w: Floats) -> Floats:
        one = w @ np.eye(len(labels))[cells[:, 0]]
        two = w @ np.eye(len(labels))[cells[:, 1]]
        seen = w @ cost[cells[:, 0], cells[:, 1]]
        chance = ((one @ cost) * two).sum(axis=1) / len(pairs)
        kappa: Floats = 1 - seen / chance
        return kappa

    shares = np.bincount(codes[:, 0]) / len(pairs)
    found = bootstrap.estimate(value, counts, resampled, within=_ENDS)
    return _less_certain(found, 1 - float(shares @ shares), bootstrap)


class Agreement(Record):
    """How far raters agree on which response is best."""

    raters: tuple[str, ...]
    kappa: tuple[tuple[Estimate, ...], ...]
    """Cohen's kappa of each rater (row) with each (column), over the items both decided."""
    alpha: Estimate
    """Krippendorff's alpha (nominal) of the judges together, the truth not among them."""


def judge_agreement(
    runs: Mapping[str, Sequence[Item]], *, human: bool = True, bootstrap: Bootstrap = DEFAULT
) -> Agreement:
    """Kappa between every two judges on the items they share, and with the truth.

    A judge's label is its best response, or which responses it ties on top; an unscored item has
    none. Items are matched by id.

    Args:
        runs: the items of each judge by its name.
        human: whether the ground truth, where known, is a rater too.
        bootstrap: how intervals are drawn.
    """
    labels = {name: {item.id: _label(item.rewards) for item in run} for name, run in runs.items()}
    judges = tuple(labels)
    ids = sorted({key for given in labels.values() for key in given})
    code: dict[str, int] = {}
    coded = {
        name: [code.setdefault(key, len(code)) if key else None for key in map(given.get, ids)]
        for name, given in labels.items()
    }
    table = np.array([[np.nan if c is None else c for c in coded[name]] for name in judges])
    alpha = krippendorff_alpha(table.reshape(len(judges), -1), bootstrap=bootstrap)
    if human:
        truths = {item.id: _label(item.ground_truth) for run in runs.values() for item in run}
        labels[HUMAN] = truths
    raters = tuple(labels)
    columns = {name: [labels[name].get(key) for key in ids] for name in raters}
    kappa = {
        (a, b): cohen_kappa(columns[a], columns[b], bootstrap=bootstrap)
        for i, a in enumerate(raters)
        for b in raters[i + 1 :]
    }
    for name in raters:  # of itself nobody can differ unseen
        alone = cohen_kappa(columns[name], columns[name], bootstrap=bootstrap)
        sure = None if alone.low is None else alone.value
        kappa[name, name] = alone.model_copy(update={"low": sure, "high": sure})
    return Agreement(
        raters=raters,
        kappa=tuple(tuple(kappa.get((a, b)) or kappa[b, a] for b in raters) for a in raters),
        alpha=alpha,
    )


def _label(rewards: Sequence[float] | None) -> str | None:
    if rewards is None or len(rewards) < 2:
        return None
    return "=".join(map(str, top_set(rewards)))
