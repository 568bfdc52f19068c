"""How many items, votes and labels it takes to see a difference between two policies.

From a stored run with labels: how well the judge tells the better response from another decides how
much of a true difference it sees, and its ties how much its figures vary. Judged alone it is
taken to err alike for both policies; with labels on some items (PPI++, arXiv 2311.01453) nothing
is taken for granted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.schemas import Count, Record
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.metrics.estimate import DEFAULT
from deemster.suites.panels import Member, StoredPanel, load_member, rewards_table

_RATIOS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 100)
"""Judged items without a label, for each one with."""


class Plan(Record):
    """What it takes with k votes an item."""

    k: Count
    accuracy: Estimate
    """Pairs of the labelled best and another response of its item that the judge orders right, ties
    half."""
    items: Count | None
    """Items that the judge alone takes; None if it tells nothing."""
    votes: Count | None
    cost: float | None
    """US dollars; None if unknown."""
    labels: Count
    """Labels that take least money together with the judge."""
    judged: Count
    """Items that the judge then judges, the labelled ones included."""
    cost_with_labels: float | None


class PowerPlan(Record):
    """Items, votes, labels and money to see a win rate of 0.5 + effect."""

    judge: str
    effect: float
    power: float
    alpha: float
    labels_only: Count
    """Labels without a judge."""
    labels_only_cost: float | None
    plans: tuple[Plan, ...]


@dataclass(frozen=True)
class Prices:
    """US dollars; None where unknown."""

    vote: float | None = None
    label: float | None = None


def plan_power(
    run: Path,
    *,
    effect: float,
    power: float = 0.8,
    alpha: float = 0.05,
    prices: Prices | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> PowerPlan:
    """Plan the comparison of two policies by pairs.

    Args:
        run: a labelled run of the judge, `DIR#NAME` where it has several.
        effect: by how much the better policy's true win rate is above 0.5, > 0 and < 0.5.
        power: chance to find it, > 0.5 and < 1.
        alpha: level of the two-sided test.
        prices: of a vote (None takes what the run cost) and of a label.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: an argument is out of range, or the run has fewer than 20 labelled comparisons.
    """
    for name, value, low, high in (
        ("effect", effect, 0.0, 0.5), ("power", power, 0.5, 1.0), ("alpha", alpha, 0.0, 0.5),
    ):  # fmt: skip
        if not low < value < high:
            raise InputError(f"{name} must be between {low:g} and {high:g}, got {value!r}")
    from scipy.stats import norm  # noqa: PLC0415 - slow to import

    member = load_member(run)
    keys = [key for key, sample in member.samples.items() if sample.best is not None]
    if len(keys) < 20:
        raise InputError(
            f"{str(run)!r} has {len(keys)} labelled comparisons; 20 or more are needed"
        )
    reach = float(norm.isf(alpha / 2) + norm.isf(1 - power))
    most = min(len(member.verdicts[key].votes) for key in keys)
    given = prices or Prices()
    prices = Prices(_vote_price(member, keys) if given.vote is None else given.vote, given.label)
    alone = math.ceil(reach**2 * 0.25 / effect**2)
    ks = sorted({*(2**i for i in range(most.bit_length()) if 2**i <= most), most})
    return PowerPlan(
        judge=member.info.name,
        effect=effect,
        power=power,
        alpha=alpha,
        labels_only=alone,
        labels_only_cost=None if prices.label is None else alone * prices.label,
        plans=tuple(
            _plan(k, _ordered(member, keys, k), effect, reach, prices, bootstrap) for k in ks
        ),
    )


def _vote_price(member: Member, keys: Sequence[str]) -> float | None:
    cost = member.cost_per_item(keys)
    return None if cost is None else cost / member.votes_per_item(keys)


def _ordered(member: Member, keys: Sequence[str], k: int) -> tuple[Floats, Floats]:
    """(I,) share of its other responses that the best beats, ties half; and share of ties."""
    table = rewards_table(StoredPanel((member,), tuple(keys)), keys, range(k))[:, 0]
    gaps = table[:, :1] - table[:, 1:]
    there = ~np.isnan(gaps)
    tied = there & (np.abs(np.nan_to_num(gaps)) < 1e-9)
    won = (there & ~tied & (np.nan_to_num(gaps) > 0)) + 0.5 * tied
    n = there.sum(axis=1)
    return won.sum(axis=1) / n, tied.sum(axis=1) / n


def _plan(  # noqa: PLR0917
    k: int,
    found: tuple[Floats, Floats],
    effect: float,
    reach: float,
    prices: Prices,
    bootstrap: Bootstrap,
) -> Plan:
    won, tied = found
    slope = 2 * float(won.mean()) - 1  # how much of a true difference the judge sees
    variance = 0.25 * (1 - float(tied.mean()))
    items = math.ceil(reach**2 * variance / (effect * slope) ** 2) if slope > 0 else None
    explained = min(max(slope, 0.0) ** 2 * 0.25 / variance, 1.0) if variance else 0.0
    judging = None if prices.vote is None else k * prices.vote
    options = []
    for ratio in _RATIOS:
        least = reach**2 * 0.25 / effect**2 * (1 - explained * ratio / (1 + ratio))
        n = math.ceil(least)
        judged = n * (1 + ratio) if ratio else 0
        # Without prices a label is taken to cost far more than a verdict.
        paid = (1.0 if prices.label is None else prices.label) * n + (judging or 0.0) * judged
        options.append((paid, n, judged))
    paid, labels, judged = min(options)
    known = prices.label is not None and judging is not None
    return Plan(
        k=k,
        accuracy=bootstrap.mean(won),
        items=items,
        votes=None if items is None else items * k,
        cost=None if items is None or judging is None else items * judging,
        labels=labels,
        judged=judged,
        cost_with_labels=paid if known else None,
    )
