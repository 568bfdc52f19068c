"""Where a policy loses, according to the principles of the votes against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from deemster.errors import InputError
from deemster.reports.evidence import quotes, subset_shares, terms
from deemster.reports.grouping import Grouper, Groups, Tfidf, group_principles
from deemster.reports.loss_columns import floats, whole
from deemster.reports.losses import JudgedItem, JudgedItems
from deemster.reports.weakness_records import Member, Weakness, WeaknessReport
from deemster.reports.weakness_stats import Table, adjusted, lifts, p_values, shares
from deemster.schemas import Sample, Verdict
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.metrics.estimate import Ints, tidy

Namer = Callable[[Sequence[str]], str | Awaitable[str]]
"""Names a group, given its principles, most frequent first."""

_MOST_GROUPS = 400
"""Groups examined one by one, those that cost the most lost items; the others form a remainder."""
_MOST_REST = 50
_MOST_MEMBERS = 20


def find_weaknesses(
    rows: Iterable[tuple[Sample, Verdict]],
    *,
    policy: str,
    versus: str | None = None,
    group: Grouper | None = None,
    name: Namer | None = None,
    seed: int = 0,
    min_support: int = 5,
    fdr: float = 0.01,
) -> WeaknessReport:
    """Group the principles that cost a policy reward and test which ones are its own weaknesses.

    Args:
        rows: samples with verdicts, votes included; read once. Some 5 KB of each are kept: of a
            million, give a random part, as `write_report` does.
        policy: whose weaknesses, by its name in `Sample.policies`.
        versus: against this policy alone. None: against the best other response of each item; a
            single response counts as lost if below the median of the policy's single responses.
        group: how principles are compared; `Tfidf()` if not given.
        name: names the reported groups, for example with a model; may be asynchronous. The
            medoid's name if not given.
        seed: of the bootstrap.
        min_support: fewest lost items charged with a group for it to be tested, >= 1.
        fdr: greatest expected share of false positives among the reported weaknesses, in 0..1.

    Raises:
        InputError: no item is about these policies, or an argument is out of range.
    """
    judged = JudgedItems(policy, versus)
    for sample, verdict in rows:
        judged.add(sample, verdict)
    return analyse(judged, group=group, name=name, seed=seed, min_support=min_support, fdr=fdr)


def analyse(
    judged: JudgedItems,
    *,
    group: Grouper | None = None,
    name: Namer | None = None,
    seed: int = 0,
    min_support: int = 5,
    fdr: float = 0.01,
) -> WeaknessReport:
    """`find_weaknesses` of items that were read already; completes them."""
    if min_support < 1:
        raise InputError(f"min_support must be >= 1, got {min_support!r}")
    if not 0 < fdr < 1:
        raise InputError(f"fdr must be between 0 and 1, got {fdr!r}; 0.01 is usual")
    judged.complete()
    grouper = Tfidf() if group is None else group
    analysis = _Analysis.of(judged, grouper, Bootstrap(seed=seed))
    found, n_tested = analysis.weaknesses(min_support, fdr)
    passed = [w.q_value is not None and w.q_value <= fdr and w.excess > 0 for w in found]
    kept = sorted(compress(found, passed), key=lambda w: (-w.excess, w.name))
    rest = [w for w, yes in zip(found, passed, strict=True) if not yes]
    results = Counter(item.result for item in judged.items)
    flavours = judged.flavours
    return WeaknessReport(
        policy=judged.policy,
        versus=judged.versus,
        n_items=len(judged.items),
        n_lost=results["lost"],
        n_won=results["won"],
        n_tied=results["tied"],
        n_unscored=judged.n_unscored,
        lost_reward=tidy(float(analysis.table.lost.sum())) or 0.0,
        votes_by_flavour={f: flavours[f] for f in ("scores", "weights", "none")},
        fdr=fdr,
        n_groups=len(analysis.groups.medoids),
        n_tested=n_tested,
        grouper=grouper.name,
        weaknesses=tuple(kept if name is None else _renamed(kept, name)),
        rest=tuple(sorted(rest, key=lambda w: (-(w.share.value or 0), w.name))),
    )


@dataclass(frozen=True)
class _Analysis:
    """The judged items, their principles sorted into groups."""

    judged: JudgedItems
    groups: Groups
    column: Ints
    """(G,): the column of each group in the table; the last column is the remainder."""
    n_kept: int
    support: Ints
    """(n_kept,): lost items charged with the group."""
    table: Table
    lost: tuple[JudgedItem, ...]
    bootstrap: Bootstrap

    @classmethod
    def of(cls, judged: JudgedItems, grouper: Grouper, bootstrap: Bootstrap) -> _Analysis:
        groups = group_principles(judged.principles, grouper)
        lost = tuple(item for item in judged.items if item.result == "lost")
        cost = _charged_items(judged, groups)
        order = np.argsort(-cost, kind="stable")[:_MOST_GROUPS]
        order = order[cost[order] > 0]
        column = np.full(len(groups.medoids), len(order), dtype=np.intp)
        column[order] = np.arange(len(order))
        table = Table.of(judged, column[groups.labels], len(order) + 1)
        support = (table.lost[:, : len(order)] > 0).sum(axis=0)
        return cls(judged, groups, column, len(order), support, table, lost, bootstrap)

    def weaknesses(self, min_support: int, fdr: float) -> tuple[list[Weakness], int]:
        """Tests the groups with enough support: those worth showing, and how many were tested."""
        direct = self.judged.flavours["scores"] >= self.judged.flavours["weights"]
        supported = [g for g in range(self.n_kept) if self.support[g] >= min_support]
        p = p_values(self.table, supported, direct=direct, paired=self.judged.pairs_only)
        q = dict(zip(p, adjusted(list(p.values())), strict=True))
        shown = self.shown(q, fdr)
        share = shares(self.table, shown, bootstrap=self.bootstrap)
        lift = lifts(self.table, shown, bootstrap=self.bootstrap)
        found = [
            self.weakness(g, share[i], lift[i], p.get(g), q.get(g), described=q.get(g, 1.0) <= fdr)
            for i, g in enumerate(shown)
        ]
        return found, len(p)

    def shown(self, q: dict[int, float], fdr: float) -> list[int]:
        """Columns to describe: all that pass the test, and the costliest others."""
        passed = [g for g, value in q.items() if value <= fdr]
        others = [g for g in range(self.n_kept) if g not in passed and self.support[g]]
        others.sort(key=lambda g: -float(self.table.lost[:, g].sum()))
        return passed + others[:_MOST_REST]

    def weakness(
        self,
        g: int,
        share: Estimate,
        lift: Estimate,
        p: float | None,
        q: float | None,
        *,
        described: bool,
    ) -> Weakness:
        """Column `g`; `described` looks for terms too, which takes longest."""
        table = self.table
        number = int(np.flatnonzero(self.column == g)[0])
        members = np.flatnonzero(self.groups.labels == number)
        members = members[np.argsort([-self.judged.principles[m].count for m in members])]
        texts = [self.judged.principles[m] for m in members]
        charged = table.lost[:, g] > 0
        parts_lost, parts_won = table.parts_lost[:, g], table.parts_won[:, g]
        proportion = Bootstrap(proportions="wilson")
        won_part = float(parts_won.mean()) if len(parts_won) else 0.0
        hit = [item for item, yes in zip(self.lost, charged, strict=True) if yes]
        missed = [item for item, yes in zip(self.lost, charged, strict=True) if not yes]
        names = {int(m): self.judged.principles[m].name for m in members}
        cost = {item.id: float(c) for item, c in zip(self.lost, table.lost[:, g], strict=True)}
        return Weakness(
            name=self.judged.principles[int(self.groups.medoids[number])].name,
            members=tuple(Member(name=t.name, votes=t.count) for t in texts[:_MOST_MEMBERS]),
            n_members=len(texts),
            items=int(charged.sum()),
            votes=int(table.lost_votes[:, g].sum()),
            lost_reward=tidy(float(table.lost[:, g].sum())) or 0.0,
            share=share,
            excess=tidy((float(parts_lost.mean()) if len(parts_lost) else 0.0) - won_part) or 0.0,
            rate=_proportion(charged, proportion),
            rate_won=_proportion(table.won[:, g] > 0, proportion),
            lift=lift,
            p_value=None if p is None else float(f"{p:.6g}"),
            q_value=None if q is None else float(f"{q:.6g}"),
            subsets=subset_shares(self.lost, hit),
            terms=terms(hit, missed) if described else (),
            quotes=quotes(hit, self.judged.losses, cost, names),
        )


def _charged_items(judged: JudgedItems, groups: Groups) -> Ints:
    """(G,): lost items with a gap on some principle of the group."""
    lost = np.array([item.result == "lost" for item in judged.items], dtype=bool)
    item, n_groups = whole(judged.losses.item), len(groups.medoids)
    charged = lost[item] & (floats(judged.losses.gap) > 0)
    of_group = groups.labels[whole(judged.losses.principle)[charged]]
    pairs = np.unique(item[charged] * n_groups + of_group)
    return np.bincount(pairs % max(n_groups, 1), minlength=n_groups)


def _proportion(hits: np.typing.NDArray[np.bool_], bootstrap: Bootstrap) -> Estimate:
    return bootstrap.mean(hits.astype(float))


def _renamed(weaknesses: Sequence[Weakness], name: Namer) -> list[Weakness]:
    """Ask for a name for each; if it is empty, the medoid's stays."""
    asked = [name([member.name for member in w.members]) for w in weaknesses]
    waiting = [answer for answer in asked if not isinstance(answer, str)]
    later = iter(_gathered(waiting) if waiting else [])
    given = [answer if isinstance(answer, str) else next(later) for answer in asked]
    return [
        w.model_copy(update={"name": " ".join(new.split())[:200] or w.name})
        for w, new in zip(weaknesses, given, strict=True)
    ]


def _gathered(waiting: Sequence[Awaitable[str]]) -> list[str]:
    import asyncio  # noqa: PLC0415 - only with an asynchronous namer

    from deemster.runtime import run_sync  # noqa: PLC0415

    async def all_of_them() -> list[str]:
        return list(await asyncio.gather(*waiting))

    return run_sync(all_of_them())
