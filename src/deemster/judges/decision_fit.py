"""How much each narrow question should count: weights learned from labelled comparisons. Pure.

A response's score is the weighted mean of its values, as in `decision_questions`; that one of two
responses is better has the log-odds `scale` x the difference of their scores (Bradley-Terry).
Weights are not negative: a question whose answer speaks against a response has to be asked the
other way round. They are shrunk towards equal weights by a penalty that cross-validation picks,
"equal" among the choices, so questions that nothing tells apart stay equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deemster.aggregators.base import Floats
from deemster.errors import InputError

Ints = npt.NDArray[np.intp]

PENALTIES = (math.inf, 1000.0, 100.0, 10.0, 1.0, 0.1)
"""Of the squared distances from equal weights, in units of standardised answers; infinite: equal.
The first of those with the same loss is taken."""
_RIDGE = 1e-3
"""Keeps the scale finite where the answers order all comparisons."""
_INNER = 5
"""Folds that pick the penalty."""
LEAST = 20
"""Fewest labelled items that weights are fitted on."""


@dataclass(frozen=True)
class Labelled:
    """One labelled item.

    Attributes:
        values: (P, N), how well each response answers each question, 0 to 1.
        truth: (N,), higher is better; only responses whose truths differ are compared.
        group: items of one group, such as one query, are never fitted and tested on in turn.
    """

    values: Floats
    truth: Sequence[float]
    group: str


@dataclass(frozen=True)
class Comparisons:
    """The pairs of better and worse responses of I items, as rows.

    Attributes:
        gaps: (R, P), values of the better less those of the worse response.
        item: (R,), which item a row is of, from 0 to I - 1.
        share: (R,), 1 over the rows of its item: items count alike.
        group: (I,), which group an item is of.
    """

    gaps: Floats
    item: Ints
    share: Floats
    group: Ints

    @property
    def n(self) -> int:
        """Items."""
        return len(self.group)

    def take(self, items: npt.NDArray[np.bool_]) -> Comparisons:
        """Only the items that are true."""
        rows = items[self.item]
        number = np.cumsum(items) - 1
        return Comparisons(
            self.gaps[rows], number[self.item[rows]], self.share[rows], self.group[items]
        )

    def by_item(self, rows: Floats) -> Floats:
        """(I,): the mean of a figure of rows over each item's."""
        return np.bincount(self.item, weights=rows * self.share, minlength=self.n).astype(float)


def comparisons(items: Sequence[Labelled]) -> Comparisons:
    """All pairs of responses whose truths differ.

    Raises:
        InputError: there are fewer than `LEAST` items with such a pair.
    """
    gaps: list[Floats] = []
    index: list[Ints] = []
    share: list[Floats] = []
    group: list[int] = []
    groups: dict[str, int] = {}
    for item in items:
        truth = np.asarray(item.truth, dtype=float)
        better, worse = np.nonzero(truth[:, None] > truth[None, :])
        if not len(better):
            continue
        gaps.append((item.values[:, better] - item.values[:, worse]).T)
        index.append(np.full(len(better), len(group)))
        share.append(np.full(len(better), 1 / len(better)))
        group.append(groups.setdefault(item.group, len(groups)))
    if len(group) < LEAST:
        raise InputError(
            f"{len(group)} labelled items compare responses of different worth; weights need "
            f"{LEAST} or more"
        )
    return Comparisons(
        np.concatenate(gaps), np.concatenate(index), np.concatenate(share), np.array(group)
    )


@dataclass(frozen=True)
class Fitted:
    """What was learned.

    Attributes:
        strengths: (P,), >= 0: the weights times the scale.
        penalty: that was picked.
    """

    strengths: Floats
    penalty: float

    @property
    def scale(self) -> float:
        """Log-odds for each unit of difference in score."""
        return float(self.strengths.sum())

    @property
    def weights(self) -> Floats:
        """(P,), sum 1.

        Raises:
            InputError: no question orders the responses better than chance.
        """
        if not self.scale > 0:
            raise InputError(
                "no question orders the labelled responses better than chance, so there is nothing "
                "to weigh; ask other questions, or ask them the other way round"
            )
        found: Floats = self.strengths / self.scale
        return found


def fit(rows: Comparisons, *, penalties: Sequence[float] = PENALTIES, seed: int = 0) -> Fitted:
    """The strengths under the penalty with the lowest cross-validated log loss.

    Args:
        rows: labelled comparisons.
        penalties: to choose from; a single one is taken as it is.
        seed: of the folds.
    """
    if len(penalties) == 1:
        return Fitted(_strengths(rows, penalties[0]), penalties[0])
    losses = np.zeros(len(penalties))
    for train, test in _folds(rows, _INNER, seed):
        part = rows.take(train)
        for place, penalty in enumerate(penalties):
            found = log_losses(rows.take(test), _strengths(part, penalty))
            losses[place] += found.sum()
    penalty = penalties[int(np.flatnonzero(losses <= losses.min() + 1e-9)[0])]
    return Fitted(_strengths(rows, penalty), penalty)


def cross_fit(
    rows: Comparisons,
    *,
    folds: int = 10,
    penalties: Sequence[float] = PENALTIES,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """(I,) twice: accuracy and log loss of each item by strengths fitted without its group.

    Raises:
        InputError: there are fewer groups than folds.
    """
    groups = int(rows.group.max()) + 1
    if not 2 <= folds <= groups:
        raise InputError(f"folds must be from 2 to the {groups} queries, got {folds}")
    right, loss = np.zeros(rows.n), np.zeros(rows.n)
    for train, test in _folds(rows, folds, seed):
        strengths = fit(rows.take(train), penalties=penalties, seed=seed).strengths
        held = rows.take(test)
        right[test], loss[test] = accuracies(held, strengths), log_losses(held, strengths)
    return right, loss


def accuracies(rows: Comparisons, strengths: Floats) -> Floats:
    """(I,): the share of an item's comparisons in the right order; equal scores are wrong."""
    return rows.by_item((rows.gaps @ strengths > 1e-12).astype(float))


def log_losses(rows: Comparisons, strengths: Floats) -> Floats:
    """(I,): minus the log-probability of an item's labels, mean over its comparisons, in nats."""
    return rows.by_item(np.logaddexp(0.0, -rows.gaps @ strengths))


def _folds(
    rows: Comparisons, folds: int, seed: int
) -> list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Items to fit on and to test on, whole groups at random."""
    groups = np.unique(rows.group)
    folds = min(folds, len(groups))
    dealt = np.random.default_rng(seed).permutation(len(groups)) % max(folds, 1)
    fold = dealt[np.searchsorted(groups, rows.group)]
    return [(fold != part, fold == part) for part in range(folds)]


def _strengths(rows: Comparisons, penalty: float) -> Floats:
    """(P,): penalised maximum likelihood, none below 0."""
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    count = rows.gaps.shape[1]
    spread = np.sqrt(rows.share @ rows.gaps**2 / rows.n)
    equal = math.isinf(penalty)
    gaps = rows.gaps.mean(axis=1, keepdims=True) if equal else rows.gaps
    # Of equal weights the one unknown is their sum.
    units = np.array([max(float(spread.mean()), 1e-6)]) if equal else np.maximum(spread, 1e-6)
    pull = 0.0 if equal else penalty

    def loss(strengths: Floats) -> tuple[float, Floats]:
        logits = gaps @ strengths
        missed = rows.share @ np.logaddexp(0.0, -logits)
        slope = -(rows.share / (1 + np.exp(np.clip(logits, -40, 40)))) @ gaps
        apart = units * (strengths - strengths.mean())
        inner = units * apart
        value = (
            missed
            + pull / 2 * apart @ apart
            + _RIDGE / 2 * (units * strengths) @ (units * strengths)
        )
        slope = slope + pull * (inner - inner.mean()) + _RIDGE * units**2 * strengths
        return float(value), slope

    # Scaled, so that the steps of the search are alike whatever the answers' spread.
    def scaled(x: Floats) -> tuple[float, Floats]:
        value, slope = loss(x / units)
        return value, slope / units

    found: Any = minimize(
        scaled, np.full(len(units), 0.1), jac=True, method="L-BFGS-B",
        bounds=[(0.0, None)] * len(units),
    )  # fmt: skip
    strengths = np.asarray(found.x) / units
    return np.full(count, strengths[0] / count) if equal else strengths
