"""Turns other tools' judge logs into runs: parsed by our parsers, decided by our aggregators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deemster.aggregators import parse_aggregator
from deemster.benchmarks import Judged, TraceFormat, open_trace_format
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import JudgeInfo, Sample, Vote
from deemster.suites.metrics import Summary
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_judge, write_summary

Log = Sequence[tuple[Sample, tuple[Vote, ...]]]


def import_run(
    format_name: str,
    *,
    traces: Path,
    out: Path,
    data: Path | None = None,
    judge: str | None = None,
    aggregator: str | None = None,
    k: int | None = None,
) -> Summary:
    """Make a run of a judge log.

    Args:
        format_name: a name in `deemster.benchmarks.TRACE_FORMATS`.
        traces: the log.
        out: run directory to make; it must not hold a run yet.
        data: the judged data, where the log does not hold it.
        judge: which judge, where the log holds several.
        aggregator: spec; None for the rule of the log's own tool.
        k: only the first k votes of each sample.

    Returns:
        The summary. Its `published` figures are those of the whole log by the rule of the log's
        own tool: neither `aggregator` nor `k` changes them.

    Raises:
        InputError: a file or an argument is wrong; nothing is written then.
    """
    reader = open_trace_format(format_name)
    own = _spec(reader.aggregator)
    spec = _spec(aggregator or reader.aggregator)
    if k is not None and k < 1:
        raise InputError(f"k must be >= 1, got {k}")
    check_new(out)
    log = list(reader.read(traces, data, judge=judge))
    if not log:
        raise InputError(f"{str(traces)!r} has no rows")
    _check_ids(log)
    most = max(len(votes) for _, votes in log)
    name = judge or str(log[0][0].metadata.get("judge") or format_name)
    info = JudgeInfo(
        name=name, model=name, dialect=reader.dialect, k=most, aggregator=own,
        principles="imported", min_valid=reader.min_valid(most),
    )  # fmt: skip
    judged = _decided(log, info, reader)
    figures = reader.figures(judged)
    if (spec, k) != (own, None):
        info = info.model_copy(update={"aggregator": spec, "k": min(k or most, most)})
        judged = _decided([(sample, votes[:k]) for sample, votes in log], info, reader)
    summary = _write(out, info, judged).model_copy(update={"published": figures})
    write_summary(out, {info.name: summary})
    return summary


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


def _write(out: Path, info: JudgeInfo, judged: Judged) -> Summary:
    with RunStore(out, write=True) as store:
        store.set_judges([info])
        with store.transaction():
            for position, (sample, _, verdict) in enumerate(judged):
                store.add_in_transaction(position, sample)
                store.put_in_transaction(0, position, verdict)
        return summarise_judge(store, 0)


def check_new(out: Path) -> None:
    """Raise `InputError` if a run is already in a directory."""
    if (out / "run.sqlite").exists():
        raise InputError(f"{str(out)!r} already holds a run; give another --out")
