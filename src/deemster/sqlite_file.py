"""Opening SQLite files: made where missing, checked, safe with several threads and processes.

Connections are in autocommit and may be used from any thread, one thread at a time; `transaction`
is how several statements become one. Errors of SQLite pass: the caller knows what to say of them.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from deemster.errors import InputError

T = TypeVar("T")

WAIT_S = 30.0
"""How long to wait for other processes before giving up."""


@dataclass(frozen=True)
class Format:
    """A kind of file: its tables, and how to tell it from other SQLite files."""

    what: str
    """What messages call it."""
    schema: str
    """Statements that make the tables in an empty file."""
    application: int = 0
    """SQLite's `application_id`: says what kind of file it is."""
    version: int = 0
    """SQLite's `user_version`: says which version of the tables it has."""
    remedy: str = ""
    """Ends the message about another version."""

    def create(self, db: sqlite3.Connection) -> None:
        """Make the tables, inside a transaction of the caller's."""
        run_script(db, self.schema)
        db.execute(f"PRAGMA application_id = {self.application}")
        db.execute(f"PRAGMA user_version = {self.version}")

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        """Raise `InputError` if the file is of another kind or version, or is damaged."""
        if db.execute("PRAGMA application_id").fetchone()[0] != self.application:
            raise InputError(f"{str(path)!r} is an SQLite file, but not a {self.what}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != self.version:
            raise InputError(
                f"{self.what} {str(path)!r} has format {version}, this version of deemster reads "
                f"{self.version}{self.remedy}"
            )
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise InputError(f"{self.what} {str(path)!r} is damaged: {told(problem)}")


def open_writable(
    path: Path, form: Format, *, log: bool, create: bool = True
) -> sqlite3.Connection:
    """Open a file for reading and writing.

    Args:
        path: the file.
        form: what kind it is.
        log: keep a write-ahead log beside it: readers never wait for the writer. Without, SQLite
            keeps its rollback journal, and a file at rest is one file that can be copied.
        create: make the tables where the file is missing or empty.

    Raises:
        InputError: it is of another kind or version, or is damaged.
        sqlite3.Error: it cannot be opened at all.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot make {form.what} {str(path)!r}: its directory does not exist")
    _check_regular(path, form.what)
    db = _connect(path)
    try:
        if create and is_blank(db):
            _patiently(lambda: _create(db, form))
        form.check(db, path)
        # What is replaced or deleted is overwritten with zeros; most builds of SQLite leave it.
        db.execute("PRAGMA secure_delete = ON").fetchone()
        if log:
            _patiently(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone())
            db.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing
    except BaseException:
        db.close()
        raise
    return db


def open_readonly(path: Path, form: Format) -> sqlite3.Connection:
    """Open an existing file without ever writing to it; see `open_writable` for what is raised."""
    _check_regular(path, form.what)
    # SQLite reads a log with its index, whether its writer is at work or was killed, but must be
    # able to make one; and what is opened as immutable is read without its log.
    log, index = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    if not os.access(path.parent, os.W_OK) and not (log.exists() and index.exists()):
        return _opened_at_rest(path, form, log, "its directory is not writable")
    try:
        return _opened(path, form, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_IOERR_SHMSIZE:
            return _opened_at_rest(path, form, log, "the disk is full")
        journal = path.with_name(f"{path.name}-journal")
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY and journal.exists():
            raise InputError(
                f"{form.what} {str(path)!r} was not closed, and what was half written is not yet "
                f"undone: open it once with a program that may write (sqlite3), or remove "
                f"{journal.name!r} if it came from elsewhere"
            ) from error
        raise


def _opened(path: Path, form: Format, options: str) -> sqlite3.Connection:
    db = _connect(f"{path.resolve().as_uri()}?{options}", uri=True)
    try:
        form.check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _opened_at_rest(path: Path, form: Format, log: Path, why: str) -> sqlite3.Connection:
    """Without its log, if there is nothing in it."""
    if log.exists() and log.stat().st_size:
        raise InputError(
            f"{form.what} {str(path)!r} was not closed, and {why}; copy it with its -wal file to "
            "where it can be opened"
        )
    return _opened(path, form, "mode=ro&immutable=1")


def told(problem: object) -> str:
    """What SQLite says, as one printable line: it quotes bytes of a damaged file as they are."""
    if getattr(problem, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHMSIZE:
        return "database or disk is full"  # SQLite says so of its other files only
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(problem))


def run_script(db: sqlite3.Connection, script: str) -> None:
    """Execute statements, each ended by a semicolon, inside a transaction of the caller's."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):  # a trigger has semicolons inside
            db.execute(statement)
            statement = ""


def is_blank(db: sqlite3.Connection) -> bool:
    """Whether nothing was made in it yet."""
    return db.execute("SELECT 1 FROM sqlite_master").fetchone() is None


@contextmanager
def transaction(db: sqlite3.Connection, *, wait: bool = True) -> Iterator[None]:
    """Write all that is inside, or nothing.

    Raises:
        BlockingIOError: another process is writing, and `wait` is false.
    """
    outside = db.in_transaction  # a caller's: not ours to undo
    try:
        try:
            if not wait:
                db.execute("PRAGMA busy_timeout = 0")
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if wait or not _is_locked(error):
                raise
            path = db.execute("PRAGMA database_list").fetchone()[2]
            raise BlockingIOError(f"another process is writing {path!r}") from error
        finally:
            if not wait:
                db.execute(f"PRAGMA busy_timeout = {int(1000 * WAIT_S)}")
        yield
        db.execute("COMMIT")
    except BaseException:  # an interrupt may come right after it has begun
        with suppress(sqlite3.Error):  # the disk may be full: the journal undoes it later
            if db.in_transaction and not outside:
                db.execute("ROLLBACK")
        raise


def fold(path: Path) -> None:
    """Merge the log into the file and leave log mode; whoever else has it open will do it."""
    there = f"{path.resolve().as_uri()}?mode=rw"  # nothing is made where the file is gone
    with suppress(sqlite3.Error), closing(_connect(there, uri=True)) as db:
        db.execute("PRAGMA busy_timeout = 0")
        _patiently(lambda: db.execute("PRAGMA journal_mode = DELETE").fetchone(), wait_s=0.2)


def _check_regular(path: Path, what: str) -> None:
    """SQLite would wait for ever at a named pipe."""
    if path.exists() and not path.is_file():
        raise InputError(f"{what} {str(path)!r} is no regular file")


def _connect(where: str | Path, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        where, timeout=WAIT_S, isolation_level=None, check_same_thread=False, uri=uri
    )


def _create(db: sqlite3.Connection, form: Format) -> None:
    with transaction(db):
        if is_blank(db):  # another process may have been quicker
            form.create(db)


def _patiently(step: Callable[[], T], wait_s: float = WAIT_S) -> T:
    """Repeat a step while other processes hold the file; changes of mode do not wait by itself."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return step()
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - not to meet again


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
