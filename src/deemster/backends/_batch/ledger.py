"""Which requests wait for a batch, which batches were submitted, and what came back.

One SQLite file, written before anything is sent and before anything is waited for, so that a
process that is killed continues where it was: no request is submitted twice, no answer is lost.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec, TypeVar

from deemster.errors import InputError
from deemster.sqlite_file import Format, open_writable, told, transaction

P = ParamSpec("P")
R = TypeVar("R")

_FORMAT = Format(
    what="batch ledger",
    application=0x64656D62,  # "demb"
    version=1,
    remedy="; delete it to submit again what it waits for",
    schema="""
CREATE TABLE submissions (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, file TEXT, asked INTEGER NOT NULL DEFAULT 0,
    batch TEXT, ended INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE lines (
    id TEXT PRIMARY KEY, service TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
    owner INTEGER NOT NULL, submission INTEGER REFERENCES submissions (id),
    tries INTEGER NOT NULL DEFAULT 0,
    status INTEGER, answer TEXT
) STRICT;
CREATE INDEX lines_by_state ON lines (state, service);
CREATE INDEX lines_by_submission ON lines (submission);
""",
)

State = Literal["new", "sent", "answered", "lost"]
"""`new`: to be submitted. `sent`: in a batch. `answered`: what the provider said is known, be it
an error. `lost`: it came back from no batch, and is not tried again."""


@dataclass(frozen=True)
class Line:
    """What is known about one request."""

    state: State
    status: int | None = None
    """HTTP status of the answer."""
    answer: str = ""
    """Body of the answer as JSON; of a lost request, why."""


@dataclass(frozen=True)
class Submission:
    """Requests that went, or are going, into one batch."""

    number: int
    service: str
    file: str | None
    """The provider's id of the uploaded file."""
    asked: bool
    """The provider was asked to make the batch, so that it may exist."""
    batch: str | None
    """The provider's id of it."""


@dataclass(frozen=True)
class Settled:
    """A request that waits for nothing more."""

    line: str
    """Its id."""
    owner: int
    found: Line


def _named(
    method: Callable[Concatenate[BatchLedger, P], R],
) -> Callable[Concatenate[BatchLedger, P], R]:
    """SQLite's errors become an `InputError` that names the file."""

    @functools.wraps(method)
    def calling(ledger: BatchLedger, /, *args: P.args, **options: P.kwargs) -> R:
        try:
            return method(ledger, *args, **options)
        except sqlite3.Error as error:
            raise InputError(
                f"cannot use batch ledger {str(ledger.path)!r}: {told(error)}; restore it from "
                "a copy, or delete it to submit again what it waits for"
            ) from error

    return calling


class BatchLedger:
    """The file. For one process and one event loop.

    Args:
        path: made if missing, readable by its owner alone.

    Raises:
        InputError: it cannot be opened, is damaged, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner = 0
        """Whom requests that are added belong to: a number of the user's."""
        try:
            path.touch(mode=0o600)
            self._db = open_writable(path, _FORMAT, log=True)
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"cannot use batch ledger {str(path)!r}: {told(error)}") from error

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    @_named
    def get(self, line: str) -> Line | None:
        """A request by its id; None if it was never added."""
        row = self._db.execute(
            "SELECT state, status, answer FROM lines WHERE id = ?", (line,)
        ).fetchone()
        return None if row is None else Line(row[0], row[1], row[2] or "")

    @_named
    def add(self, line: str, service: str, body: str) -> None:
        """Note a request that is to be submitted."""
        self._db.execute(
            "INSERT INTO lines (id, service, body, state, owner) VALUES (?, ?, ?, 'new', ?)",
            (line, service, body, self.owner),
        )

    @_named
    def new(self, service: str) -> list[tuple[str, int]]:
        """(id, bytes of the body) of the requests to be submitted, oldest first."""
        query = "SELECT id, length(body) FROM lines WHERE state = 'new' AND service = ?"
        return self._db.execute(f"{query} ORDER BY rowid", (service,)).fetchall()

    @property
    @_named
    def is_needed(self) -> bool:
        """Whether it holds what was bought: answers, or batches that exist or may exist."""
        return self.count("answered") > 0 or any(one.asked for one in self.open())

    @_named
    def count(self, state: State) -> int:
        """How many requests are in a state."""
        row = self._db.execute("SELECT count(*) FROM lines WHERE state = ?", (state,)).fetchone()
        return int(row[0])

    @_named
    def services(self) -> set[str]:
        """The models that requests without an answer are for."""
        query = "SELECT DISTINCT service FROM lines WHERE state IN ('new', 'sent')"
        return {row[0] for row in self._db.execute(query)}

    @_named
    def begin(self, service: str, lines: Iterable[str]) -> Submission:
        """Bind requests to one batch, which is to be made."""
        with transaction(self._db):
            number = self._db.execute(
                "INSERT INTO submissions (service) VALUES (?)", (service,)
            ).lastrowid
            self._db.executemany(
                "UPDATE lines SET state = 'sent', submission = ?, tries = tries + 1 WHERE id = ?",
                ((number, line) for line in lines),
            )
        return Submission(number or 0, service, None, False, None)

    @_named
    def body_of(self, submission: Submission) -> list[tuple[str, str]]:
        """(id, body) of the requests of a batch."""
        query = "SELECT id, body FROM lines WHERE submission = ? ORDER BY rowid"
        return self._db.execute(query, (submission.number,)).fetchall()

    @_named
    def note(
        self, submission: Submission, *, file: str | None = None, batch: str | None = None
    ) -> None:
        """Keep the provider's id of the file, or of the batch."""
        self._db.execute(
            "UPDATE submissions SET file = coalesce(?, file), batch = coalesce(?, batch)"
            " WHERE id = ?",
            (file, batch, submission.number),
        )

    @_named
    def note_asked(self, submission: Submission, asked: bool) -> None:
        """Keep whether the provider was asked to make the batch, so that it may exist."""
        self._db.execute(
            "UPDATE submissions SET asked = ? WHERE id = ?", (asked, submission.number)
        )

    @_named
    def open(self) -> list[Submission]:
        """The batches that have not ended, oldest first."""
        rows = self._db.execute(
            "SELECT id, service, file, asked, batch FROM submissions WHERE ended = 0 ORDER BY id"
        )
        return [Submission(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows]

    @_named
    def settle(
        self,
        submission: Submission,
        answers: dict[str, Line],
        *,
        again: str,
        most_tries: int,
        counts: bool = True,
    ) -> list[Settled]:
        """End a batch: keep its answers, and make the other requests new or lost.

        Args:
            submission: the batch.
            answers: by id; ids that are not of this batch are left out.
            again: why the others have no answer.
            most_tries: batches that a request goes into at most.
            counts: whether this batch was one of them.

        Returns:
            The requests that are answered or lost now.
        """
        ended = []
        with transaction(self._db):
            mine = self._db.execute(
                "SELECT id, owner, tries FROM lines WHERE submission = ? AND state = 'sent'",
                (submission.number,),
            ).fetchall()
            for line, owner, earlier in mine:
                tries = earlier if counts else earlier - 1
                lost = Line("lost" if tries >= most_tries else "new", None, again)
                found = answers.get(line, lost)
                self._db.execute(
                    "UPDATE lines SET state = ?, status = ?, answer = ?, tries = ? WHERE id = ?",
                    (found.state, found.status, found.answer, tries, line),
                )
                if found.state != "new":
                    ended.append(Settled(line, owner, found))
            self._db.execute("UPDATE submissions SET ended = 1 WHERE id = ?", (submission.number,))
        return ended
