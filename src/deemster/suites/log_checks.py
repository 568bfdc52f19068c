"""Whether a log was understood: it holds judgments, and we read what its own tool read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from deemster.benchmarks import read_rows
from deemster.benchmarks.traces.common import REPEATED, STORED, STORED_TOGETHER
from deemster.benchmarks.traces.verdicts import agrees, together
from deemster.errors import InputError
from deemster.schemas import Judgment, Sample, Vote

Log = Sequence[tuple[Sample, tuple[Vote, ...]]]
_SHOWN = 3
"""Ids that a note names."""
_LOOKED_AT = 100
"""Rows of which an error lists the fields."""


def check_judged(log: Log, traces: Path, name: str) -> None:
    """Refuse a log of which not a single vote has a verdict or a text to read.

    Raises:
        InputError: so it is. The text lists the fields that the log has.
    """
    votes = [vote for _, votes in log for vote in votes]
    if any(isinstance(vote, Judgment) or vote.raw for vote in votes):
        return
    reasons = dict.fromkeys(vote.message for vote in votes if not isinstance(vote, Judgment))
    try:
        rows = islice(read_rows(traces), _LOOKED_AT)
        fields = ", ".join(dict.fromkeys(str(key) for row in rows for key in row.values))
    except InputError:
        fields = "not a table"
    raise InputError(
        f"format {name!r} finds no completion and no verdict in any of the {len(log)} samples of "
        f"{str(traces)!r} ({'; '.join(islice(reasons, _SHOWN)) or 'no votes'}); fields there: "
        f"{fields}; is it another format, or does it need --columns?"
    )


def notes_on(log: Log) -> tuple[str, ...]:
    """What a reader of the figures should know about a log."""
    return (*_stored(log), *_repeated(log))


def _stored(log: Log) -> Iterator[str]:
    compared, differ = 0, list[str]()
    for sample, votes in log:
        stored = sample.metadata.get(STORED)
        for vote, said in zip(votes, stored if isinstance(stored, list) else [], strict=False):
            same = agrees(vote, said)
            compared += same is not None
            if same is False:
                differ.append(sample.id)
        if STORED_TOGETHER in sample.metadata:
            compared += 1
            if together(votes) != sample.metadata[STORED_TOGETHER]:
                differ.append(sample.id)
    if compared:
        where = ", ".join(islice(dict.fromkeys(differ), _SHOWN))
        yield (
            f"verdicts stored in the log: {compared}; read otherwise here: {len(differ)}"
            + (f" (samples {where}{', …' if len(set(differ)) > _SHOWN else ''})" if differ else "")
        )
    else:
        yield "verdicts stored in the log: none to compare with"


def _repeated(log: Log) -> Iterator[str]:
    rows = sum(int(str(sample.metadata.get(REPEATED, 0))) for sample, _ in log)
    if rows:
        yield f"rows that repeat another one word for word: {rows}; each counts as a vote"
    ids = {sample.id for sample, _ in log}
    again = [name for name in ids if name.rpartition("#")[0] in ids]
    if again:
        yield f"samples judged again (ids ending in #2, …): {len(again)}; each counts as a sample"
