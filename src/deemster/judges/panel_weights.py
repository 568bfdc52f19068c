"""How much each member of a panel should count: learned from labels, or from agreement alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from deemster.aggregators import Ballot, judge_weights, strict_best
from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.judges.checked_json import Fitted
from deemster.schemas import Count, Finite, Verdict

Ints = npt.NDArray[np.intp]
Method = Literal["logistic", "dawid-skene", "reliability"]
METHODS: tuple[Method, ...] = ("logistic", "dawid-skene", "reliability")
_ITERATIONS = 1000
_TOLERANCE = 1e-8


class PanelWeights(Fitted):
    """Weights of judges, and where they are from."""

    method: Method
    weights: dict[str, Annotated[Finite, Field(ge=0)]]
    """By name; mean 1."""
    accuracy: dict[str, Finite] = Field(default_factory=dict)
    """With `dawid-skene`: the estimated share of its choices that are right."""
    items: Count
    """Items that were learned from."""


def fit_weights(
    verdicts: Sequence[Verdict],
    labels: Sequence[int | None] | None = None,
    *,
    method: str | None = None,
    penalty: float = 1.0,
) -> PanelWeights:
    """Learn the members' weights from a panel's verdicts.

    - `logistic` (default with labels): weights >= 0 under which the softmax of the weighted votes
      best predicts which response is best; shrunk towards equal weights, so that few labels do
      little harm.
    - `dawid-skene` (default without): each judge picks the truth with a probability of its own
      and errs evenly and independently of the others; those probabilities are found by
      expectation maximisation, and the weight is their log-odds. Ties say nothing. Meant for
      `aggregator="majority"`, where such weights are the best there are under that model.
    - `reliability`: one common factor in the scores (`judge_weights`); also for single responses.

    Without labels, judges that share their errors (one model under two names) look better than
    they are: agreement cannot tell.

    Args:
        verdicts: of one panel, scored with the same scale as the weights are to be used with.
        labels: the best response of each, None where unknown.
        method: see above.
        penalty: with `logistic`: of the squared distances from equal weights, in units of
            standardised votes, >= 0.

    Raises:
        InputError: the method lacks what it needs, or there is nothing to learn from.
    """
    chosen = method or ("dawid-skene" if labels is None else "logistic")
    if chosen not in METHODS:
        raise InputError(f"method {method!r}; allowed: {', '.join(METHODS)}")
    sizes = [len(verdict.rewards) if verdict.rewards else 0 for verdict in verdicts]
    ballots = [
        Ballot.from_votes(verdict.votes, n=n) for verdict, n in zip(verdicts, sizes, strict=True)
    ]
    if chosen == "logistic":
        if labels is None or len(labels) != len(verdicts):
            given = "none" if labels is None else len(labels)
            raise InputError(
                f"logistic weights need one label for each of {len(verdicts)} verdicts, got {given}"
            )
        return _logistic(ballots, labels, penalty)
    usable = [ballot for ballot in ballots if ballot.scores.shape[-1] > 0]
    if chosen == "reliability":
        found = judge_weights(usable)
        if not found:
            raise InputError("no verdict has rewards; nothing to learn weights from")
        return PanelWeights(method="reliability", weights=found, items=len(usable))
    return _chosen([ballot for ballot in usable if ballot.scores.shape[-1] > 1])


@dataclass(frozen=True)
class DawidSkene:
    """What `dawid_skene` found.

    Attributes:
        posterior: (items, classes): probability of each class being the truth.
        confusion: (judges, classes, classes): probability that a judge says the second class
            where the first is true.
        prior: (classes,): how often each class is true.
        iterations: steps taken.
    """

    posterior: Floats
    confusion: Floats
    prior: Floats
    iterations: int


def dawid_skene(
    labels: npt.ArrayLike,
    classes: int,
    *,
    smoothing: float = 0.01,
    iterations: int = _ITERATIONS,
    tolerance: float = _TOLERANCE,
) -> DawidSkene:
    """Truth and judges' errors from labels alone (Dawid and Skene, Applied Statistics 28, 1979).

    Expectation maximisation from the shares of votes. Judges are taken to err independently of
    each other given the truth.

    Args:
        labels: (items, judges), whole numbers from 0 to `classes` - 1; -1 where missing.
        classes: number of classes, >= 2.
        smoothing: pseudo-counts of every cell, > 0; keeps probabilities from 0.
        iterations: most steps.
        tolerance: end when no posterior moves by more.

    Raises:
        InputError: the labels are of another shape or out of range, or there are none.
    """
    table = np.asarray(labels, dtype=np.intp)
    if table.ndim != 2 or classes < 2 or not smoothing > 0:
        raise InputError(
            f"need labels (items, judges), classes >= 2 and smoothing > 0, got shape {table.shape},"
            f" {classes!r} and {smoothing!r}"
        )
    if table.size == 0 or table.min() < -1 or table.max() >= classes or (table < 0).all():
        raise InputError(f"labels must be from 0 to {classes - 1}, or -1 where missing, and some")
    said = (table[..., None] == np.arange(classes)).astype(float)  # (items, judges, classes)
    flat = said.reshape(len(table), -1)
    votes = said.sum(axis=1) + smoothing
    posterior: Floats = votes / votes.sum(axis=1, keepdims=True)
    steps = 0
    while steps < max(iterations, 1):
        steps += 1
        prior = posterior.sum(axis=0) + smoothing
        prior /= prior.sum()
        counts = (posterior.T @ flat).reshape(classes, -1, classes).transpose(1, 0, 2) + smoothing
        confusion = counts / counts.sum(axis=-1, keepdims=True)
        logs = np.log(confusion).transpose(0, 2, 1).reshape(-1, classes)
        new = _normalised(np.log(prior) + flat @ logs)
        moved = float(np.abs(new - posterior).max())
        posterior = new
        if moved <= tolerance:
            break
    return DawidSkene(posterior, confusion, prior, steps)


def choice_accuracy(choices: npt.ArrayLike, sizes: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Dawid and Skene's model for choices among responses, whose places mean nothing.

    A judge picks the truth with one probability and errs evenly among the others; every response
    is as likely to be best beforehand. One success and one failure are added to each judge, so
    that one with few choices is not taken for perfect.

    Args:
        choices: (items, judges): the response picked, -1 for none.
        sizes: (items,): number of responses, >= 2.

    Returns:
        (judges,) probabilities of picking the truth; (items, most responses) posteriors.
    """
    picked, n = np.asarray(choices, dtype=np.intp), np.asarray(sizes, dtype=float)
    here = picked >= 0
    said = (picked[..., None] == np.arange(int(n.max()))).astype(float)
    there = np.arange(int(n.max())) < n[:, None]
    votes = np.where(there, said.sum(axis=1) + 1e-3, 0.0)
    posterior: Floats = votes / votes.sum(axis=1, keepdims=True)
    for _ in range(_ITERATIONS):
        hits = np.einsum("ijr,ir->j", said, posterior)
        right = (hits + 1) / (here.sum(axis=0) + 2)
        odds = np.log(right / (1 - right)) + np.log(n - 1)[:, None]  # (items, judges)
        new = _normalised(np.where(there, np.einsum("ijr,ij->ir", said, odds), -np.inf))
        moved = float(np.abs(new - posterior).max())
        posterior = new
        if moved <= _TOLERANCE:
            break
    return right, posterior


def _chosen(ballots: Sequence[Ballot]) -> PanelWeights:
    names = _names(ballots)
    if not names:
        raise InputError("no verdict compares 2 or more responses; nothing to learn weights from")
    picked = np.full((len(ballots), len(names)), -1, dtype=np.intp)
    for i, ballot in enumerate(ballots):
        for row, scores in _votes(ballot):
            best = strict_best(np.where(np.isnan(scores), -np.inf, scores).tolist())
            picked[i, names.index(row)] = -1 if best is None else best
    sizes = np.array([ballot.scores.shape[-1] for ballot in ballots])
    right, _ = choice_accuracy(picked, sizes)
    odds = np.log(right / (1 - right)) + np.log(sizes - 1).mean()
    return PanelWeights(
        method="dawid-skene",
        weights=_mean_one(names, np.maximum(odds, 0.0)),
        accuracy=dict(zip(names, map(float, right), strict=True)),
        items=len(ballots),
    )


def _logistic(
    ballots: Sequence[Ballot], labels: Sequence[int | None], penalty: float
) -> PanelWeights:
    """Conditional logit with weights >= 0; a member without a vote on an item says nothing."""
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    if not penalty >= 0:
        raise InputError(f"penalty must be >= 0, got {penalty!r}")
    names = _names(ballots)
    tables, bests = [], []
    for ballot, label in zip(ballots, labels, strict=True):
        n = ballot.scores.shape[-1]
        if label is None or n < 2:
            continue
        if isinstance(label, bool) or not 0 <= label < n:
            raise InputError(f"label {label!r} is no response of {n}")
        table = np.zeros((n, len(names)))
        for name, scores in _votes(ballot):
            if np.isfinite(scores).all():
                table[:, names.index(name)] = scores - scores.mean()
        tables.append(table)
        bests.append(label)
    if not tables:
        raise InputError("no labelled verdict compares 2 or more responses; nothing to learn from")
    spread = float(np.concatenate(tables).std()) or 1.0
    most = max(map(len, tables))
    stack = np.zeros((len(tables), most, len(names)))
    there = np.zeros((len(tables), most), dtype=bool)
    for i, table in enumerate(tables):
        stack[i, : len(table)], there[i, : len(table)] = table / spread, True
    rows = np.arange(len(tables))

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = np.where(there, stack @ weights, -np.inf)
        shares = _normalised(logits)
        apart = weights - weights.mean()
        missed = -np.log(np.maximum(shares[rows, bests], 1e-300)).sum()
        slope = np.einsum("in,inj->j", shares, stack) - stack[rows, bests].sum(axis=0)
        return float(missed + penalty / 2 * apart @ apart), slope + penalty * apart

    start = np.full(len(names), 1.0 / len(names))
    found: Any = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1e3)] * len(names)
    )
    weights: Floats = found.x
    return PanelWeights(
        method="logistic", weights=_mean_one(names, np.asarray(weights)), items=len(tables)
    )


def _names(ballots: Sequence[Ballot]) -> list[str]:
    return list(dict.fromkeys(name for ballot in ballots for name in ballot.judge_names if name))


def _votes(ballot: Ballot) -> list[tuple[str, Floats]]:
    """Each judge's counted vote; of several, the mean."""
    found = []
    for index, name in enumerate(ballot.judge_names):
        own = ballot.scores[(ballot.judges == index) & (ballot.weights > 0)]
        if len(own):
            found.append((name, own.mean(axis=0)))
    return found


def _mean_one(names: Sequence[str], weights: Floats) -> dict[str, float]:
    total = float(weights.sum())
    if not total > 0:
        return dict.fromkeys(names, 1.0)  # nothing tells them apart
    return dict(zip(names, (float(w) * len(names) / total for w in weights), strict=True))


def _normalised(logs: Floats) -> Floats:
    """(..., C) log weights to shares."""
    parts = np.exp(logs - logs.max(axis=-1, keepdims=True))
    shares: Floats = parts / parts.sum(axis=-1, keepdims=True)
    return shares
