"""Turns other tools' judge logs into runs: parsed by our parsers, decided by our aggregators.

A log is read once, into a file beside the run, because all of it decides how each sample is judged:
the most votes that one has, for example. From there it goes into the run, sample by sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deemster.aggregators import parse_aggregator
from deemster.benchmarks import TRACE_FORMATS, Figures, TraceFormat, open_reader
from deemster.benchmarks.base import TraceReader
from deemster.benchmarks.opening import Read
from deemster.errors import DeemsterError, InputError
from deemster.judges import decide
from deemster.schemas import JudgeInfo, Sample, Verdict, Vote
from deemster.suites.log_checks import LogChecks, LogNotes
from deemster.suites.log_spool import Judged, LogSpool
from deemster.suites.metrics import Summary
from deemster.suites.new_run import check_new, write_new_run
from deemster.suites.rereading import rereader
from deemster.suites.summaries import write_summary


def import_run(
    reader: str | TraceFormat | Read,
    *,
    traces: Path,
    out: Path,
    data: Path | None = None,
    judge: str | None = None,
    aggregator: str | None = None,
    k: int | None = None,
    dialect: str | None = None,
    columns: str | None = None,
) -> Summary:
    """Make a run of a judge log.

    Args:
        reader: a name in `deemster.benchmarks.TRACE_FORMATS`, `module:name` of a reader, or a
            reader itself: an object, or a function from a path to samples with their votes.
        traces: the log.
        out: run directory to make; it must not hold a run yet.
        data: the judged data, where the log does not hold it.
        judge: which judge, where the log holds several; its name, where the log has none.
        aggregator: spec; None for the rule of the log's own tool.
        k: only the first k votes of each sample.
        dialect: reads the judge's texts, in place of the format's own.
        columns: which column of a table holds what, see `parse_columns`.

    Returns:
        The summary. Its `published` figures are those of the whole log by the rule of the log's
        own tool: neither `aggregator` nor `k` changes them. Its `notes` say how many of the
        verdicts that the log stores are read otherwise here.

    Raises:
        InputError: a file or an argument is wrong, or the log holds no judgment that the reader
            knows; nothing is written then.
    """
    opened = open_reader(reader, columns=columns, dialect=dialect)
    own = _spec(opened.aggregator)
    spec = _spec(aggregator or opened.aggregator)
    if k is not None and k < 1:
        raise InputError(f"k must be >= 1, got {k}")
    check_new(out)
    checks, notes = LogChecks(), LogNotes()
    with LogSpool(out) as log:
        for sample, votes in log.fill(_in_layout(opened, traces, data, judge)):
            checks.add(sample, votes)
        checks.check(log, traces, opened.name)
        most = checks.most_votes
        name = judge or checks.judge or opened.name
        info = JudgeInfo(
            name=name, model=name, dialect=dialect or opened.dialect, k=most, aggregator=own,
            principles="imported", min_valid=opened.min_valid(most),
        )  # fmt: skip
        rows: Iterable[Judged] = log
        if dialect and dialect != opened.dialect:
            rows = _Reread(log, dialect, info)
        figures: Figures = {}
        if getattr(type(opened), "figures", None) is not TraceReader.figures:  # of the whole log
            figures = opened.figures(list(_decided(rows, info, opened)))
        if (spec, k) != (own, None):
            info = info.model_copy(update={"aggregator": spec, "k": min(k or most, most)})
        first = ((sample, votes[:k]) for sample, votes in notes.noting(rows))
        judged = ((sample, verdict) for sample, _, verdict in _decided(first, info, opened))
        summary = write_new_run(out, info, judged)
    summary = summary.model_copy(update={"published": figures, "notes": notes.lines()})
    write_summary(out, {info.name: summary})
    return summary


def _in_layout(
    reader: TraceFormat, traces: Path, data: Path | None, judge: str | None
) -> Iterator[Judged]:
    """What a reader reads; a value of another type than its format's is the log's error.

    A reader of the user's own shows where it fails.
    """
    count = 0
    try:
        for judged in reader.read(traces, data, judge=judge):
            count += 1
            yield judged
    except (AttributeError, TypeError, LookupError, ValueError) as error:
        if isinstance(error, DeemsterError) or reader.name not in TRACE_FORMATS.names():
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"{traces} is not in the layout of {reader.name!r}, after {count:,} samples: {said}"
        ) from error


@dataclass(frozen=True)
class _Reread:
    """A log, its texts read by another dialect."""

    log: Iterable[Judged]
    dialect: str
    info: JudgeInfo

    def __iter__(self) -> Iterator[Judged]:
        read = rereader(self.dialect, self.info)
        for sample, votes in self.log:
            noted = sample.metadata | {"dialect": self.dialect}
            yield (
                sample.model_copy(update={"metadata": noted}),
                tuple(read(sample, vote) for vote in votes),
            )


def _spec(aggregator: str) -> str:
    return str(parse_aggregator(aggregator))


def _decided(
    rows: Iterable[Judged], info: JudgeInfo, reader: TraceFormat
) -> Iterator[tuple[Sample, tuple[Vote, ...], Verdict]]:
    reducer = parse_aggregator(info.aggregator)
    for sample, votes in rows:
        verdict = decide(
            votes,
            n=len(sample.responses),
            k=len(votes),
            reducer=reducer,
            info=info,
            min_valid=reader.min_valid(len(votes)),
        )
        yield sample, votes, verdict
