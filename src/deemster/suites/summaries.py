"""`summary.json`: the figures of a run, computed from its store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from deemster.aggregators import Pipeline, Reducer, Selector, TopK, parse_aggregator
from deemster.files import writing
from deemster.schemas import JudgeInfo, Sample, Usage, Verdict
from deemster.suites.metrics import (
    FailureReasons,
    Item,
    Standing,
    Summary,
    standings,
    summarise,
)
from deemster.suites.run_folder import FILE as RUN
from deemster.suites.store import RunStore
from deemster.suites.store_format import contents
from deemster.suites.summary_file import FILE, seal
from deemster.suites.thresholds import ThresholdResult


def summarise_run(store: RunStore) -> tuple[dict[str, Summary], tuple[Standing, ...]]:
    """The figures of every judge of a run, by name, and the judges best first if several."""
    runs, summaries = {}, {}
    for number, info in enumerate(store.judges()):
        runs[info.name], summaries[info.name] = _judged(store, number)
    return summaries, standings(runs, summaries) if len(runs) > 1 else ()


def _judged(store: RunStore, judge: int) -> tuple[list[Item], Summary]:
    return summarise_verdicts(store.verdicts(judge), store.judges()[judge])


def summarise_verdicts(
    rows: Iterable[tuple[Sample, Verdict]], info: JudgeInfo
) -> tuple[list[Item], Summary]:
    """The items and figures of one judge's verdicts, read once."""
    items, reasons = [], FailureReasons()
    for sample, verdict in rows:
        items.append(Item.from_verdict(sample, verdict))
        reasons.add(sample, verdict)
    reducer, k_meta = curve_rule(info)
    summary = summarise(
        items, judge=info, reducer=reducer, k_meta=k_meta, failure_reasons=reasons.commonest()
    )
    return items, summary


def curve_rule(info: JudgeInfo) -> tuple[Reducer | None, int | None]:
    """How the accuracy@k curves vote: the judge's aggregator without selection by meta reward."""
    if not info.aggregator or info.members:
        return None, None
    reducer = parse_aggregator(info.aggregator)
    if not isinstance(reducer, Pipeline):
        return reducer, None
    k_meta = next((step.k_meta for step in reducer.steps if isinstance(step, TopK)), None)
    rest: list[Selector] = [step for step in reducer.steps if not isinstance(step, TopK)]
    return (Pipeline(tuple(rest), reducer.last) if rest else reducer.last), k_meta


def write_summary(
    directory: Path,
    summaries: Mapping[str, Summary],
    *,
    spent: Mapping[str, Usage] | None = None,
    standings: Sequence[Standing] = (),
    thresholds: Sequence[ThresholdResult] = (),
) -> None:
    """Write `summary.json`: the first judge's figures, and all of them under `judges`.

    The file is replaced in one step: a reader sees the old one or the new one. What only it tells
    is sealed, see `summary_file`.

    Args:
        directory: of the run.
        summaries: by judge.
        spent: by judge, what was requested of models for it; None if nothing was.
        standings: the judges, best first.
        thresholds: of the suite, and whether they hold.
    """
    first = next(iter(summaries.values()))
    record = first.model_dump(mode="json")
    record["judges"] = {name: one.model_dump(mode="json") for name, one in summaries.items()}
    if spent is not None:
        record["spent"] = {name: one.model_dump(mode="json") for name, one in spent.items()}
    if standings:
        record["standings"] = [one.model_dump(mode="json") for one in standings]
    if thresholds:
        record["thresholds"] = [one.model_dump(mode="json") for one in thresholds]
    # Not by `RunStore`, which would read all that was just written.
    uri = f"{(directory / RUN).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as db:
        record["seal"] = seal(record, contents(db))
    with writing(directory / FILE):
        write_json(directory / FILE, record)


def published_tables(figures: Mapping[str, float]) -> list[dict[str, dict[str, float]]]:
    """Published figures as tables, each of parts of the log that have the same figures.

    A name `PART/FIGURE` is of a part, any other of the whole log, whose part is "".
    """
    parts: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        part, _, figure = name.rpartition("/")
        parts.setdefault(part, {})[figure] = value
    tables: dict[tuple[bool, *tuple[str, ...]], dict[str, dict[str, float]]] = {}
    for part, found in parts.items():
        tables.setdefault((part == "", *found), {})[part] = found
    return list(tables.values())


def write_json(path: Path, record: object) -> None:
    """Write indented JSON in one step."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, (text, "\n"))


def write_text(path: Path, pieces: Iterable[str]) -> None:
    """Write a text, given in pieces, in one step: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    # A name of a file may hold bytes that are no text: they are shown as JSON escapes them.
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(pieces)
    temporary.replace(path)
