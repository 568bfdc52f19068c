"""The run store: samples, judges, votes and verdicts of one run in one SQLite file.

One writer at a time; others may read during a run (WAL). A row per vote, checksummed, with
the raw completion kept, so that everything can be parsed, voted and weighed again without a call.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from deemster.errors import DeemsterError, InputError
from deemster.schemas import Failure, JudgeInfo, Sample, Usage, Verdict, Vote
from deemster.sqlite_file import Format, is_blank, open_readonly, open_writable, transaction

FILE = "run.sqlite"
_VOTE: TypeAdapter[Vote] = TypeAdapter(Vote)


class StoreError(DeemsterError):
    """The store cannot be written, or what is in it is damaged."""


class _RunFormat(Format):
    """Run stores keep their version in a table."""

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        """See `Format.check`."""
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone() is None:
            raise InputError(f"{str(path)!r} is not a run store")
        row = db.execute("SELECT value FROM run WHERE key = 'format'").fetchone()
        found = row and row[0]
        if found != "1":
            raise InputError(f"{str(path)!r} has format {found!r}, this version reads '1'")


_FORMAT = _RunFormat(
    what="run store",
    schema="""
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE judges (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, info TEXT NOT NULL);
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
INSERT INTO run VALUES ('format', '1');
""",
)


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


class RunStore:
    """One run's records. Use as a context manager.

    Args:
        directory: the run directory.
        write: open for writing; makes the directory and the file where they are missing.

    Raises:
        InputError: there is no run, it is from another version, or another process writes it.
    """

    def __init__(self, directory: str | Path, *, write: bool = False) -> None:
        self.directory = Path(directory)
        self.path = self.directory / FILE
        self._lock: FileLock | None = None
        if write:
            self._open_for_writing()
        else:
            self._open_for_reading()

    def _open_for_writing(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.directory / ".lock", timeout=0)
            self._lock.acquire()
        except Timeout as error:
            raise InputError(f"another process is writing {str(self.directory)!r}") from error
        except OSError as error:
            raise InputError(f"cannot write to {str(self.directory)!r}: {error}") from error
        try:
            with self._translated():
                self._db = open_writable(self.path, _FORMAT, log=True)
        except BaseException:
            self._lock.release()
            raise

    def _open_for_reading(self) -> None:
        if not self.path.is_file():
            raise InputError(f"no run in {str(self.directory)!r}: {FILE} is not there")
        with self._translated():
            self._db = open_readonly(self.path, _FORMAT)

    def close(self) -> None:
        """Merge the log into the file and close it. Idempotent."""
        if self._lock is not None:
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing."""
        return transaction(self._db)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise StoreError(f"run store {str(self.path)!r}: {error}") from error

    def value(self, key: str) -> str | None:
        """A recorded fact about the run, or None."""
        row = self._db.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_value(self, key: str, value: str) -> None:
        """Record a fact about the run."""
        self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, value))

    def spent(self, judge: int) -> Usage:
        """What was requested of models for a judge so far; see `RunResult.spent`."""
        text = self.value(f"spent:{judge}")
        return Usage() if text is None else Usage.model_validate_json(text)

    def set_spent(self, judge: int, spent: Usage) -> None:
        """Record what was requested of models for a judge."""
        self.set_value(f"spent:{judge}", spent.model_dump_json())

    def judges(self) -> list[JudgeInfo]:
        """The judges of the run, in order."""
        rows = self._db.execute("SELECT info FROM judges ORDER BY position")
        return [JudgeInfo.model_validate_json(info) for (info,) in rows]

    def set_judges(self, judges: Sequence[JudgeInfo]) -> None:
        """Record the judges, or check that they are those the run was begun with.

        Raises:
            InputError: the run was begun with others.
        """
        known = self.judges()
        if known:
            for old, new in zip(known, judges, strict=False):
                if old != new:
                    raise InputError(_judge_differs(old, new, self.directory))
            if len(known) != len(judges):
                raise InputError(
                    f"the run in {str(self.directory)!r} has {len(known)} judges, not {len(judges)}"
                )
            return
        with self._translated(), self.transaction():
            for position, info in enumerate(judges):
                self._db.execute(
                    "INSERT INTO judges VALUES (?, ?, ?)",
                    (position, info.name, info.model_dump_json()),
                )

    def count_samples(self) -> int:
        """How many samples the run has."""
        (count,) = self._db.execute("SELECT count(*) FROM samples").fetchone()
        return int(count)

    def add_samples(self, samples: Iterable[Sample]) -> int:
        """Append samples, in one transaction; returns how many.

        Raises:
            InputError: two samples have the same id.
        """
        start = self.count_samples()
        position = start
        with self._translated(), self.transaction():
            for sample in samples:
                self.add_in_transaction(position, sample)
                position += 1
        return position - start

    def add_in_transaction(self, position: int, sample: Sample) -> None:
        """Add one sample inside a transaction of the caller's; see `add_samples`."""
        named = sample if sample.id else sample.model_copy(update={"id": str(position)})
        body = _pack(named.model_dump_json())
        try:
            self._db.execute(
                "INSERT INTO samples VALUES (?, ?, ?, ?, ?)",
                (position, named.id, named.subset, body, zlib.crc32(body)),
            )
        except sqlite3.IntegrityError as error:
            raise InputError(
                f"sample id {named.id!r} occurs twice; ids must be unique in a run"
            ) from error

    def samples(self) -> Iterator[tuple[int, Sample]]:
        """(position, sample) in order."""
        rows = self._db.execute(
            "SELECT position, id, body, checksum FROM samples ORDER BY position"
        )
        for position, name, body, checksum in rows:
            yield position, self._sample(name, body, checksum)

    def sample(self, position: int) -> Sample:
        """One sample by its position."""
        row = self._db.execute(
            "SELECT id, body, checksum FROM samples WHERE position = ?", (position,)
        ).fetchone()
        if row is None:
            raise InputError(f"no sample number {position} in {str(self.directory)!r}")
        return self._sample(*row)

    def put(self, judge: int, sample: int, verdict: Verdict) -> None:
        """Store a verdict and its votes at once; one stored before is replaced."""
        with self._translated(), self.transaction():
            self.put_in_transaction(judge, sample, verdict)

    def put_in_transaction(self, judge: int, sample: int, verdict: Verdict) -> None:
        """`put` inside a transaction of the caller's."""
        rows = [(judge, sample, *_vote_row(vote)) for vote in verdict.votes]
        # Only what the votes do not hold: they are put back in when the verdict is read.
        rest = verdict.model_copy(update={"votes": ()})
        body = _pack(rest.model_dump_json())
        self._db.execute("DELETE FROM votes WHERE judge = ? AND sample = ?", (judge, sample))
        self._db.executemany("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.execute(
            "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)",
            (judge, sample, len(verdict.failures), body, zlib.crc32(body)),
        )

    def done(self, judge: int, *, with_failures: bool = True) -> set[int]:
        """Positions of the samples a judge has judged.

        Args:
            judge: its position.
            with_failures: count those too whose verdict has a failed vote.
        """
        rows = self._db.execute(
            "SELECT sample FROM verdicts WHERE judge = ? AND n_failed <= ?",
            (judge, 2**62 if with_failures else 0),
        )
        return {sample for (sample,) in rows}

    def has_meta_rewards(self, judge: int) -> bool:
        """Whether any vote of a judge was rated by a meta RM."""
        row = self._db.execute(
            "SELECT 1 FROM votes WHERE judge = ? AND meta_reward IS NOT NULL LIMIT 1", (judge,)
        ).fetchone()
        return row is not None

    def verdicts(self, judge: int) -> Iterator[tuple[Sample, Verdict]]:
        """(sample, verdict) of one judge in sample order, votes included; read lazily.

        Raises:
            StoreError: a row's checksum is wrong.
        """
        n_judges = len(self.judges())
        if not 0 <= judge < n_judges:
            raise InputError(f"no judge number {judge}; the run has {n_judges}")
        votes = self._votes(judge)
        pending = next(votes, None)
        rows = self._db.execute(
            "SELECT samples.position, samples.id, samples.body, samples.checksum, verdicts.body,"
            " verdicts.checksum FROM verdicts JOIN samples ON samples.position = verdicts.sample"
            " WHERE verdicts.judge = ? ORDER BY verdicts.sample",
            (judge,),
        )
        for position, name, sample_body, sample_sum, body, checksum in rows:
            cast: list[Vote] = []
            while pending is not None and pending[0] <= position:
                if pending[0] == position:
                    cast.append(pending[1])
                pending = next(votes, None)
            sample = self._sample(name, sample_body, sample_sum)
            text = self._unpack(body, checksum, f"verdict of sample {name!r}")
            verdict = Verdict.model_validate_json(text)
            yield sample, verdict.model_copy(update={"votes": tuple(cast)})

    def _votes(self, judge: int) -> Iterator[tuple[int, Vote]]:
        rows = self._db.execute(
            "SELECT sample, draw, body, checksum FROM votes WHERE judge = ? ORDER BY sample, draw",
            (judge,),
        )
        for sample, draw, body, checksum in rows:
            text = self._unpack(body, checksum, f"vote {draw} on sample number {sample}")
            yield sample, _VOTE.validate_json(text)

    def _sample(self, name: str, body: bytes, checksum: int) -> Sample:
        return Sample.model_validate_json(self._unpack(body, checksum, f"sample {name!r}"))

    def _unpack(self, body: bytes, checksum: int, what: str) -> bytes:
        if zlib.crc32(body) != checksum:
            raise StoreError(f"{what} in {str(self.path)!r} is damaged: its checksum is wrong")
        return zlib.decompress(body)


def _vote_row(vote: Vote) -> tuple[object, ...]:
    body = _pack(vote.model_dump_json())
    status, scores, meta_reward = "ok", None, None
    if isinstance(vote, Failure):
        status = vote.status
    else:
        scores, meta_reward = json.dumps(vote.scores), vote.meta_reward
    return (
        vote.draw,
        status,
        scores,
        json.dumps(vote.order),
        vote.seed,
        meta_reward,
        vote.usage.seconds,
        body,
        zlib.crc32(body),
    )


def _pack(text: str) -> bytes:
    return zlib.compress(text.encode(), 1)


def _judge_differs(old: JudgeInfo, new: JudgeInfo, directory: Path) -> str:
    changed = [
        f"{name} was {getattr(old, name)!r}, now {getattr(new, name)!r}"
        for name in JudgeInfo.model_fields
        if getattr(old, name) != getattr(new, name)
    ]
    return (
        f"the run in {str(directory)!r} was begun with another judge: {'; '.join(changed)}; "
        "give another --out"
    )
