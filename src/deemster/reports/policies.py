"""Which policies of a run to analyse for weaknesses, and what the analysis says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

from deemster.errors import InputError
from deemster.reports.losses import JudgedItems
from deemster.reports.records import Report
from deemster.reports.weakness import analyse
from deemster.reports.weakness_change import compare_weaknesses
from deemster.reports.weakness_records import Change, WeaknessReport
from deemster.schemas import Sample, Verdict


@dataclass(frozen=True)
class Compared:
    """Which policies to analyse.

    Args:
        policy: whose weaknesses; None analyses both of two, and none of more.
        versus: against whom; None is everybody else.
        before: an earlier report of the same policy, to show what changed.
    """

    policy: str | None = None
    versus: str | None = None
    before: Report | None = None


@dataclass
class Policies:
    """What weakness analysis needs of one judge, collected while its items are read.

    Items before the second of two policies appeared hold nothing to compare.
    """

    compared: Compared
    names: set[str] = field(default_factory=set)
    judged: list[JudgedItems] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.compared.policy is not None:
            self.judged = [JudgedItems(self.compared.policy, self.compared.versus)]

    def add(self, sample: Sample, verdict: Verdict, *, analysed: bool) -> None:
        """Note the policies of one item, and keep what is to be analysed."""
        new = set(sample.policies or ()) - self.names
        if new:
            self.names |= new
            if self.compared.policy is None:
                pairs = permutations(sorted(self.names)) if len(self.names) == 2 else ()
                self.judged = [JudgedItems(policy, versus) for policy, versus in pairs]
        for one in self.judged if analysed else ():
            one.add(sample, verdict)


def weaknesses_of(policies: Policies, notes: list[str]) -> dict[str, tuple[object, ...]]:
    """The fields `weaknesses` and `changes` of the section; notes say what was left out."""
    if policies.compared.policy is None and len(policies.names) > 2:
        notes.append(
            f"Weakness analysis left out: {len(policies.names)} policies; name one with --policy."
        )
    found: list[WeaknessReport] = []
    while policies.judged:  # taken off: with very many items each is hundreds of megabytes
        try:
            found.append(analyse(policies.judged.pop(0)))
        except InputError as error:
            notes.append(str(error))
    before = policies.compared.before
    return {"weaknesses": tuple(found), "changes": _changes(found, before, notes)}


def _changes(
    found: Sequence[WeaknessReport], before: Report | None, notes: list[str]
) -> tuple[Change, ...]:
    if before is None or not found:
        return ()
    earlier = [w for section in before.judges for w in section.weaknesses]
    old = next((w for w in earlier if w.policy == found[0].policy), None)
    if old is None:
        notes.append(f"The earlier report has no weakness analysis of {found[0].policy}.")
        return ()
    return compare_weaknesses(found[0], old)
