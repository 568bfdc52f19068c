"""Cassettes: model calls recorded in one SQLite file, to be played back without the model.

Two tables: `prompts` holds each request once, as readable JSON; `draws` holds one completion per
draw, with a checksum, under `Request.key(model, draw)`. Failures are never recorded, so they are
asked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from deemster.backends.base import Request
from deemster.errors import InputError
from deemster.json_text import with_crc, without_crc
from deemster.schemas import Completion, Message, Question, Sampling, first_problem
from deemster.sqlite_file import Format, fold, open_readonly, open_writable, told, transaction

_FORMAT = Format(
    what="cassette",
    application=0x64656D73,  # "dems"
    version=1,
    remedy="; record it again",
    schema="""
CREATE TABLE prompts (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, messages TEXT NOT NULL, request TEXT NOT NULL
) STRICT;
CREATE TABLE draws (
    key TEXT PRIMARY KEY, prompt TEXT NOT NULL REFERENCES prompts (id), seed TEXT NOT NULL,
    completion TEXT NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE INDEX prompts_by_messages ON prompts (messages);
CREATE INDEX draws_by_prompt ON draws (prompt);
""",
)

_INSERT = "INSERT OR IGNORE INTO draws VALUES (?, ?, ?, ?, ?)"
_REPLACE = "INSERT OR REPLACE INTO draws VALUES (?, ?, ?, ?, ?)"
_PROMPTS = 4096
_CHUNK = 500  # keys per query; SQLite allows 999 variables in old builds


class Cassette:
    """Recorded draws in one file. Safe for several threads and several writing processes.

    The file is opened when first used, and again when used after `close`. While it is open for
    writing, SQLite keeps two more files beside it (`-wal`, `-shm`); the last writer's `close`
    folds them back into the one file.

    Args:
        path: the file; made if missing, unless `readonly`.
        readonly: never write, not even beside the file, where its directory is not writable.

    Raises:
        InputError: from every method, if the file cannot be opened, is damaged, or is no
            cassette of this version.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        self.path = Path(path)
        self.readonly = readonly
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._prompts: dict[tuple[str, str], str] = {}
        """Ids of prompts that are in the file, by `Request.prompt` and model: some of them."""

    def get(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The recorded completions of those keys that have one."""
        keys = list(keys)
        found: dict[str, Completion] = {}
        with self._use() as db:
            for start in range(0, len(keys), _CHUNK):
                chunk = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                query = f"SELECT key, completion FROM draws WHERE key IN ({marks})"  # noqa: S608
                for key, text in db.execute(query, chunk):
                    found[key] = _load(text, key)
        return found

    def put(
        self,
        request: Request,
        model: str,
        completions: Mapping[int, Completion],
        *,
        replace: bool = False,
        wait: bool = True,
    ) -> dict[int, Completion]:
        """Record draws (by their number in `request`), all or none.

        Args:
            request: the prompt.
            model: who answered.
            completions: by draw.
            replace: put these in place of earlier recordings.
            wait: wait while another process writes.

        Returns:
            What the cassette now holds for them. Without `replace` an earlier recording stays,
            so that two writers of one draw agree on its text.

        Raises:
            BlockingIOError: another process is writing, and `wait` is false.
        """
        # Draws of a prompt come one by one, and writing it out takes longer than all the rest.
        prompt, readable = self._prompts.get((request.prompt, model)), ""
        if prompt is None:
            readable = _readable(request)
            prompt = _prompt_id(readable, model)
        keys = {draw: request.key(model, draw) for draw in completions}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = [
            (keys[draw], prompt, str(seed_of(request, draw)), _dump(completion, keys[draw]), now)
            for draw, completion in completions.items()
        ]
        with self._use() as db:
            with transaction(db, wait=wait):
                if readable:
                    db.execute(
                        "INSERT OR IGNORE INTO prompts VALUES (?, ?, ?, ?)",
                        (prompt, model, messages_hash(request), readable),
                    )
                written = db.executemany(_REPLACE if replace else _INSERT, rows).rowcount
                held = {} if written == len(rows) else self.get(keys.values())
            if len(self._prompts) >= _PROMPTS:
                self._prompts.clear()
            self._prompts[request.prompt, model] = prompt
        return {draw: held.get(key, completions[draw]) for draw, key in keys.items()}

    def models(self) -> list[str]:
        """Names of the models recorded, sorted."""
        with self._use() as db:
            return [row[0] for row in db.execute("SELECT DISTINCT model FROM prompts ORDER BY 1")]

    def seeds(self, prompt: str, *, limit: int = 1000) -> list[int]:
        """Seeds recorded for the prompt with that `prompt_id`, ascending."""
        with self._use() as db:
            query = "SELECT seed FROM draws WHERE prompt = ? LIMIT ?"
            return sorted(int(row[0]) for row in db.execute(query, (prompt, limit)))

    def requests(
        self, *, messages: str | None = None, model: str | None = None, limit: int = 200
    ) -> list[tuple[str, Request]]:
        """(model, request with one draw and no seeds) of each prompt, those that match.

        Args:
            messages: a `messages_hash`.
            model: the name of a model.
            limit: how many at most.
        """
        with self._use() as db:
            rows = db.execute(
                "SELECT model, request FROM prompts WHERE messages = coalesce(?, messages)"
                " AND model = coalesce(?, model) ORDER BY rowid LIMIT ?",
                (messages, model, limit),
            )
            return [(row[0], _request(row[1])) for row in rows]

    def __len__(self) -> int:
        """How many draws are recorded."""
        with self._use() as db:
            count: int = db.execute("SELECT count(*) FROM draws").fetchone()[0]
            return count

    def close(self) -> None:
        """Close the file, and make it one file again if nobody else has it open. Idempotent."""
        with self._lock:
            if self._connection is None:
                return
            self._connection.close()
            self._connection = None
            self._prompts.clear()  # the file may be another one when it is opened again
            if not self.readonly:
                fold(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except (InputError, BlockingIOError):
                raise
            except (sqlite3.Error, OSError, ValueError) as error:
                raise InputError(
                    f"cannot use cassette {str(self.path)!r}: {told(error)}"
                ) from error

    def _open(self) -> sqlite3.Connection:
        if not self.readonly:
            return open_writable(self.path, _FORMAT, log=True)
        if not self.path.is_file():
            raise InputError(f"no cassette at {str(self.path)!r}; record one with RecordBackend")
        return open_readonly(self.path, _FORMAT)


def prompt_id(request: Request, model: str) -> str:
    """What all draws of one prompt at one model share: 32 hex digits."""
    return _prompt_id(_readable(request), model)


def messages_hash(request: Request) -> str:
    """Identity of the messages alone, whatever the model and the settings: 32 hex digits."""
    return _hash(json.dumps([message.to_openai() for message in request.messages], sort_keys=True))


def seed_of(request: Request, draw: int) -> int:
    """The seed that identifies a draw: its own, or its number where the request has none."""
    return request.seeds[draw] if request.seeds else draw


def _prompt_id(readable: str, model: str) -> str:
    return _hash(model + "\n" + readable)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _dump(completion: Completion, key: str) -> str:
    # Python's own JSON writes minus infinity (impossible tokens) in a way that it reads again.
    fields = completion.model_dump(mode="json", exclude_defaults=True)
    return with_crc(json.dumps(fields, ensure_ascii=False), key)


def _load(text: str, key: str) -> Completion:
    try:
        return Completion.model_validate(json.loads(without_crc(text, key)))
    except ValueError as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else error
        raise ValueError(
            f"the recorded completion {told(key)!r} cannot be read: {told(problem)}; restore the "
            "file, or delete it to ask again"
        ) from error


def _readable(request: Request) -> str:
    """The request as JSON without what tells its draws apart."""
    fields: dict[str, object] = {
        "messages": [message.to_openai() for message in request.messages],
        "sampling": request.sampling.model_dump(mode="json"),
        "json_schema": request.json_schema,
        "prefix": request.prefix,
    }
    if request.questions:
        fields["questions"] = [question.model_dump(mode="json") for question in request.questions]
    return json.dumps(fields, ensure_ascii=False)


def _request(text: str) -> Request:
    fields = json.loads(text)
    return Request(
        messages=tuple(Message.model_validate(message) for message in fields["messages"]),
        sampling=Sampling.model_validate(fields["sampling"]),
        json_schema=fields["json_schema"],
        prefix=fields["prefix"],
        questions=tuple(Question.model_validate(one) for one in fields.get("questions", ())),
    )
