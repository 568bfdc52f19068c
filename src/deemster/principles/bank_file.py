"""The SQLite file of a principle bank: created, checked, and safe with several writers.

It keeps SQLite's rollback journal, so that a bank that is not in use is one file that can be
copied; writers wait for each other. Triggers keep a checksum of each table, which is compared
with its rows when a bank is opened.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path

from pydantic import ValidationError

from deemster.errors import InputError
from deemster.schemas import first_problem
from deemster.sqlite_file import Format, open_writable, told, transaction

_COLUMNS = {
    "queries": ("id", "key", "text"),
    "principles": ("id", "key", "same_as"),
    "wordings": ("principle", "name", "description", "seen"),
    "sets": ("id", "query", "version", "kind", "source", "created", "principles"),
    "votes": ("key", "query", "n_right", "weights"),
    "history": ("id", "at", "what", "detail"),
}
"""What is in the checksums: all columns of all tables."""


def _shifted(checksum: int, sign: int, *row: object) -> int:
    """The checksum of a table with one row more or, with a `sign` of -1, less: 64 bits, signed.

    The order of the rows makes no difference.
    """
    digest = hashlib.blake2b(ascii(row).encode(), digest_size=8).digest()
    return (checksum + sign * int.from_bytes(digest, "big") + 2**63) % 2**64 - 2**63


def _checksums() -> str:
    """Statements that make the checksums, and the triggers that keep them. Nothing deletes rows."""
    statements = [
        "CREATE TABLE checksums (of_table TEXT PRIMARY KEY, sum INTEGER NOT NULL) STRICT;"
    ]
    for table, columns in _COLUMNS.items():
        old, new = (", ".join(f"{side}.{one}" for one in columns) for side in ("old", "new"))
        kept = {"insert": "sum"}
        if table in {"principles", "wordings"}:
            kept["update"] = f"shifted(sum, -1, {old})"
        statements.append(f"INSERT INTO checksums VALUES ('{table}', 0);")  # noqa: S608 - constants
        statements += [
            f"CREATE TRIGGER {table}_{event}_sum AFTER {event} ON {table} BEGIN"  # noqa: S608
            f" UPDATE checksums SET sum = shifted({rest}, 1, {new})"
            f" WHERE of_table = '{table}'; END;"
            for event, rest in kept.items()
        ]
    return "\n".join(statements)


_FORMAT = Format(
    what="principle bank",
    application=0x6465656D,  # "deem"
    version=2,
    remedy="; make it again",
    schema="""
CREATE TABLE queries (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, text TEXT NOT NULL
) STRICT;
CREATE TABLE principles (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, same_as INTEGER REFERENCES principles (id)
) STRICT;
CREATE TABLE wordings (
    principle INTEGER NOT NULL REFERENCES principles (id), name TEXT NOT NULL,
    description TEXT NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (principle, name, description)
) STRICT;
CREATE TABLE sets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, query INTEGER NOT NULL REFERENCES queries (id),
    version INTEGER NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL,
    principles TEXT NOT NULL, UNIQUE (query, version)
) STRICT;
CREATE TABLE votes (
    key BLOB PRIMARY KEY, query INTEGER NOT NULL REFERENCES queries (id), n_right INTEGER NOT NULL,
    weights TEXT NOT NULL
) STRICT;
CREATE INDEX votes_by_query ON votes (query);
CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, what TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TRIGGER sets_update BEFORE update ON sets
BEGIN SELECT RAISE(ABORT, 'sets is append-only'); END;
CREATE TRIGGER sets_delete BEFORE delete ON sets
BEGIN SELECT RAISE(ABORT, 'sets is append-only'); END;
CREATE TRIGGER history_update BEFORE update ON history
BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER history_delete BEFORE delete ON history
BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
"""
    + _checksums(),
)


class BankFile:
    """A connection in autocommit, with every SQLite error raised as `InputError`.

    Args:
        path: the file.
        create: make it where it is missing.

    Raises:
        InputError: it is missing, is not a bank of this version, or is not what was written.
    """

    def __init__(self, path: str | Path, *, create: bool) -> None:
        self.path = Path(path)
        if not create and not self.path.is_file():
            raise InputError(
                f"no principle bank at {str(path)!r}; make one with 'deemster principles "
                "generate' or 'deemster principles mine'"
            )
        with self.naming_errors():
            self.db = open_writable(self.path, _FORMAT, log=False, create=create)
        try:
            self._check()
        except BaseException:
            self.db.close()
            raise
        self.db.create_function("shifted", -1, _shifted, deterministic=True)

    def _check(self) -> None:
        """Raise `InputError` if a table is not what was written."""
        with self.reading():
            kept = dict(self.db.execute("SELECT of_table, sum FROM checksums").fetchall())
            for table, columns in _COLUMNS.items():
                found = 0
                for row in self.db.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 - constants
                    found = _shifted(found, 1, *row)
                if kept.get(table) != found:
                    raise InputError(
                        f"principle bank {str(self.path)!r} is damaged: its {table} are not what "
                        "was written; restore it from a copy, or make it again"
                    )

    @contextmanager
    def naming_errors(self) -> Iterator[None]:
        """SQLite's errors inside, and damaged rows, become an `InputError` that names the file."""
        try:
            yield
        except (sqlite3.Error, ValidationError, UnicodeDecodeError, JSONDecodeError) as error:
            # A file that is merely locked or unreadable now need not be made again.
            passing = isinstance(error, sqlite3.OperationalError)
            remedy = "" if passing else "; restore it from a copy, or make it again"
            problem = first_problem(error) if isinstance(error, ValidationError) else error
            raise InputError(
                f"principle bank {str(self.path)!r} cannot be used: {told(problem)}{remedy}"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All reads inside see the same state of the bank."""
        with self.naming_errors():
            self.db.execute("BEGIN")
            try:
                yield
            finally:
                self.db.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing; waits for other writers."""
        with self.naming_errors(), transaction(self.db):
            yield

    def close(self) -> None:
        """Close the file. Idempotent."""
        self.db.close()
