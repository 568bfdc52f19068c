"""The file under a cassette: made, checked, opened for writing or only for reading, folded."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from deemster.errors import InputError

T = TypeVar("T")

_APPLICATION = 0x64656D73  # "dems": tells a cassette from other SQLite files
_VERSION = 1
_SCHEMA = """
CREATE TABLE prompts (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, messages TEXT NOT NULL, request TEXT NOT NULL
) STRICT;
CREATE TABLE draws (
    key TEXT PRIMARY KEY, prompt TEXT NOT NULL REFERENCES prompts (id), seed TEXT NOT NULL,
    completion TEXT NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE INDEX prompts_by_messages ON prompts (messages);
CREATE INDEX draws_by_prompt ON draws (prompt);
"""
WAIT_S = 30.0
"""How long to wait for other writers before giving up."""


def _connect(where: str | Path, *, uri: bool = False) -> sqlite3.Connection:
    # Autocommit: transactions are opened where they are meant. The lock of `Cassette` stands in
    # for SQLite's thread check.
    return sqlite3.connect(
        where, timeout=WAIT_S, isolation_level=None, check_same_thread=False, uri=uri
    )


def open_writable(path: Path) -> sqlite3.Connection:
    """Open or make a cassette in write-ahead-log mode, in autocommit.

    Raises:
        InputError: it is no cassette of this version, or is damaged.
        sqlite3.Error: it cannot be opened at all.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot make cassette {str(path)!r}: its directory does not exist")
    db = _connect(path)
    try:
        if _is_blank(db):
            _patiently(lambda: _create(db))
        _check(db, path)
        # Write-ahead log: readers and one writer at a time, no reader ever waits.
        _patiently(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone())
        db.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing
    except BaseException:
        db.close()
        raise
    return db


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open a cassette without ever writing to it; see `open_writable` for what is raised."""
    if not path.is_file():
        raise InputError(f"no cassette at {str(path)!r}; record one with RecordBackend")
    options = "mode=ro"
    if not os.access(path.parent, os.W_OK):
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise InputError(
                f"cassette {str(path)!r} was not closed, and its directory is not writable; "
                "copy it with its -wal file to where it can be opened"
            )
        options = "mode=ro&immutable=1"
    db = _connect(f"{path.resolve().as_uri()}?{options}", uri=True)
    try:
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _is_blank(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    with db:
        if _is_blank(db):  # another process may have been quicker
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {_VERSION}")


def _check(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise InputError(f"{str(path)!r} is an SQLite file, but not a cassette")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        raise InputError(
            f"cassette {str(path)!r} has format {version}, this version of deemster reads "
            f"{_VERSION}; record it again"
        )
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise InputError(f"cassette {str(path)!r} is damaged: {problem}")


def _patiently(step: Callable[[], T], wait_s: float = WAIT_S) -> T:
    """Repeat a step while other processes hold the file; changes of mode do not wait by itself."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return step()
        except sqlite3.OperationalError as error:
            locked = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not locked or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - not to meet again


def fold(path: Path) -> None:
    """Merge the log into the file and leave log mode; whoever else has it open will do it."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_connect(path)) as db:
        db.execute("PRAGMA busy_timeout = 0")
        _patiently(lambda: db.execute("PRAGMA journal_mode = DELETE").fetchone(), wait_s=0.2)
