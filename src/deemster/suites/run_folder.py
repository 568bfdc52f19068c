"""The folder of a run: the name of its store, whether it has one, and who may write it."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from deemster.errors import InputError
from deemster.sqlite_file import is_blank

FILE = "run.sqlite"


def holds_run(directory: Path) -> bool:
    """Whether a run was begun there; a kill right at the start leaves a file without tables."""
    path = directory / FILE
    if not path.is_file():
        return False
    uri = f"{path.absolute().as_uri()}?mode=ro"
    # A damaged file is reported by whoever opens it.
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(uri, uri=True)) as db:
        return not is_blank(db)
    return True


def lock_run(directory: Path) -> FileLock:
    """Make a run directory where it is missing, and take its lock.

    Raises:
        InputError: another process has it, or the directory cannot be written.
    """
    lock = FileLock(directory / ".lock", timeout=0)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InputError(f"another process is writing {str(directory)!r}") from error
    except OSError as error:
        raise InputError(f"cannot write to {str(directory)!r}: {error}") from error
    return lock
