"""Other tools' judge logs become runs: parsed by our parsers, decided by our aggregators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deemster.aggregators import parse_aggregator
from deemster.benchmarks import open_trace_format
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import JudgeInfo, Sample, Vote
from deemster.suites.metrics import Summary
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_judge, write_summary


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

    Raises:
        InputError: a file or an argument is wrong; nothing is written then.
    """
    reader = open_trace_format(format_name)
    spec = str(parse_aggregator(aggregator or reader.aggregator))
    reducer = parse_aggregator(spec)
    if k is not None and k < 1:
        raise InputError(f"k must be >= 1, got {k}")
    rows = reader.read(traces, data, judge=judge)
    first = next(rows, None)  # reading starts here: a wrong file is told before anything is made
    if first is None:
        raise InputError(f"{str(traces)!r} has no rows")
    check_new(out)
    drawn = [(sample, votes[:k]) for sample, votes in _with_first(first, rows)]
    most = max(len(votes) for _, votes in drawn)
    name = judge or str(first[0].metadata.get("judge") or format_name)
    info = JudgeInfo(
        name=name, model=name, dialect=reader.dialect, k=k or most, aggregator=spec,
        principles="imported",
    )  # fmt: skip
    with RunStore(out, write=True) as store:
        store.set_judges([info])
        store.add_samples(sample for sample, _ in drawn)
        with store.transaction():
            for position, (sample, votes) in enumerate(drawn):
                verdict = decide(
                    votes, n=len(sample.responses), k=len(votes), reducer=reducer, info=info
                )
                store.put_in_transaction(0, position, verdict)
        summary = summarise_judge(store, 0)
    write_summary(out, {info.name: summary})
    return summary


def check_new(out: Path) -> None:
    """Raise `InputError` if a run is already in a directory."""
    if (out / "run.sqlite").exists():
        raise InputError(f"{str(out)!r} already holds a run; give another --out")


def _with_first(
    first: tuple[Sample, tuple[Vote, ...]], rest: Iterator[tuple[Sample, tuple[Vote, ...]]]
) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
    yield first
    yield from rest
