"""A bank of principles: generated ahead or mined from runs, weighted by how useful they were.

Paper section 2 and Table 14: principles that led to right rewards improve a judge, even one that
did not write them. One SQLite file holds, by query, every version of its principles; by
principle, in which votes it was used and which of these ranked the truth first; and a history
that only grows. Several processes may write at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from deemster.errors import InputError
from deemster.principles.bank_file import BankFile
from deemster.principles.bank_names import group_by_meaning, wording
from deemster.principles.bank_records import (
    CheckedVote,
    HistoryEntry,
    Kind,
    StoredSet,
    Usefulness,
    query_key,
)
from deemster.principles.bank_source import MOST, BankSource
from deemster.principles.bank_tables import BankTables
from deemster.principles.usefulness import Use, filtered, measure, tally
from deemster.schemas import Conversation, Principle, QueryLike, Rubric, as_query, normalise_weights

ALIKE = 0.55
"""Mean cosine distance up to which principles are taken for the same. Stricter than in reports:
there a group too large is a heading too general, here it would change what is judged."""


class PrincipleBank:
    """Principles in a file. Use as a context manager.

    Args:
        path: the SQLite file.
        create: make it where it is missing.

    Raises:
        InputError: it is missing, damaged or not a bank (every method may raise this).
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self._file = BankFile(path, create=create)
        self._tables = BankTables(self._file.db)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(
        self,
        query: QueryLike,
        principles: Sequence[Principle],
        *,
        source: str,
        kind: Kind = "generated",
    ) -> int:
        """Store a set for a query; returns its version. A set equal to the last one is not added.

        Args:
            query: what the principles are for.
            principles: 1 or more with distinct names.
            source: the model that wrote them, or the run they come from.
            kind: how they came about.

        Raises:
            InputError: `principles` is empty, or names or weights cannot be used.
        """
        asked = as_query(query)
        try:
            rubric = Rubric(name="set", principles=tuple(principles))
        except ValueError as error:
            raise InputError(f"principles cannot be stored: {error}") from error
        with self._file.writing():
            number = self._tables.query(asked)
            version, new = self._tables.add_set(
                number, normalise_weights(rubric.principles), kind, source
            )
            if new:
                for principle in rubric.principles:
                    self._tables.principle(principle)
                self._tables.note(
                    kind, f"{len(rubric.principles)} principles of {source}, version {version}"
                )
        return version

    def add_votes(
        self, votes: Iterable[tuple[Conversation, Sequence[CheckedVote]]], *, source: str
    ) -> tuple[int, list[str]]:
        """Count votes that were right or wrong; `keep_right` then makes sets of them.

        Args:
            votes: by query. Votes counted before are skipped.
            source: the run and judge.

        Returns:
            How many votes were new, and the keys of all the queries.
        """
        new, keys = 0, []
        with self._file.writing():
            for query, cast in votes:
                number = self._tables.query(query)
                new += sum(self._tables.add_vote(number, vote) for vote in cast)
                keys.append(query_key(query))  # also for old votes: an earlier call may have died
            if new:
                self._tables.note("mined", f"{new} votes of {source}")
        return new, keys

    def keep_right(self, keys: Sequence[str], *, source: str) -> int:
        """Store the principles of right votes; returns how many queries got a new set.

        A set holds at most five principles, the heaviest ones. A weight is the product of the
        weight in right votes and the share of right votes. All votes counted so far on the query
        are used, and merged principles count as one. A query without right votes gets no set.

        Args:
            keys: of the queries, from `add_votes`.
            source: the run and judge.
        """
        sets = 0
        with self._file.writing():
            same = self._tables.same()
            for key in keys:
                number = self._tables.number(key)
                mined = self._mined(number, same)
                if mined:
                    sets += self._tables.add_set(number, mined, "mined", source)[1]
            if sets:
                self._tables.note("mined", f"{sets} sets of {source}")
        return sets

    def _mined(self, query: int, same: dict[int, int]) -> tuple[Principle, ...]:
        counted = tally(self._tables.votes(query), same)
        uses = {head: by_query.get(query, Use()) for head, by_query in counted.uses.items()}
        best = filtered(uses, most=MOST)
        texts = self._tables.wordings(list(best))
        made: dict[str, Principle] = {}
        for head, weight in best.items():
            name, description = wording(texts[head])
            made.setdefault(name, Principle(name=name, description=description, weight=weight))
        return normalise_weights(tuple(made.values()))

    def deduplicate(self, *, threshold: float = ALIKE) -> int:
        """Merge principles whose texts are alike; returns how many were merged into others.

        Names that differ in case, punctuation or spacing are the same from the start. A group is
        called by its most frequent name. Nothing is lost: another threshold groups anew.

        Args:
            threshold: mean cosine distance up to which groups are merged, above 0 and up to 1.
        """
        if not 0 < threshold <= 1:
            raise InputError(f"threshold must be above 0 and at most 1, got {threshold!r}")
        with self._file.writing():
            texts = self._tables.wordings()
            if not texts:
                return 0
            wanted = group_by_meaning(texts, threshold=threshold)
            same = self._tables.same()
            changed = {n: head for n, head in wanted.items() if same[n] != head}
            if changed:
                self._tables.set_same(changed)
                named = [
                    f"{texts[n][0][0]!r} is {texts[head][0][0]!r}"
                    for n, head in changed.items()
                    if n != head
                ]
                self._tables.note("merged", "; ".join(named) or "groups were taken apart")
        return sum(n != head for n, head in wanted.items())

    def for_query(self, query: QueryLike) -> tuple[Principle, ...]:
        """See `BankSource.for_query`; each call reads the bank as it is now."""
        return self.source().for_query(query)

    def source(self, *, similar: float = 0.35, most: int = MOST) -> BankSource:
        """The bank as it is now, held in memory: what judges use.

        Args:
            similar: least similarity, 0..1, at which another query's principles are used.
            most: principles in the general set, >= 1.

        Raises:
            InputError: the bank is empty.
        """
        if not 0 <= similar <= 1 or most < 1:
            raise InputError(f"similar must be 0 to 1 and most >= 1, got {similar!r} and {most!r}")
        with self._file.reading():
            sets = self._tables.sets_in_use()
            keys, same = self._tables.keys(), self._tables.same()
            counted = tally(self._tables.votes(), same)
            version = len(self._tables.history())
            useful = self._usefulness()
        if not sets:
            raise InputError(
                f"principle bank {str(self.path)!r} has no principles; fill it with 'deemster "
                "principles generate' or 'deemster principles mine'"
            )
        return BankSource(
            label=f"bank:{self.path.name}",
            sets=sets,
            useful=tuple(useful),
            groups={keys[n]: keys[head] for n, head in same.items() if n != head},
            overall=counted.overall,
            similar=similar,
            most=most,
            version=version,
        )

    def has(self, query: QueryLike, *, source: str | None = None) -> bool:
        """Whether there is a set for exactly this query (from that source)."""
        with self._file.naming_errors():
            return self._tables.has_set(query_key(as_query(query)), source)

    def versions(self, query: QueryLike) -> list[StoredSet]:
        """Every set that was stored for exactly this query, oldest first."""
        with self._file.naming_errors():
            return self._tables.sets_of(query_key(as_query(query)))

    def queries(self) -> list[StoredSet]:
        """The set in use of every query, in the order the queries came."""
        with self._file.naming_errors():
            return list(self._tables.sets_in_use().values())

    def history(self) -> list[HistoryEntry]:
        """Every change, oldest first."""
        with self._file.naming_errors():
            return self._tables.history()

    def usefulness(self) -> list[Usefulness]:
        """Measured principles, the most surely useful (by `low`) first."""
        with self._file.reading():
            return self._usefulness()

    def _usefulness(self) -> list[Usefulness]:
        same, texts = self._tables.same(), self._tables.wordings()
        counted = tally(self._tables.votes(), same)
        members = Counter(same.values())
        found = []
        for head, uses in counted.uses.items():
            name, description = wording(texts[head])
            votes, right = sum(u.votes for u in uses.values()), sum(u.right for u in uses.values())
            weight = sum(u.weight_right if right else u.weight for u in uses.values())
            measured = measure(uses, counted.totals, overall=counted.overall)
            found.append(
                Usefulness(
                    name=name,
                    description=description,
                    spellings=members[head],
                    votes=votes,
                    right=right,
                    queries=len(uses),
                    value=measured.value,
                    low=measured.low,
                    high=measured.high,
                    lift=measured.lift,
                    weight=weight / (right or votes),
                )
            )
        return sorted(found, key=lambda one: (-one.low, one.name))
