"""What weakness analysis reports."""

from __future__ import annotations

from typing import Literal

from deemster.schemas import Count, Record
from deemster.suites.metrics import Estimate


class Quote(Record):
    """What a judge said where the policy lost."""

    item: str
    """Id of the item."""
    draw: Count
    """Number of the vote."""
    principle: str
    """As that vote named it, up to case and punctuation."""
    text: str
    """A passage of the critique of the policy's response; empty if the judge gave none."""


class Member(Record):
    """A principle in a group."""

    name: str
    votes: Count
    """How often votes named it, on whichever items."""


class SubsetShare(Record):
    """How often a weakness occurs in one subset."""

    subset: str
    lost: Count
    """Items the policy lost there."""
    charged: Count
    """Those of them on which it is charged with this."""


class Weakness(Record):
    """A group of principles of like meaning on which the policy loses reward."""

    name: str
    members: tuple[Member, ...]
    """Most frequent first; at most 20."""
    n_members: Count
    items: Count
    """Lost items on which the policy is charged with it."""
    votes: Count
    """Votes that count it against the policy on lost items."""
    lost_reward: float
    """Weights times score gaps, summed over lost items; 1 is the whole scale on one item."""
    share: Estimate
    """Its share of all reward lost on lost items; items are resampled."""
    excess: float
    """Share of an item's lost reward, averaged over lost items, minus the same for the
    opponents on the items the policy won: -1..1. Weaknesses are ranked by it."""
    rate: Estimate
    """Share of lost items charged with it (Wilson interval)."""
    rate_won: Estimate
    """Share of won items on which the opponent is charged with it."""
    lift: Estimate
    """Mean part of the loss on lost items over that on won items, half an item added to both
    sums so that it is finite; 1 is no difference."""
    p_value: float | None
    """One-sided: the policy is charged more than its opponents are. None if not tested."""
    q_value: float | None
    """`p_value` corrected for the number of groups tested (Benjamini-Hochberg)."""
    subsets: tuple[SubsetShare, ...]
    """Where it occurs, most items first; empty if the data have no subsets."""
    terms: tuple[str, ...]
    """Words that set the charged items' queries apart from the other lost ones."""
    quotes: tuple[Quote, ...]


class WeaknessReport(Record):
    """Where a policy loses, according to the principles that judges state."""

    policy: str
    versus: str | None
    """None: against the best of the others; single responses against the policy's own median."""
    n_items: Count
    """Scored items of the policy."""
    n_lost: Count
    n_won: Count
    n_tied: Count
    n_unscored: Count
    lost_reward: float
    """All reward the policy lost on lost items."""
    votes_by_flavour: dict[Literal["scores", "weights", "none"], Count]
    """Votes by what they say: scores per principle, weights alone, or nothing to analyse."""
    fdr: float
    """The false-discovery rate `weaknesses` are held to."""
    n_groups: Count
    n_tested: Count
    """Groups with enough support to be tested."""
    grouper: str
    weaknesses: tuple[Weakness, ...]
    """The groups that pass the test, largest excess first."""
    rest: tuple[Weakness, ...]
    """The other groups the policy is charged with, largest share first; at most 50."""


class Change(Record):
    """A weakness now, compared with an earlier run."""

    name: str
    status: Literal["new", "worse", "same", "better", "gone"]
    """`new` and `gone`: a weakness now but not before, or the other way round. The others are
    weaknesses in both; `worse` and `better` where the interval of `rate_change` excludes 0."""
    now: Weakness | None
    """None: there is no group of this meaning now."""
    before: Weakness | None
    similarity: float | None
    """Cosine of the two groups' principles; None where one is missing."""
    rate_change: Estimate | None
    """Rate among lost items now minus before (Newcombe interval); None where one is missing."""
