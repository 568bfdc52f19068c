"""Turns other tools' judge logs into runs: parsed by our parsers, decided by our aggregators."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from deemster.aggregators import parse_aggregator
from deemster.benchmarks import Judged, TraceFormat, open_reader
from deemster.benchmarks.opening import Read
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import JudgeInfo
from deemster.suites.log_checks import Log, check_judged, notes_on
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
    log: Log = list(opened.read(traces, data, judge=judge))
    if not log:
        raise InputError(f"{str(traces)!r} has no rows")
    _check_ids(log)
    check_judged(log, traces, opened.name)
    most = max(len(votes) for _, votes in log)
    name = judge or str(log[0][0].metadata.get("judge") or opened.name)
    info = JudgeInfo(
        name=name, model=name, dialect=dialect or opened.dialect, k=most, aggregator=own,
        principles="imported", min_valid=opened.min_valid(most),
    )  # fmt: skip
    if dialect and dialect != opened.dialect:
        log = _reread(log, dialect, info)
    judged = _decided(log, info, opened)
    figures = opened.figures(judged)
    if (spec, k) != (own, None):
        info = info.model_copy(update={"aggregator": spec, "k": min(k or most, most)})
        judged = _decided([(sample, votes[:k]) for sample, votes in log], info, opened)
    about = {"published": figures, "notes": notes_on(log)}
    verdicts = ((sample, verdict) for sample, _, verdict in judged)
    summary = write_new_run(out, info, verdicts).model_copy(update=about)
    write_summary(out, {info.name: summary})
    return summary


def _reread(log: Log, dialect: str, info: JudgeInfo) -> Log:
    """The log, its texts read by another dialect."""
    read = rereader(dialect, info)
    return [
        (
            sample.model_copy(update={"metadata": sample.metadata | {"dialect": dialect}}),
            tuple(read(sample, vote) for vote in votes),
        )
        for sample, votes in log
    ]


def _spec(aggregator: str) -> str:
    return str(parse_aggregator(aggregator))


def _check_ids(log: Log) -> None:
    """Checked before anything is written, as ids in the store must be unique."""
    times = Counter(sample.id for sample, _ in log)
    twice = next((name for name, count in times.items() if name and count > 1), None)
    if twice is not None:
        raise InputError(f"sample id {twice!r} occurs twice; ids must be unique in a run")


def _decided(log: Log, info: JudgeInfo, reader: TraceFormat) -> Judged:
    reducer = parse_aggregator(info.aggregator)
    return [
        (
            sample,
            votes,
            decide(
                votes,
                n=len(sample.responses),
                k=len(votes),
                reducer=reducer,
                info=info,
                min_valid=reader.min_valid(len(votes)),
            ),
        )
        for sample, votes in log
    ]
