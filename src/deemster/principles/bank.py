"""A bank of principles: generated ahead, mined from runs, weighed by what came of them.

Paper section 2 and Table 14: principles kept for having led to right rewards lift a judge, also
another one than wrote them. One SQLite file holds, by query, every version of its principles; by
principle, in how many votes it was used and how many of these ranked the truth first; and a
history that only grows. Several processes may write at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from deemster.errors import InputError
from deemster.principles.bank_file import BankFile
from deemster.principles.bank_names import Wordings, group_by_meaning, wording
from deemster.principles.bank_records import (
    HistoryEntry,
    Kind,
    StoredSet,
    Usefulness,
    VoteOutcome,
    name_key,
    query_key,
    query_text,
    same_principles,
)
from deemster.principles.bank_source import MOST, BankSource
from deemster.principles.usefulness import Use, filtered, measure, tally
from deemster.schemas import Conversation, Principle, QueryLike, Rubric, as_query, normalise_weights

ALIKE = 0.55
"""Mean cosine distance up to which principles are taken for the same. Stricter than in reports:
there a group too large is a heading too general, here it would change what is judged."""
_SETS = (
    "SELECT queries.key, queries.text, version, kind, source, created, principles FROM sets"
    " JOIN queries ON queries.id = sets.query"
)


class PrincipleBank:
    """Principles in a file. Use as a context manager.

    Args:
        path: the SQLite file.
        create: make it where it is missing.

    Raises:
        InputError: it is missing, damaged or no bank (every method may raise this).
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self._file = BankFile(path, create=create)
        self._db = self._file.db

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._file.path

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.close()

    def add(
        self,
        query: QueryLike,
        principles: Sequence[Principle],
        *,
        source: str,
        kind: Kind = "generated",
    ) -> int:
        """Store a set for a query; returns its version. Equal to the last one, it adds nothing.

        Args:
            query: what the principles are for.
            principles: 1 or more with distinct names.
            source: the model that wrote them, or the run they come from.
            kind: how they came about.

        Raises:
            InputError: there are none, or names or weights cannot be used.
        """
        asked = as_query(query)
        try:
            rubric = Rubric(name="set", principles=tuple(principles))
        except ValueError as error:
            raise InputError(f"principles cannot be stored: {error}") from error
        with self._file.told(), self._file.transaction():
            number = self._query(asked)
            for principle in rubric.principles:
                self._principle(principle)
            return self._add_set(number, normalise_weights(rubric.principles), kind, source)

    def add_outcomes(
        self, outcomes: Iterable[tuple[Conversation, Sequence[VoteOutcome]]], *, source: str
    ) -> tuple[int, int]:
        """Count votes that were right or wrong, and store what the right ones judged by.

        A query gets a mined set of its at most five heaviest principles, each weighed by its
        weight in right votes and its share of right votes. All votes ever counted on the query
        take part.

        Args:
            outcomes: votes by query. Votes counted before are skipped.
            source: the run and judge.

        Returns:
            How many votes were new, and how many queries got a new set.
        """
        new, sets = 0, 0
        with self._file.told(), self._file.transaction():
            same = self._same()
            for query, votes in outcomes:
                number = self._query(query)
                counted = sum(self._count(number, vote) for vote in votes)
                new += counted
                mined = self._mined(number, same) if counted else ()
                if mined:
                    before = self._last_version(number)
                    sets += self._add_set(number, mined, "mined", source) > before
            if new:
                self._note("mined", f"{new} votes of {source}; {sets} queries got a new set")
        return new, sets

    def deduplicate(self, *, threshold: float = ALIKE) -> int:
        """Take principles whose texts are alike for one; returns how many were merged away.

        Names that differ in case, punctuation or spacing are one from the start. The name seen
        most often stands for its group. Nothing is lost: another threshold groups anew.
        """
        if not 0 < threshold <= 1:
            raise InputError(f"threshold must be above 0 and at most 1, got {threshold!r}")
        with self._file.told():
            texts = self._wordings()
            return self._merge(group_by_meaning(texts, threshold=threshold), texts) if texts else 0

    def for_query(self, query: QueryLike) -> tuple[Principle, ...]:
        """See `BankSource.for_query`; each call reads the bank as it is now."""
        return self.source().for_query(query)

    def source(self, *, similar: float = 0.35, most: int = MOST) -> BankSource:
        """The bank as it is now, held in memory: what judges use.

        Args:
            similar: least similarity, 0..1, at which another query's principles are taken.
            most: principles in the general set.

        Raises:
            InputError: the bank is empty.
        """
        with self._file.told():
            last = {row[0]: _stored(row) for row in self._in_use()}
            if not last:
                raise InputError(
                    f"principle bank {str(self.path)!r} is empty; fill it with 'deemster "
                    "principles generate' or 'deemster principles mine'"
                )
            keys = {n: key for n, key, _ in self._principles()}
            return BankSource(
                label=f"bank:{self.path.name}",
                sets=last,
                useful=tuple(self.usefulness()),
                groups={keys[n]: keys[same] for n, same in self._same().items() if n != same},
                overall=tally(self._votes(), {}).overall,
                similar=similar,
                most=most,
                version=self.version,
            )

    @property
    def version(self) -> int:
        """How many changes the bank has seen."""
        (count,) = self._db.execute("SELECT count(*) FROM history").fetchone()
        return int(count)

    def has(self, query: QueryLike, *, source: str | None = None) -> bool:
        """Whether there is a set for just this query (of that source)."""
        with self._file.told():
            row = self._db.execute(
                "SELECT 1 FROM sets JOIN queries ON queries.id = sets.query"
                " WHERE queries.key = ? AND (?2 IS NULL OR sets.source = ?2)",
                (query_key(as_query(query)), source),
            ).fetchone()
        return row is not None

    def versions(self, query: QueryLike) -> list[StoredSet]:
        """Every set that was stored for just this query, oldest first."""
        key = query_key(as_query(query))
        with self._file.told():
            rows = self._db.execute(f"{_SETS} WHERE queries.key = ? ORDER BY version", (key,))
            return [_stored(row) for row in rows]

    def queries(self) -> list[StoredSet]:
        """The set in use of every query, in the order the queries came."""
        with self._file.told():
            return [_stored(row) for row in self._in_use()]

    def history(self) -> list[HistoryEntry]:
        """Every change, oldest first."""
        with self._file.told():
            rows = self._db.execute("SELECT id, at, what, detail FROM history ORDER BY id")
            return [HistoryEntry(number=n, at=at, what=w, detail=d) for n, at, w, d in rows]

    def usefulness(self) -> list[Usefulness]:
        """Measured principles, the most surely useful (by `low`) first."""
        with self._file.told():
            same = self._same()
            texts = self._wordings()
            counted = tally(self._votes(), same)
        members: dict[int, int] = {}
        for head in same.values():
            members[head] = members.get(head, 0) + 1
        found = []
        for head, uses in counted.uses.items():
            name, description = wording(texts[head])
            all_uses = uses.values()
            votes, right = (sum(getattr(u, part) for u in all_uses) for part in ("votes", "right"))
            weighed = sum(use.weight_right for use in all_uses)
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
                    weight=weighed / right if right else sum(u.weight for u in all_uses) / votes,
                )
            )
        return sorted(found, key=lambda one: (-one.low, one.name))

    def _query(self, query: Conversation) -> int:
        key = query_key(query)
        self._db.execute(
            "INSERT OR IGNORE INTO queries (key, text) VALUES (?, ?)", (key, query_text(query))
        )
        (number,) = self._db.execute("SELECT id FROM queries WHERE key = ?", (key,)).fetchone()
        return int(number)

    def _principle(self, principle: Principle) -> int:
        key = name_key(principle.name)
        self._db.execute("INSERT OR IGNORE INTO principles (key) VALUES (?)", (key,))
        (number,) = self._db.execute("SELECT id FROM principles WHERE key = ?", (key,)).fetchone()
        self._db.execute(
            "INSERT INTO wordings VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET seen = seen + 1",
            (number, principle.name, principle.description),
        )
        return int(number)

    def _count(self, query: int, vote: VoteOutcome) -> bool:
        """Count one vote; False if it was counted before."""
        known = self._db.execute("SELECT 1 FROM votes WHERE key = ?", (vote.key,)).fetchone()
        if known is not None:
            return False
        weights: dict[int, float] = {}
        for principle in vote.principles:
            number = self._principle(principle)
            weights[number] = weights.get(number, 0.0) + principle.weight
        self._db.execute(
            "INSERT INTO votes VALUES (?, ?, ?, ?)",
            (vote.key, query, int(vote.right), json.dumps(weights)),
        )
        return True

    def _mined(self, query: int, same: dict[int, int]) -> tuple[Principle, ...]:
        """The filtered principles of a query: those of its right votes, the heaviest first."""
        counted = tally(self._votes(query), same)
        uses = {head: by_query.get(query, Use()) for head, by_query in counted.uses.items()}
        best = filtered(uses, most=MOST)
        texts = self._wordings(list(best))
        made = []
        for head, weight in best.items():
            name, description = wording(texts[head])
            made.append(Principle(name=name, description=description, weight=weight))
        return normalise_weights(made)

    def _last_version(self, query: int) -> int:
        row = self._db.execute("SELECT max(version) FROM sets WHERE query = ?", (query,)).fetchone()
        return int(row[0] or 0)

    def _add_set(
        self, query: int, principles: tuple[Principle, ...], kind: Kind, source: str
    ) -> int:
        version = self._last_version(query)
        if version:
            (body,) = self._db.execute(
                "SELECT principles FROM sets WHERE query = ? AND version = ?", (query, version)
            ).fetchone()
            if same_principles(_read(body), principles):
                return version
        body = json.dumps([one.model_dump(mode="json") for one in principles], ensure_ascii=False)
        self._db.execute(
            "INSERT INTO sets (query, version, kind, source, created, principles)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (query, version + 1, kind, source, _now(), body),
        )
        if kind == "generated":
            self._note(kind, f"{len(principles)} principles by {source}, version {version + 1}")
        return version + 1

    def _in_use(self) -> sqlite3.Cursor:
        return self._db.execute(
            f"{_SETS} WHERE version = (SELECT max(version) FROM sets AS s"
            " WHERE s.query = sets.query) ORDER BY queries.id"
        )

    def _votes(self, query: int | None = None) -> Iterator[tuple[int, bool, dict[int, float]]]:
        rows = self._db.execute(
            "SELECT query, n_right, weights FROM votes WHERE ?1 IS NULL OR query = ?1"
            " ORDER BY query, key",
            (query,),
        )
        for number, right, weights in rows:
            yield number, bool(right), {int(n): w for n, w in json.loads(weights).items()}

    def _principles(self) -> list[tuple[int, str, int | None]]:
        return list(self._db.execute("SELECT id, key, same_as FROM principles ORDER BY id"))

    def _same(self) -> dict[int, int]:
        """Principle to the one it is merged into, itself if into none."""
        return {number: same or number for number, _, same in self._principles()}

    def _wordings(self, only: Sequence[int] | None = None) -> dict[int, Wordings]:
        """By principle, the most seen wording first."""
        found: dict[int, list[tuple[str, str, int]]] = {}
        rows = self._db.execute(
            "SELECT principle, name, description, seen FROM wordings"
            " WHERE ?1 IS NULL OR principle IN (SELECT value FROM json_each(?1))"
            " ORDER BY principle, seen DESC, name, description",
            (None if only is None else json.dumps(list(only)),),
        )
        for number, name, description, seen in rows:
            found.setdefault(number, []).append((name, description, seen))
        return found

    def _merge(self, wanted: dict[int, int], texts: dict[int, Wordings]) -> int:
        same = self._same()
        changed = {n: head for n, head in wanted.items() if same.get(n, n) != head}
        if changed:
            with self._file.transaction():
                self._db.executemany(
                    "UPDATE principles SET same_as = ? WHERE id = ?",
                    [(None if n == head else head, n) for n, head in changed.items()],
                )
                named = [
                    f"{texts[n][0][0]!r} is {texts[head][0][0]!r}"
                    for n, head in changed.items()
                    if n != head
                ]
                self._note("merged", "; ".join(named) or "groups were taken apart")
        return sum(n != head for n, head in wanted.items())

    def _note(self, what: str, detail: str) -> None:
        self._db.execute(
            "INSERT INTO history (at, what, detail) VALUES (?, ?, ?)", (_now(), what, detail)
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read(body: str) -> tuple[Principle, ...]:
    try:
        return tuple(Principle.model_validate(one) for one in json.loads(body))
    except ValueError as error:
        raise InputError(f"a set in the principle bank is damaged: {error}") from error


def _stored(row: Sequence[str]) -> StoredSet:
    _, text, version, kind, source, created, body = row
    return StoredSet.model_validate(
        {
            "query": text,
            "version": version,
            "kind": kind,
            "source": source,
            "created": created,
            "principles": _read(body),
        }
    )
