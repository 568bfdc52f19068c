"""Whether a log was understood: it holds judgments, and we read what its own tool read."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from deemster.benchmarks import read_rows
from deemster.benchmarks.traces.common import REPEATED, STORED, STORED_TOGETHER
from deemster.benchmarks.traces.verdicts import agrees, together
from deemster.errors import InputError
from deemster.schemas import Judgment, Sample, Vote
from deemster.suites.log_spool import Judged

_SHOWN = 3
"""Ids that a note names."""
_LOOKED_AT = 100
"""Rows of which an error lists the fields."""


class LogChecks:
    """What has to be known of a log before a run is made of it. Keeps no texts."""

    def __init__(self) -> None:
        self.samples = 0
        self.judge = ""
        """As the first sample's metadata names it."""
        self.most_votes = 0
        self._judged = False
        self._reasons: dict[str, None] = {}
        self._ids = array("q")
        """Hashes: a log may have more ids than there is room for."""

    def add(self, sample: Sample, votes: Sequence[Vote]) -> None:
        """Count a sample."""
        if not self.samples:
            self.judge = str(sample.metadata.get("judge") or "")
        self.samples += 1
        if sample.id:
            self._ids.append(hash(sample.id))
        self.most_votes = max(self.most_votes, len(votes))
        for vote in votes:
            if isinstance(vote, Judgment) or vote.raw:
                self._judged = True
            elif len(self._reasons) < _SHOWN:
                self._reasons.setdefault(vote.message)

    def check(self, log: Iterable[Judged], traces: Path, name: str) -> None:
        """Refuse a log that is empty, has an id twice, or not a single vote that can be read.

        Args:
            log: what was added, once more.
            traces: its file.
            name: of its format.

        Raises:
            InputError: so it is. If it has no vote to read, the text lists the fields that it has.
        """
        if not self.samples:
            raise InputError(f"{str(traces)!r} has no rows")
        hashes, times = np.unique(self._ids, return_counts=True)
        if (times > 1).any():
            again = {int(one) for one in hashes[times > 1]}
            found = Counter(sample.id for sample, _ in log if hash(sample.id) in again)
            for id_, count in found.items():
                if count > 1:
                    raise InputError(f"sample id {id_!r} occurs twice; ids must be unique in a run")
        if self._judged:
            return
        try:
            rows = islice(read_rows(traces), _LOOKED_AT)
            fields = ", ".join(dict.fromkeys(str(key) for row in rows for key in row.values))
        except InputError:
            fields = "not a table"
        raise InputError(
            f"format {name!r} finds no completion and no verdict in any of the {self.samples} "
            f"samples of {str(traces)!r} ({'; '.join(self._reasons) or 'no votes'}); fields "
            f"there: {fields}; is it another format, or does it need --columns?"
        )


class LogNotes:
    """What a reader of the figures should know about a log."""

    def __init__(self) -> None:
        self._compared = 0
        self._differ = 0
        self._where: dict[str, None] = {}
        """The first samples that are read otherwise here, and one more."""
        self._repeated = 0
        self._ids = array("q")
        self._first_times = array("q")
        """Of what stands before the number, in ids that end in one (`#2`)."""

    def noting(self, log: Iterable[Judged]) -> Iterator[Judged]:
        """Take every sample in as it passes."""
        for sample, votes in log:
            self._add(sample, votes)
            yield sample, votes

    def _add(self, sample: Sample, votes: Sequence[Vote]) -> None:
        stored = sample.metadata.get(STORED)
        same = [
            agrees(vote, said)
            for vote, said in zip(votes, stored if isinstance(stored, list) else [], strict=False)
        ]
        if STORED_TOGETHER in sample.metadata:
            same.append(together(votes) == sample.metadata[STORED_TOGETHER])
        self._compared += sum(one is not None for one in same)
        self._differ += same.count(False)
        if False in same and len(self._where) <= _SHOWN:
            self._where.setdefault(sample.id)
        self._repeated += int(str(sample.metadata.get(REPEATED, 0)))
        self._ids.append(hash(sample.id))
        before, mark, _ = sample.id.rpartition("#")
        if mark:
            self._first_times.append(hash(before))

    def lines(self) -> tuple[str, ...]:
        """The notes, a line each."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        if self._compared:
            where = ", ".join(islice(self._where, _SHOWN))
            more = ", …" if len(self._where) > _SHOWN else ""
            yield (
                f"verdicts stored in the log: {self._compared}; read otherwise here: {self._differ}"
                + (f" (samples {where}{more})" if self._where else "")
            )
        else:
            yield "verdicts stored in the log: none to compare with"
        if self._repeated:
            yield (
                f"rows that repeat another one word for word: {self._repeated}; "
                "each counts as a vote"
            )
        again = int(np.isin(self._first_times, self._ids).sum()) if self._first_times else 0
        if again:
            yield (f"samples judged again (ids ending in #2, …): {again}; each counts as a sample")
