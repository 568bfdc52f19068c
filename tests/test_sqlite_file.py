"""The one opener under cassettes, principle banks and run stores."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from deemster.backends import Cassette
from deemster.errors import InputError
from deemster.principles import PrincipleBank
from deemster.schemas import Sample
from deemster.sqlite_file import WAIT_S, Format, open_readonly, open_writable, told, transaction
from deemster.suites.run_folder import FILE
from deemster.suites.store import RunStore
from deemster.suites.store_format import StoreError

FORM = Format(
    what="note book",
    application=7,
    version=2,
    schema="""
CREATE TABLE notes (text TEXT NOT NULL);
CREATE TRIGGER kept BEFORE DELETE ON notes
BEGIN SELECT RAISE(ABORT, 'kept'); END;
""",
    remedy="; start a new one",
)


def make_cassette(path: Path) -> None:
    with Cassette(path) as cassette:
        len(cassette)


def make_bank(path: Path) -> None:
    PrincipleBank(path).close()


def make_run(path: Path) -> None:
    RunStore(path.parent, write=True).close()


KINDS = [
    pytest.param(make_cassette, (0x64656D73, 1, "delete"), id="cassette"),
    pytest.param(make_bank, (0x6465656D, 2, "delete"), id="bank"),
    pytest.param(make_run, (0, 0, "delete"), id="run"),
]


def stamp(path: Path) -> tuple[object, ...]:
    with closing(sqlite3.connect(path)) as db:
        names = ("application_id", "user_version", "journal_mode")
        return tuple(db.execute(f"PRAGMA {name}").fetchone()[0] for name in names)


@pytest.mark.parametrize(("make", "expected"), KINDS)
def test_files_keep_their_stamps(
    tmp_path: Path, make: Callable[[Path], None], expected: tuple[object, ...]
) -> None:
    path = tmp_path / FILE
    make(path)
    assert stamp(path) == expected
    make(path)  # opens its own file again
    assert stamp(path) == expected


@pytest.mark.parametrize(("make", "_"), KINDS)
@pytest.mark.parametrize(("other", "__"), KINDS)
def test_each_kind_refuses_the_others(
    tmp_path: Path,
    make: Callable[[Path], None],
    other: Callable[[Path], None],
    _: object,
    __: object,
) -> None:
    path = tmp_path / FILE
    make(path)
    before = path.read_bytes()
    if make is other:
        other(path)
        return
    with pytest.raises(InputError, match=r"but not a (cassette|principle bank)|not a run store"):
        other(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        pytest.param("application_id = 8", "is an SQLite file, but not a note book", id="kind"),
        pytest.param(
            "user_version = 3",
            "has format 3, this version of deemster reads 2; start a new one",
            id="version",
        ),
    ],
)
@pytest.mark.parametrize("readonly", [False, True], ids=["write", "read"])
def test_another_kind_or_version(
    tmp_path: Path, pragma: str, message: str, *, readonly: bool
) -> None:
    path = tmp_path / "a"
    open_writable(path, FORM, log=False).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA {pragma}")
    with pytest.raises(InputError, match=message):
        open_readonly(path, FORM) if readonly else open_writable(path, FORM, log=True)
    assert path.read_bytes()[18:20] == b"\x01\x01"  # refused before its journal was changed


def test_a_trigger_in_the_schema_is_made(tmp_path: Path) -> None:
    with closing(open_writable(tmp_path / "a", FORM, log=False)) as db:
        db.execute("INSERT INTO notes VALUES ('x')")
        with pytest.raises(sqlite3.IntegrityError, match="kept"):
            db.execute("DELETE FROM notes")


def test_a_readonly_connection_does_not_write(tmp_path: Path) -> None:
    open_writable(tmp_path / "a", FORM, log=False).close()
    with (
        closing(open_readonly(tmp_path / "a", FORM)) as db,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        db.execute("INSERT INTO notes VALUES ('x')")


@pytest.mark.parametrize("log", [False, True], ids=["journal", "log"])
def test_transactions_write_all_or_nothing_one_at_a_time(tmp_path: Path, *, log: bool) -> None:
    path = tmp_path / "a"

    def write_and_fail(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute("INSERT INTO notes VALUES ('lost')")
            raise ZeroDivisionError

    with (
        closing(open_writable(path, FORM, log=log)) as first,
        closing(open_writable(path, FORM, log=log)) as second,
    ):
        with transaction(first):
            first.execute("INSERT INTO notes VALUES ('one')")
            asked = time.monotonic()
            with (
                pytest.raises(BlockingIOError, match=r"another process is writing '.*a'"),
                transaction(second, wait=False),
            ):
                pass
            assert time.monotonic() - asked < WAIT_S / 2
        with pytest.raises(ZeroDivisionError):
            write_and_fail(first)
        with transaction(second, wait=False):
            second.execute("INSERT INTO notes VALUES ('two')")
        assert first.execute("SELECT text FROM notes").fetchall() == [("one",), ("two",)]
        # A writer that would not wait once waits again.
        assert second.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_a_writer_that_waited_in_vain_says_so_itself(tmp_path: Path) -> None:
    with (
        closing(open_writable(tmp_path / "a", FORM, log=False)) as first,
        closing(open_writable(tmp_path / "a", FORM, log=False)) as second,
        transaction(first),
    ):
        second.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(second):
            pass


def test_a_file_in_use_is_waited_for_before_its_journal_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with closing(open_writable(path, FORM, log=False)) as db, ThreadPoolExecutor(1) as pool:
        with transaction(db):
            opened = pool.submit(open_writable, path, FORM, log=True)
            time.sleep(0.1)
            assert not opened.done()
        opened.result().close()


def test_an_error_that_waiting_does_not_mend_is_not_waited_for(tmp_path: Path) -> None:
    asked = time.monotonic()
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        open_writable(tmp_path / "a", replace(FORM, schema="MAKE TABLES;"), log=False)
    assert time.monotonic() - asked < WAIT_S / 2


def test_nothing_is_made_where_nothing_shall_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an SQLite file, but not a note book"):
        open_writable(tmp_path / "a", FORM, log=False, create=False)
    assert (tmp_path / "a").read_bytes() == b""


@dataclass(frozen=True)
class Failing(Format):
    """Its files cannot be read."""

    code: int = 0

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        error = sqlite3.OperationalError("sorry")
        error.sqlite_errorcode = self.code
        raise error


@pytest.mark.parametrize(
    ("code", "journal"),
    [
        pytest.param(sqlite3.SQLITE_READONLY, False, id="no-journal"),
        pytest.param(sqlite3.SQLITE_FULL, True, id="not-for-its-journal"),
    ],
)
def test_other_problems_of_a_reader_pass(tmp_path: Path, code: int, *, journal: bool) -> None:
    open_writable(tmp_path / "a", FORM, log=False).close()
    if journal:
        (tmp_path / "a-journal").touch()
    with pytest.raises(sqlite3.OperationalError, match="sorry"):
        open_readonly(tmp_path / "a", Failing(what="a", schema="", code=code))


@pytest.mark.parametrize("after", ["BEGIN", "COMMIT"])
def test_an_interrupt_between_two_steps_leaves_no_transaction_open(
    tmp_path: Path, after: str
) -> None:
    class Interrupted(sqlite3.Connection):
        def execute(self, *args: Any) -> sqlite3.Cursor:
            done = super().execute(*args)
            if args[0].startswith(after):
                raise KeyboardInterrupt
            return done

    path = tmp_path / "notes"
    with closing(open_writable(path, FORM, log=False)):
        pass
    with closing(sqlite3.connect(path, isolation_level=None, factory=Interrupted)) as db:
        with pytest.raises(KeyboardInterrupt), transaction(db):
            pass
        assert not db.in_transaction


def test_a_transaction_in_another_is_refused_and_undoes_nothing(tmp_path: Path) -> None:
    with closing(open_writable(tmp_path / "notes", FORM, log=False)) as db:
        with transaction(db):
            db.execute("INSERT INTO notes VALUES ('outer')")
            with pytest.raises(sqlite3.OperationalError, match="within"), transaction(db):
                pass
        assert db.execute("SELECT text FROM notes").fetchall() == [("outer",)]


def test_bytes_of_a_damaged_file_do_not_reach_a_terminal() -> None:
    assert told("near \x1b[31m\n“é”") == r"near \x1b[31m\n“é”"


def test_a_writer_waits_for_another(tmp_path: Path) -> None:
    def write(db: sqlite3.Connection) -> None:
        with transaction(db):
            db.execute("INSERT INTO notes VALUES ('x')")

    with (
        closing(open_writable(tmp_path / "a", FORM, log=True)) as first,
        closing(open_writable(tmp_path / "a", FORM, log=True)) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        with transaction(first):
            waits = pool.submit(write, second)
            time.sleep(0.1)
            assert not waits.done()
        waits.result()


def test_a_run_that_cannot_be_opened_lets_go_of_its_lock(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="not a database") as caught:
        RunStore(tmp_path, write=True)
    with FileLock(tmp_path / ".lock", timeout=0):  # while `caught` keeps the failed store alive
        assert caught.value is not None


@pytest.mark.parametrize(
    ("beside", "seen"),
    [
        pytest.param({}, ["one"], id="closed"),
        pytest.param({"-wal": True, "-shm": True}, ["one", "two"], id="its-writer-is-at-work"),
        pytest.param({"-wal": True}, None, id="its-writer-was-killed-and-its-index-is-gone"),
        pytest.param({"-wal": False}, ["one"], id="an-empty-log"),
        pytest.param({"-shm": True}, ["one"], id="an-index-alone"),
    ],
)
def test_what_is_read_where_nothing_may_be_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    beside: dict[str, bool],
    seen: list[str] | None,
) -> None:
    (folder := tmp_path / "theirs").mkdir()
    with closing(open_writable(tmp_path / "notes", FORM, log=True)) as db:
        db.execute("INSERT INTO notes VALUES ('one')")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("INSERT INTO notes VALUES ('two')")
        for ending, whole in {"": True, **beside}.items():
            data = (tmp_path / f"notes{ending}").read_bytes()
            (folder / f"notes{ending}").write_bytes(data if whole else b"")
    before = sorted(folder.iterdir())
    monkeypatch.setattr(os, "access", lambda where, _: where != folder)
    if seen is None:
        with pytest.raises(InputError, match=r"note book .* was not closed, and its directory"):
            open_readonly(folder / "notes", FORM)
        return
    with closing(open_readonly(folder / "notes", FORM)) as db:
        assert [text for (text,) in db.execute("SELECT text FROM notes")] == seen
        assert sorted(folder.iterdir()) == before


def test_a_file_whose_writer_was_killed_is_not_mended_by_a_reader(tmp_path: Path) -> None:
    (folder := tmp_path / "copy").mkdir()
    with closing(open_writable(tmp_path / "notes", FORM, log=False)) as db:
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN")
        db.executemany("INSERT INTO notes VALUES (?)", [("x" * 3000,)] * 30)
        for name in ("notes", "notes-journal"):
            (folder / name).write_bytes((tmp_path / name).read_bytes())
    before = (folder / "notes").read_bytes()
    with pytest.raises(InputError, match="or remove 'notes-journal' if it came from elsewhere"):
        open_readonly(folder / "notes", FORM)
    assert (folder / "notes").read_bytes() == before


READER = """
import os, sys
from deemster.suites.store import RunStore
os.setgid(65534)
os.setuid(65534)
with RunStore(sys.argv[1]) as store:
    print(store.count_samples())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
@pytest.mark.parametrize("closed", [False, True], ids=["while-it-goes", "closed"])
def test_somebody_who_may_not_write_there_reads_a_run(*, closed: bool) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are for their owner only
        folder = Path(name)
        folder.chmod(0o755)
        with RunStore(folder, write=True) as store:
            store.add_samples([Sample(query="q", responses=("a", "b"))])
            if closed:
                store.close()
            done = subprocess.run(
                [sys.executable, "-c", READER, name], capture_output=True, check=False, text=True
            )
        assert done.stdout == "1\n", done.stderr


@contextmanager
def no_room() -> Iterator[None]:
    """While it is open, no file of this process grows beyond a few KB, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_at_rest_is_read_on_a_full_disk(tmp_path: Path) -> None:
    form = replace(FORM, schema="CREATE TABLE notes (text TEXT NOT NULL);")
    path = tmp_path / "notes"
    with closing(open_writable(path, form, log=True)) as db, transaction(db):
        db.execute("INSERT INTO notes VALUES ('kept')")
    with no_room(), closing(open_readonly(path, form)) as db:
        assert db.execute("SELECT text FROM notes").fetchall() == [("kept",)]


def test_what_was_not_closed_is_not_read_without_its_log_on_a_full_disk(tmp_path: Path) -> None:
    form = replace(FORM, schema="CREATE TABLE notes (text TEXT NOT NULL);")
    path = tmp_path / "notes"
    with closing(open_writable(path, form, log=True)) as db:
        with transaction(db):
            db.execute("INSERT INTO notes VALUES ('late')")
        elsewhere = tmp_path / "copy"
        for ending in ("", "-wal"):
            elsewhere.with_name(f"copy{ending}").write_bytes(
                path.with_name(f"notes{ending}").read_bytes()
            )
    with no_room(), pytest.raises(InputError, match="not closed, and the disk is full; copy it"):
        open_readonly(elsewhere, form)
    with no_room(), pytest.raises(sqlite3.OperationalError) as caught:
        open_writable(elsewhere, form, log=True)
    assert told(caught.value) == "database or disk is full"
    with closing(open_readonly(elsewhere, form)) as db:
        assert db.execute("SELECT text FROM notes").fetchall() == [("late",)]
