"""The SQLite file under a principle bank: made, checked, and safe with several writers.

It keeps SQLite's rollback journal, so that a bank at rest is one file that can be copied; writers
wait for each other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deemster.errors import InputError

_APPLICATION = 0x6465656D  # "deem": tells a bank from other SQLite files
_VERSION = 1
_WAIT_S = 30.0
"""How long to wait for another writer."""
_SCHEMA = """
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
"""
_APPEND_ONLY = """
CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""


class BankFile:
    """A connection in autocommit, with every SQLite error told as `InputError`.

    Args:
        path: the file.
        create: make it where it is missing.

    Raises:
        InputError: it is missing, is no bank of this version, or is damaged.
    """

    def __init__(self, path: str | Path, *, create: bool) -> None:
        self.path = Path(path)
        if not create and not self.path.is_file():
            raise InputError(
                f"no principle bank at {str(path)!r}; make one with 'deemster principles "
                "generate' or 'deemster principles mine'"
            )
        if not self.path.parent.is_dir():
            raise InputError(f"cannot make bank {str(path)!r}: its directory does not exist")
        with self.naming_errors():
            # One connection may be used from any thread, one thread at a time.
            self.db = sqlite3.connect(
                self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            try:
                if create:
                    self._make()
                self._check()
            except BaseException:
                self.db.close()
                raise

    def _make(self) -> None:
        if self.db.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
            return
        with self.transaction():
            if self.db.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
                return  # another process was quicker
            for statement in _SCHEMA.split(";"):
                self.db.execute(statement)
            for table in ("sets", "history"):
                for verb in ("update", "delete"):
                    self.db.execute(_APPEND_ONLY.format(table=table, verb=verb))
            self.db.execute(f"PRAGMA application_id = {_APPLICATION}")
            self.db.execute(f"PRAGMA user_version = {_VERSION}")

    def _check(self) -> None:
        if self.db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise InputError(f"{str(self.path)!r} is an SQLite file, but not a principle bank")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            raise InputError(
                f"principle bank {str(self.path)!r} has format {version}, this version of "
                f"deemster reads {_VERSION}"
            )
        problem = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise InputError(f"principle bank {str(self.path)!r} is damaged: {problem}")

    @contextmanager
    def naming_errors(self) -> Iterator[None]:
        """SQLite's errors inside become an `InputError` that names the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(
                f"principle bank {str(self.path)!r} cannot be used: {error}; "
                "restore it from a copy, or make it again"
                if not isinstance(error, sqlite3.OperationalError)
                else f"principle bank {str(self.path)!r} cannot be used: {error}"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All reads inside see the bank at one moment."""
        self.db.execute("BEGIN")
        try:
            yield
        finally:
            self.db.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; waits for other writers."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self.db.close()
