"""The tables of a principle bank: rows in, records out. Callers open the transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from deemster.errors import InputError
from deemster.principles.bank_names import Wordings
from deemster.principles.bank_records import (
    CheckedVote,
    HistoryEntry,
    Kind,
    StoredSet,
    name_key,
    query_key,
    query_text,
    same_principles,
)
from deemster.schemas import Conversation, Principle

_SETS = (
    "SELECT queries.key, queries.text, version, kind, source, created, principles FROM sets"
    " JOIN queries ON queries.id = sets.query"
)
_OF_QUERY = _SETS + " WHERE queries.key = ? ORDER BY version"
_IN_USE = _SETS + (  # noqa: S608 - constants
    " WHERE version = (SELECT max(version) FROM sets AS s WHERE s.query = sets.query)"
    " ORDER BY queries.id"
)


class BankTables:
    """Reads and writes; see `bank_file` for the tables themselves."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def query(self, query: Conversation) -> int:
        """The number of a query; a new one if it has none."""
        key = query_key(query)
        self._db.execute(
            "INSERT OR IGNORE INTO queries (key, text) VALUES (?, ?)", (key, query_text(query))
        )
        return self.number(key)

    def number(self, key: str) -> int:
        """The number of a query that is there, by its key."""
        (number,) = self._db.execute("SELECT id FROM queries WHERE key = ?", (key,)).fetchone()
        return int(number)

    def principle(self, principle: Principle) -> int:
        """The number of a principle, a new one if it has none; notes how it is worded."""
        key = name_key(principle.name)
        self._db.execute("INSERT OR IGNORE INTO principles (key) VALUES (?)", (key,))
        (number,) = self._db.execute("SELECT id FROM principles WHERE key = ?", (key,)).fetchone()
        self._db.execute(
            "INSERT INTO wordings VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET seen = seen + 1",
            (number, principle.name, principle.description),
        )
        return int(number)

    def add_vote(self, query: int, vote: CheckedVote) -> bool:
        """Count one vote; False if it was counted before."""
        known = self._db.execute("SELECT 1 FROM votes WHERE key = ?", (vote.key,)).fetchone()
        if known is not None:
            return False
        weights: dict[int, float] = {}
        for principle in vote.principles:
            number = self.principle(principle)
            weights[number] = weights.get(number, 0.0) + principle.weight
        self._db.execute(
            "INSERT INTO votes VALUES (?, ?, ?, ?)",
            (vote.key, query, int(vote.right), json.dumps(weights)),
        )
        return True

    def votes(self, query: int | None = None) -> Iterator[tuple[int, bool, dict[int, float]]]:
        """(query, right, weights by principle) of all votes, or of those on one query."""
        rows = self._db.execute(
            "SELECT query, n_right, weights FROM votes WHERE ?1 IS NULL OR query = ?1"
            " ORDER BY query, key",
            (query,),
        )
        for number, right, weights in rows:
            yield number, bool(right), {int(n): w for n, w in json.loads(weights).items()}

    def add_set(
        self, query: int, principles: tuple[Principle, ...], kind: Kind, source: str
    ) -> tuple[int, bool]:
        """The version of the set, and whether it is new: it is not if it equals the last one."""
        row = self._db.execute(
            "SELECT version, principles FROM sets WHERE query = ? ORDER BY version DESC", (query,)
        ).fetchone()
        version = row[0] if row else 0
        if row and same_principles(_read(row[1]), principles):
            return version, False
        body = json.dumps([one.model_dump(mode="json") for one in principles], ensure_ascii=False)
        self._db.execute(
            "INSERT INTO sets (query, version, kind, source, created, principles)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (query, version + 1, kind, source, _now(), body),
        )
        return version + 1, True

    def has_set(self, key: str, source: str | None) -> bool:
        """Whether the query has a set (of that source)."""
        row = self._db.execute(
            "SELECT 1 FROM sets JOIN queries ON queries.id = sets.query"
            " WHERE queries.key = ?1 AND (?2 IS NULL OR sets.source = ?2)",
            (key, source),
        ).fetchone()
        return row is not None

    def sets_of(self, key: str) -> list[StoredSet]:
        """Every set of one query, oldest first."""
        return [one for _, one in _stored(self._db.execute(_OF_QUERY, (key,)))]

    def sets_in_use(self) -> dict[str, StoredSet]:
        """The last set of each query by the query's key, in the order the queries came."""
        return dict(_stored(self._db.execute(_IN_USE)))

    def keys(self) -> dict[int, str]:
        """Principle to its name's key."""
        return dict(self._db.execute("SELECT id, key FROM principles ORDER BY id").fetchall())

    def same(self) -> dict[int, int]:
        """Each principle's number to that of the principle it is merged into, or to itself."""
        rows = self._db.execute("SELECT id, coalesce(same_as, id) FROM principles ORDER BY id")
        return dict(rows.fetchall())

    def set_same(self, heads: dict[int, int]) -> None:
        """Merge each principle into another; merging it into itself undoes that."""
        self._db.executemany(
            "UPDATE principles SET same_as = nullif(?1, ?2) WHERE id = ?2",
            [(head, number) for number, head in heads.items()],
        )

    def wordings(self, only: Sequence[int] | None = None) -> dict[int, Wordings]:
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
        return dict(found)

    def note(self, what: str, detail: str) -> None:
        """Add to the history."""
        self._db.execute(
            "INSERT INTO history (at, what, detail) VALUES (?, ?, ?)", (_now(), what, detail)
        )

    def history(self) -> list[HistoryEntry]:
        """Every change, oldest first."""
        rows = self._db.execute("SELECT id, at, what, detail FROM history ORDER BY id")
        return [HistoryEntry(number=n, at=at, what=w, detail=d) for n, at, w, d in rows]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read(body: str) -> tuple[Principle, ...]:
    try:
        return tuple(Principle.model_validate(one) for one in json.loads(body))
    except ValueError as error:
        raise InputError(f"a set in the principle bank is damaged: {error}") from error


def _stored(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, StoredSet]]:
    for key, text, version, kind, source, created, body in rows:
        fields = {
            "query": text,
            "version": version,
            "kind": kind,
            "source": source,
            "created": created,
            "principles": _read(body),
        }
        yield key, StoredSet.model_validate(fields)
