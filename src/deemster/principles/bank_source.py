"""The bank as judges use it: a snapshot, so that nothing changes during a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from deemster.principles.bank_records import StoredSet, Usefulness, name_key, query_key, query_text
from deemster.principles.similarity import TextIndex
from deemster.schemas import Principle, QueryLike, Rubric, as_query, normalise_weights

MOST = 5
"""Principles in a mined or a general set: the paper's judges write about as many."""


@dataclass(frozen=True, eq=False)
class BankSource:
    """A snapshot of a bank; a `PrincipleSource`.

    Args:
        label: what to call the bank.
        sets: the set in use by the query's key, in the order the queries came; not empty.
        useful: measured principles, the most surely useful first.
        groups: key of a name to the key of the name it is merged into.
        overall: share of right votes in the bank, between 0 and 1.
        similar: least similarity, 0..1, at which another query's principles are used.
        most: principles in the general set.
        version: how many changes the bank had seen.
    """

    label: str
    sets: Mapping[str, StoredSet]
    useful: tuple[Usefulness, ...]
    groups: Mapping[str, str]
    overall: float
    similar: float
    most: int
    version: int

    @cached_property
    def name(self) -> str:
        """The label, and 12 hex digits over everything that decides the principles."""
        fields = {
            "sets": {key: one.model_dump(mode="json") for key, one in self.sets.items()},
            "useful": [one.model_dump(mode="json") for one in self.useful],
            "groups": dict(sorted(self.groups.items())),
            "settings": [self.overall, self.similar, self.most],
        }
        text = json.dumps(fields, sort_keys=True)
        return f"{self.label}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def for_query(self, query: QueryLike) -> tuple[Principle, ...]:
        """Principles for a query, weights summing to 1.

        Its own set, if the bank has one; else the set of the most similar query, if it is similar
        enough; else the general set. The weights of a generated set are multiplied by how useful
        each principle was relative to the bank; those of a mined set already include that.
        """
        return self.rubric(query).principles

    def rubric(self, query: QueryLike) -> Rubric:
        """The same as a rubric whose description says where it comes from."""
        asked = as_query(query)
        own = self.sets.get(query_key(asked))
        if own is not None:
            return self._of_set(own, "for this query")
        near = self._index.nearest(query_text(asked))
        if near is not None and near[1] >= self.similar:
            found = list(self.sets.values())[near[0]]
            return self._of_set(
                found, f"for a similar query (similarity {near[1]:.2f}): {_short(found.query)}"
            )
        return self.general()

    def general(self) -> Rubric:
        """The principles that were most surely useful, weighed by use and usefulness.

        Principles used on a single query are included only if there are no others. In a bank
        without votes: the principles that are in the sets of the most queries.
        """
        if self.useful:
            several = [one for one in self.useful if one.queries > 1] or self.useful
            chosen = [
                Principle(name=one.name, description=one.description, weight=one.weight * one.value)
                for one in several[: self.most]
            ]
            how = f"most useful of {len(self.useful)} principles"
        else:
            chosen = self._frequent()
            how = f"most frequent in {len(self.sets)} queries' principles; none was measured"
        return Rubric(
            name=_rubric_name(self.label),
            description=f"The {how}.",
            version=max(self.version, 1),
            principles=_shares(chosen),
        )

    def _of_set(self, found: StoredSet, why: str) -> Rubric:
        principles = _positive(found.principles)
        if found.kind == "generated":
            weighed = [
                p.model_copy(update={"weight": p.weight * self._factor(p)}) for p in principles
            ]
            principles = tuple(weighed)
        return Rubric(
            name=_rubric_name(self.label),
            description=f"{found.kind} by {found.source}, {why}"
            if found.kind == "generated"
            else f"mined from {found.source}, {why}",
            version=found.version,
            principles=_shares(principles),
        )

    def _factor(self, principle: Principle) -> float:
        known = self._measured.get(self._group(principle.name))
        return 1.0 if known is None else known.value / self.overall

    def _group(self, name: str) -> str:
        key = name_key(name)
        return self.groups.get(key, key)

    @cached_property
    def _measured(self) -> dict[str, Usefulness]:
        return {self._group(one.name): one for one in self.useful}

    @cached_property
    def _index(self) -> TextIndex:
        return TextIndex([one.query for one in self.sets.values()])

    def _frequent(self) -> list[Principle]:
        seen: dict[str, list[Principle]] = {}
        for one in self.sets.values():
            for key, principle in {self._group(p.name): p for p in one.principles}.items():
                seen.setdefault(key, []).append(principle)
        best = sorted(seen.values(), key=lambda group: -len(group))[: self.most]
        return [
            group[0].model_copy(update={"weight": sum(p.weight for p in group) / len(group)})
            for group in best
        ]


def in_percent(rubric: Rubric) -> Rubric:
    """The rubric with weights as people write them, in percent with one decimal."""
    principles = tuple(
        p.model_copy(update={"weight": round(100 * p.weight, 1)}) for p in rubric.principles
    )
    return rubric.model_copy(update={"principles": principles})


def _positive(principles: Sequence[Principle]) -> tuple[Principle, ...]:
    """The weights as they are, or equal ones if all are 0."""
    if any(principle.weight > 0 for principle in principles):
        return tuple(principles)
    return tuple(principle.model_copy(update={"weight": 1.0}) for principle in principles)


def _shares(principles: Sequence[Principle]) -> tuple[Principle, ...]:
    """With weights that sum to 1, in whole percents: more digits would suggest false precision."""
    exact = normalise_weights(_positive(principles))
    rounded = [p.model_copy(update={"weight": max(1, round(100 * p.weight)) / 100}) for p in exact]
    return normalise_weights(rounded)


def _rubric_name(label: str) -> str:
    return label.removeprefix("bank:") or "bank"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
