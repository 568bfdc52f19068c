"""Prediction-powered inference: a judge's figure, corrected by a few human labels.

The judge's mean over all items is cheap but biased; the humans' mean over the labelled ones is
unbiased but wide. PPI (Angelopoulos et al. 2023, arXiv 2301.09633) adds to the former the judge's
error, measured where both are known; PPI++ (2311.01453) scales the judge by how much it helps, so
that the interval is never wider than with labels alone, up to estimating that scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from deemster.errors import InputError
from deemster.schemas import Count, Record
from deemster.suites.metrics.estimate import Bootstrap, Ends, Estimate, Floats, tidy
from deemster.suites.metrics.items import Item


class Corrected(Record):
    """A mean corrected by human labels."""

    mean: Estimate
    """The corrected mean; `n` counts all items, labelled or not."""
    labels_only: Estimate
    """The mean of the human labels alone."""
    judge_only: float | None
    """The judge's mean over all items, uncorrected."""
    n_labelled: Count
    power: float
    """How far the judge is relied on, 0 (not at all) to 1 (plain PPI)."""
    n_effective: float | None
    """How many human labels alone would give an interval as narrow; None if undefined."""


def ppi_mean(
    labels: npt.ArrayLike,
    judged: npt.ArrayLike,
    judged_only: npt.ArrayLike,
    *,
    power: float | None = None,
    level: float = 0.95,
    within: Ends | None = None,
) -> Corrected:
    """Mean of the human label over all items, from a labelled part and the judge's values.

    The labelled items must be a random draw from all. The interval is Student's t; the power is
    tuned on the labelled items alone, which costs a degree of freedom and keeps coverage closer
    to nominal than tuning on all. It is optimistic while the labelled items show but a handful
    of disagreements, as any interval from so few is: in simulation a nominal 95 % came out as
    94 % with 100 labels of which 2 or 12 disagree, all in one direction, and as 87 % with 30
    labels of which less than one does.

    Args:
        labels: (n,) human labels, n >= 2.
        judged: (n,) the judge's values of the same items, on the same scale.
        judged_only: (m,) the judge's values of the items without label.
        power: weight of the judge, 0..1; None takes the one with the narrowest interval (0 with
            fewer than 3 labels).
        level: coverage of the interval, between 0 and 1.
        within: the ends of the scale, which no mean and no interval passes. Where all labels are
            alike, the interval allows for others that could have stayed unseen; without ends there
            is none.

    Raises:
        InputError: fewer than 2 labels, lengths that differ, or a value that is not finite.
    """
    truth, seen, rest = (np.asarray(part, dtype=float) for part in (labels, judged, judged_only))
    _check(truth, seen, rest, power, level)
    n, m = len(truth), len(rest)
    tuned = power is None and m > 0 and n > 2
    if tuned:
        power = _best_power(truth, seen, m)
    if power is None or m == 0:
        power = 0.0
    free = n - 2 if tuned and power > 0 else n - 1
    value = truth.mean() - power * (seen.mean() - (rest.mean() if m else 0.0))
    variance = float(np.var(truth - power * seen)) / free
    if m > 1:
        variance += power**2 * float(np.var(rest, ddof=1)) / m
    alone = float(np.var(truth, ddof=1))
    bounded = partial(_bounded, labels=n, level=level, within=within)
    return Corrected(
        mean=bounded(_student(float(value), variance, free, total=n + m, level=level)),
        labels_only=bounded(_student(float(truth.mean()), alone / n, n - 1, total=n, level=level)),
        judge_only=tidy(float(np.append(seen, rest).mean())),
        n_labelled=n,
        power=tidy(power) or 0.0,
        n_effective=tidy(alone / variance) if variance > 0 else None,
    )


def ppi(
    items: Sequence[Item],
    labels: Mapping[str, float],
    value: Callable[[Item], float | None],
    *,
    power: float | None = None,
    level: float = 0.95,
    within: Ends | None = None,
) -> Corrected:
    """`ppi_mean` over items, some of which have a human label of what `value` estimates.

    Args:
        items: judged items; those for which `value` is None (unscored, say) are left out.
        labels: human labels by item id.
        value: the judge's figure of an item, on the labels' scale: for a win rate, `win_value`
            with the policy filled in; for a mean score, `lambda item: item.rewards[0]`.
        power: see `ppi_mean`.
        level: see `ppi_mean`.
        within: see `ppi_mean`.
    """
    valued = [(item.id, value(item)) for item in items]
    known = [(labels[key], v) for key, v in valued if v is not None and key in labels]
    rest = [v for key, v in valued if v is not None and key not in labels]
    truth, seen = np.array(known, dtype=float).reshape(-1, 2).T
    return ppi_mean(truth, seen, rest, power=power, level=level, within=within)


def _best_power(truth: Floats, seen: Floats, m: int) -> float:
    """The power with the least variance (PPI++, Example 6.1), kept within 0..1."""
    spread = float(np.var(seen, ddof=1))
    if spread <= 0:
        return 0.0  # a judge that says the same of all items gives no information
    together = float(np.cov(truth, seen, ddof=1)[0, 1])
    return float(np.clip(together / (spread * (1 + len(truth) / m)), 0.0, 1.0))


def _student(value: float, variance: float, free: int, *, total: int, level: float) -> Estimate:
    from scipy import stats  # noqa: PLC0415 - slow to import

    width = float(stats.t.ppf((1 + level) / 2, free)) * variance**0.5
    return Estimate(value=tidy(value), low=tidy(value - width), high=tidy(value + width), n=total)


def _bounded(found: Estimate, *, labels: int, level: float, within: Ends | None) -> Estimate:
    """Within the ends of the scale, and with a width where all labels are alike."""
    least, most = within or (-np.inf, np.inf)
    given = np.array([found.value, found.low, found.high], dtype=float)
    value, low, high = map(float, np.clip(given, least, most))
    if low == high:
        room = Bootstrap(level=level).unseen(labels)
        low, high = value - (value - least) * room, value + (most - value) * room
    return found.model_copy(update={"value": tidy(value), "low": tidy(low), "high": tidy(high)})


def _check(truth: Floats, seen: Floats, rest: Floats, power: float | None, level: float) -> None:
    if len(truth) != len(seen):
        raise InputError(f"{len(truth)} labels for {len(seen)} judged values; give one each")
    if len(truth) < 2:
        raise InputError(f"{len(truth)} labelled items; 2 or more are needed for an interval")
    if not all(np.isfinite(part).all() for part in (truth, seen, rest)):
        raise InputError("labels and judged values must be finite; leave unscored items out")
    if power is not None and not 0 <= power <= 1:
        raise InputError(f"power must be from 0 to 1, got {power!r}; leave it out to tune it")
    if not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, got {level!r}; 0.95 is usual")
