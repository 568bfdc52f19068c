"""The run store: samples, judges, votes and verdicts of one run in one SQLite file.

One writer at a time; readers may look on while a run goes (WAL). A row per vote, with the raw
completion kept, so that everything can be parsed, voted and weighed again without a call. Whoever
opens a store reads all of it once and is told what is damaged; see `store_format`.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

from filelock import FileLock
from pydantic import BaseModel, TypeAdapter, ValidationError

from deemster.errors import InputError
from deemster.schemas import (
    Failure,
    JudgeInfo,
    Sample,
    Usage,
    Verdict,
    Vote,
    first_problem,
)
from deemster.sqlite_file import fold, open_readonly, open_writable, told, transaction
from deemster.suites.run_folder import FILE, lock_run
from deemster.suites.same_judges import check_same_judges
from deemster.suites.store_format import (
    FORMAT,
    REMEDY,
    StoreError,
    admit,
    contents,
    row_checksum,
    upgrade,
)

M = TypeVar("M", bound=BaseModel)
_AT_ONCE = 256
"""Judged samples per transaction: SQLite's log of one is as large as what it writes."""
_VOTE: TypeAdapter[Vote] = TypeAdapter(Vote)


class RunStore:
    """One run's records. Use as a context manager.

    Args:
        directory: the run directory.
        write: open for writing; makes the directory and the file where they are missing.

    Raises:
        InputError: there is no run, it is from another version, or another process writes it.
        StoreError: it is damaged; the text says what is not.
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
        self._lock = lock_run(self.directory)
        try:
            with self._translated():
                self._db = open_writable(self.path, FORMAT, log=True)
                admit(self._db)
                upgrade(self._db)
        except BaseException:
            self._lock.release()
            raise

    def _open_for_reading(self) -> None:
        if not self.path.exists():
            raise InputError(f"no run in {str(self.directory)!r}: {FILE} is not there")
        with self._translated():
            self._db = open_readonly(self.path, FORMAT)

    def close(self) -> None:
        """Merge the log into the file and close it: a run at rest is one file. Idempotent."""
        if self._lock is not None:
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        # A reader that looked on until after the writer had gone leaves an empty log.
        log = self.path.with_name(f"{FILE}-wal")
        if self._lock is not None or (log.exists() and not log.stat().st_size):
            fold(self.path)
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
        except sqlite3.OperationalError as error:  # locked, no space, not readable
            raise StoreError(f"run store {str(self.path)!r}: {told(error)}") from error
        except sqlite3.ProgrammingError:  # a store that was closed
            raise
        except (sqlite3.DatabaseError, zlib.error) as error:
            raise StoreError(
                f"run store {str(self.path)!r} is damaged: {told(error)}; {REMEDY}"
            ) from error
        except ValidationError as error:
            raise StoreError(
                f"run store {str(self.path)!r} holds a record that this version of deemster "
                f"cannot read: {first_problem(error)}"
            ) from error

    def value(self, key: str) -> str | None:
        """A fact about the run, or None."""
        row = next(self._rows("SELECT value FROM run WHERE key = ?", key), None)
        return None if row is None else str(row[0])

    def set_value(self, key: str, value: str) -> None:
        """Note a fact about the run."""
        with self._translated():
            self._db.execute(
                "INSERT INTO run VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value, checksum = excluded.checksum",
                (key, value, row_checksum(key, value)),
            )

    def spent(self, judge: int) -> Usage:
        """What was requested of models for a judge so far; see `RunResult.spent`."""
        text = self.value(f"spent:{judge}")
        return Usage() if text is None else self._read(Usage, text)

    def set_spent(self, judge: int, spent: Usage) -> None:
        """Record what was requested of models for a judge."""
        self.set_value(f"spent:{judge}", spent.model_dump_json())

    def judges(self) -> list[JudgeInfo]:
        """The judges of the run, in order."""
        rows = self._rows("SELECT info FROM judges ORDER BY position")
        return [self._read(JudgeInfo, info) for (info,) in rows]

    def contents(self) -> str:
        """Which judges and samples it has, as a hash; the same for all runs of a suite."""
        with self._translated():
            return contents(self._db)

    def set_judges(self, judges: Sequence[JudgeInfo]) -> None:
        """Record the judges, or check that they are those the run was begun with.

        Raises:
            InputError: the run was begun with others.
        """
        if self.has_judges(judges):
            return
        with self._translated(), self.transaction():
            for position, info in enumerate(judges):
                row = (position, info.name, info.model_dump_json())
                self._db.execute("INSERT INTO judges VALUES (?, ?, ?, ?)", _summed(*row))

    def has_judges(self, judges: Sequence[JudgeInfo]) -> bool:
        """Whether the run has these judges; not where none are recorded yet.

        Raises:
            InputError: the run was begun with others.
        """
        known = self.judges()
        if known:
            check_same_judges(known, judges, self.directory)
        return bool(known)

    def count_samples(self) -> int:
        """How many samples the run has."""
        ((count,),) = self._rows("SELECT count(*) FROM samples")
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

    def adding(self, judged: Iterable[tuple[Sample, Verdict]]) -> Iterator[tuple[Sample, Verdict]]:
        """Append samples with the first judge's verdicts, and pass each on once it is stored.

        In several transactions: what was passed on stays, whatever comes later.

        Raises:
            InputError: two samples have the same id.
        """
        position, rest = self.count_samples(), iter(judged)
        while chunk := list(islice(rest, _AT_ONCE)):
            stored = []
            with self._translated(), self.transaction():
                for sample, verdict in chunk:
                    stored.append((self.add_in_transaction(position, sample), verdict))
                    self.put_in_transaction(0, position, verdict)
                    position += 1
            yield from stored

    def add_in_transaction(self, position: int, sample: Sample) -> Sample:
        """Add one sample in a transaction of the caller's, see `add_samples`; returns it named."""
        named = sample if sample.id else sample.model_copy(update={"id": str(position)})
        body = _pack(named.model_dump_json())
        try:
            self._db.execute(
                "INSERT INTO samples VALUES (?, ?, ?, ?, ?)",
                _summed(position, named.id, named.subset, body),
            )
        except sqlite3.IntegrityError as error:
            raise InputError(
                f"sample id {named.id!r} occurs twice; ids must be unique in a run"
            ) from error
        return named

    def samples(self) -> Iterator[tuple[int, Sample]]:
        """(position, sample) in order."""
        for position, body in self._rows("SELECT position, body FROM samples ORDER BY position"):
            yield position, self._read(Sample, zlib.decompress(body))

    def sample(self, position: int) -> Sample:
        """One sample by its position."""
        row = next(self._rows("SELECT body FROM samples WHERE position = ?", position), None)
        if row is None:
            raise InputError(f"no sample number {position} in {str(self.directory)!r}")
        return self._read(Sample, zlib.decompress(row[0]))

    def put(self, judge: int, sample: int, verdict: Verdict) -> None:
        """Store a verdict and its votes at once; one stored before is replaced."""
        with self._translated(), self.transaction():
            self.put_in_transaction(judge, sample, verdict)

    def put_in_transaction(self, judge: int, sample: int, verdict: Verdict) -> None:
        """`put` inside a transaction of the caller's."""
        rows = [_summed(judge, sample, *_vote_row(vote)) for vote in verdict.votes]
        # Only what the votes do not tell: they are put back in when the verdict is read.
        rest = verdict.model_copy(update={"votes": ()})
        body = _pack(rest.model_dump_json())
        self._db.execute("DELETE FROM votes WHERE judge = ? AND sample = ?", (judge, sample))
        self._db.executemany("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.execute(
            "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " n_failed = excluded.n_failed, body = excluded.body, checksum = excluded.checksum",
            _summed(judge, sample, len(verdict.failures), body),
        )

    def left(self, judge: int, *, with_failures: bool = False) -> array[int]:
        """Positions of the samples that a judge has not judged, in order.

        Eight bytes each: a run may have more samples than there is room for as objects.

        Args:
            judge: its position.
            with_failures: count those too whose verdict has a failed vote.
        """
        rows = self._rows(
            "SELECT position FROM samples WHERE NOT EXISTS (SELECT 1 FROM verdicts WHERE judge = ?"
            " AND sample = position AND n_failed <= ?) ORDER BY position",
            judge,
            0 if with_failures else 2**62,
        )
        return array("q", (position for (position,) in rows))

    def has_meta_rewards(self, judge: int) -> bool:
        """Whether any vote of a judge was rated by a meta RM."""
        rows = self._rows(
            "SELECT 1 FROM votes WHERE judge = ? AND meta_reward IS NOT NULL LIMIT 1", judge
        )
        return next(rows, None) is not None

    def verdicts(self, judge: int) -> Iterator[tuple[Sample, Verdict]]:
        """(sample, verdict) of one judge in sample order, votes included; read lazily.

        Raises:
            InputError: there is no such judge.
        """
        votes = self._votes(judge)
        pending = next(votes, None)
        for position, sample, verdict in self.verdicts_alone(judge):
            cast: list[Vote] = []
            while pending is not None and pending[0] <= position:
                if pending[0] == position:
                    cast.append(pending[1])
                pending = next(votes, None)
            yield sample, verdict.model_copy(update={"votes": tuple(cast)})

    def verdicts_alone(self, judge: int) -> Iterator[tuple[int, Sample, Verdict]]:
        """(position, sample, verdict without its votes) of one judge, as `verdicts` gives them."""
        n_judges = len(self.judges())
        if not 0 <= judge < n_judges:
            raise InputError(f"no judge number {judge}; the run has {n_judges}")
        rows = self._rows(
            "SELECT samples.position, samples.body, verdicts.body FROM verdicts"
            " JOIN samples ON samples.position = verdicts.sample"
            " WHERE verdicts.judge = ? ORDER BY verdicts.sample",
            judge,
        )
        for position, sample, body in rows:
            yield (
                position,
                self._read(Sample, zlib.decompress(sample)),
                self._read(Verdict, zlib.decompress(body)),
            )

    def ids(self) -> Iterator[tuple[str, int]]:
        """(id, position) of all samples, by id; read lazily."""
        yield from self._rows("SELECT id, position FROM samples ORDER BY id")

    def _votes(self, judge: int) -> Iterator[tuple[int, Vote]]:
        rows = self._rows(
            "SELECT sample, body FROM votes WHERE judge = ? ORDER BY sample, draw", judge
        )
        for sample, body in rows:
            with self._translated():
                vote = _VOTE.validate_json(zlib.decompress(body))
            yield sample, vote

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with self._translated():
            rows = self._db.execute(query, values)
            # Not `yield from`: it would close the cursor when the generator goes, after the store.
            while (row := rows.fetchone()) is not None:
                yield row

    def _read(self, model: type[M], text: str | bytes) -> M:
        with self._translated():
            return model.model_validate_json(text)


def _summed(*row: object) -> tuple[object, ...]:
    return (*row, row_checksum(*row))


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
        float(vote.usage.seconds),
        body,
    )


def _pack(text: str) -> bytes:
    return zlib.compress(text.encode(), 1)
