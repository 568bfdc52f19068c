"""The tables of a run store, and whether all that was written to them is still there.

Every row has a checksum over all of its columns. `tallies` holds the number of rows of each table
and the sum of their checksums, kept by triggers; so a row that went missing is noticed as well.
The triggers call a function that only `RunStore` defines: another program that changes a row is
refused by SQLite, and does not keep the tallies of what it took away.
"""

# ruff: noqa: S608 - all names of tables and columns are ours

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deemster.errors import DeemsterError, InputError
from deemster.sqlite_file import Format, run_script, told, transaction

_VERSION, _BEFORE = "2", "1"
"""Format 1 had checksums over the bodies of samples, votes and verdicts only."""
REMEDY = "restore it from a copy, or run again with another --out"
_BODIES = ("samples", "votes", "verdicts")
_KEYS = {"run": 1, "judges": 1, "samples": 1, "votes": 3, "verdicts": 2}
"""Columns of the primary key, which come first, by table."""


class StoreError(DeemsterError):
    """The store cannot be written, or what is in it is damaged."""


def row_checksum(*values: object) -> int:
    """CRC-32 of a row's columns, as SQLite gives them back."""
    checksum = 0
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode(errors="surrogatepass")
        # With its length: else what moves from one column to the next is not noticed.
        checksum = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), checksum))
    return checksum


_WRITER = "written_by_deemster"
"""The function that the triggers call."""


def _triggers(table: str) -> str:
    changes = {
        "INSERT": "n = n + 1, total = total + NEW.checksum",
        "DELETE": "n = n - 1, total = total - OLD.checksum",
        "UPDATE": "total = total - OLD.checksum + NEW.checksum",
    }
    return "".join(
        f"CREATE TRIGGER {table}_{event.lower()} AFTER {event} ON {table} "
        f"BEGIN SELECT {_WRITER}(); UPDATE tallies SET {change} WHERE name = '{table}'; END;\n"
        for event, change in changes.items()
    )


_TRIGGERS = "".join(map(_triggers, _KEYS))
_TALLIES = (
    """
CREATE TABLE tallies (
    name TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER NOT NULL
) WITHOUT ROWID;
"""
    + "".join(
        f"INSERT INTO tallies SELECT '{table}', count(*), coalesce(sum(checksum), 0)"
        f" FROM {table};\n"
        for table in _KEYS
    )
    + _TRIGGERS
)


class _RunFormat(Format):
    """Run stores keep their version in a table."""

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        """See `Format.check`. Reads every row."""
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone() is None:
            raise InputError(f"{str(path)!r} is not a run store")
        row = db.execute("SELECT value FROM run WHERE key = 'format'").fetchone()
        found = row and row[0]
        if found not in (_VERSION, _BEFORE):
            raise InputError(
                f"{str(path)!r} has format {found!r}, this version reads {_BEFORE!r} and "
                f"{_VERSION!r}"
            )
        _check_schema(db, path)
        check_rows(db, path)


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    """Views and triggers of others change what is read, or what is kept of what is written."""
    ours = {f"{table}_{event}" for table in _KEYS for event in ("insert", "delete", "update")}
    for kind, name in db.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'trigger')"
    ):
        if kind == "view" or name not in ours:
            raise InputError(
                f"run store {str(path)!r} has a {kind} {told(name)!r}, which deemster did not make"
            )


FORMAT = _RunFormat(
    what="run store",
    schema="""
CREATE TABLE run (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE judges (
    position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, info TEXT NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE samples (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, subset TEXT NOT NULL,
    body BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE votes (
    judge INTEGER NOT NULL, sample INTEGER NOT NULL, draw INTEGER NOT NULL,
    status TEXT NOT NULL, scores TEXT, shown TEXT NOT NULL, seed INTEGER, meta_reward REAL,
    seconds REAL NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (judge, sample, draw)
) WITHOUT ROWID;
CREATE TABLE verdicts (
    judge INTEGER NOT NULL, sample INTEGER NOT NULL, n_failed INTEGER NOT NULL,
    body BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (judge, sample)
) WITHOUT ROWID;
"""
    f"INSERT INTO run VALUES ('format', '{_VERSION}', {row_checksum('format', _VERSION)});\n"
    f"{_TALLIES}",
)


@dataclass(frozen=True)
class _Table:
    """What was found in a table."""

    name: str
    n: int
    """Rows that could be read and have their checksum."""
    expected: int | None
    """Rows that were written; None where the store does not say (format 1)."""
    problem: str
    """What is wrong, or nothing."""

    def __str__(self) -> str:
        return (
            f"{self.n} {self.name}"
            if self.expected is None
            else f"{self.n} of {self.expected} {self.name}"
        )


def check_rows(db: sqlite3.Connection, path: Path) -> None:
    """Read every row and compare the checksums and the tallies.

    Raises:
        StoreError: something is damaged or missing; the text says what is not.
    """
    db.execute("BEGIN")  # all reads inside see one moment
    try:
        version = db.execute("SELECT value FROM run WHERE key = 'format'").fetchone()[0]
        before = version == _BEFORE
        tallies = {} if before else _read_tallies(db)
        tables = [_examined(db, name, tallies.get(name), before=before) for name in _KEYS]
        problems = [f"{table.name}: {table.problem}" for table in tables if table.problem]
        if not problems:  # indexes, and pages that nothing uses
            found = _first_line(lambda: db.execute("PRAGMA integrity_check(1)").fetchone()[0])
            problems = [] if found == "ok" else [found]
    finally:
        db.execute("ROLLBACK")
    if problems:
        whole = ", ".join(str(table) for table in tables if table.name != "run")
        raise StoreError(
            f"run store {str(path)!r} is damaged ({'; '.join(problems)}); undamaged are {whole}; "
            f"{REMEDY}"
        )


def _first_line(read: Callable[[], str]) -> str:
    try:
        return " ".join(read().split())
    except sqlite3.DatabaseError as error:
        return told(error)


def _read_tallies(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    try:
        return {name: (n, total) for name, n, total in db.execute("SELECT * FROM tallies")}
    except sqlite3.DatabaseError:
        return {}  # then no table agrees with them


def _examined(
    db: sqlite3.Connection, name: str, tally: tuple[int, int] | None, *, before: bool
) -> _Table:
    whole = read = total = 0
    problem, last = "", None
    try:
        for row in db.execute(f"SELECT * FROM {name}"):
            key = row[: _KEYS[name]]
            if last is not None and not last < key:  # SQLite would not find it
                problem = "rows in the wrong place"
            last = key
            read += 1
            whole += _is_whole(name, row, before=before)
            total += row[-1] if isinstance(row[-1], int) else 0
    except TypeError:  # a key that is no number
        problem = "rows in the wrong place"
    except sqlite3.DatabaseError as error:
        problem = told(error)
    n = None if tally is None else tally[0]
    if not problem and whole < read:
        problem = f"{read - whole} with a wrong checksum"
    if not problem and not before and (read, total) != tally:
        gone = 0 if n is None else n - read
        problem = f"{gone} missing" if gone > 0 else "not what was written"
    return _Table(name, whole, n, problem)


def _is_whole(name: str, row: Sequence[object], *, before: bool) -> bool:
    if not before:
        return row_checksum(*row[:-1]) == row[-1]
    return name not in _BODIES or (isinstance(row[-2], bytes) and zlib.crc32(row[-2]) == row[-1])


def contents(db: sqlite3.Connection) -> str:
    """Which judges and samples a run has, as a hash; the same for all runs of a suite."""
    digest = hashlib.sha256()
    for column, table in (("info", "judges"), ("checksum", "samples")):
        for (value,) in db.execute(f"SELECT {column} FROM {table} ORDER BY position"):
            digest.update(f"{value}\n".encode())
    return digest.hexdigest()


def admit(db: sqlite3.Connection) -> None:
    """Let a connection write: the triggers refuse all others."""
    db.execute("PRAGMA trusted_schema = ON")  # some builds of SQLite have it off
    # `int` runs no bytecode: Ctrl-C in a function of Python's would be an error of SQLite's.
    db.create_function(_WRITER, 0, int)


def upgrade(db: sqlite3.Connection) -> None:
    """Bring a store, whose rows were checked, to the present format and triggers."""
    if db.execute("SELECT value FROM run WHERE key = 'format'").fetchone()[0] == _VERSION:
        made = [sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE type='trigger'")]
        if len(made) < 3 * len(_KEYS) or not all(_WRITER in sql for sql in made):
            with transaction(db):
                for table in _KEYS:
                    for event in ("insert", "delete", "update"):
                        db.execute(f"DROP TRIGGER IF EXISTS {table}_{event}")
                run_script(db, _TRIGGERS)
        return
    with transaction(db):
        for table in ("run", "judges"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0")
        db.execute("UPDATE run SET value = ? WHERE key = 'format'", (_VERSION,))
        for table, n_keys in _KEYS.items():
            columns = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")][:-1]
            rows = db.execute(f"SELECT {', '.join(columns)} FROM {table}")
            sums = [(row_checksum(*row), *row[:n_keys]) for row in rows]
            found = " AND ".join(f"{name} = ?" for name in columns[:n_keys])
            db.executemany(f"UPDATE {table} SET checksum = ? WHERE {found}", sums)
        run_script(db, _TALLIES)
