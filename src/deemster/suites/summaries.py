"""`summary.json`: the figures of a run, computed from its store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from deemster.aggregators import Pipeline, Reducer, Selector, TopK, parse_aggregator
from deemster.schemas import JudgeInfo, Usage
from deemster.suites.metrics import Item, Summary, summarise
from deemster.suites.store import RunStore

FILE = "summary.json"


def summarise_judge(store: RunStore, judge: int) -> Summary:
    """The figures of one judge of a run; reads the store once, keeps no texts."""
    info = store.judges()[judge]
    items = [Item.from_verdict(sample, verdict) for sample, verdict in store.verdicts(judge)]
    reducer, k_meta = curve_rule(info)
    return summarise(items, judge=info, reducer=reducer, k_meta=k_meta)


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
    directory: Path, summaries: Mapping[str, Summary], *, spent: Mapping[str, Usage] | None = None
) -> None:
    """Write `summary.json`: the first judge's figures, and all of them under `judges`.

    The file is replaced in one step: a reader sees the old one or the new one.

    Args:
        directory: of the run.
        summaries: by judge.
        spent: by judge, what was requested of models for it; None if nothing was.
    """
    first = next(iter(summaries.values()))
    record = first.model_dump(mode="json")
    record["judges"] = {name: one.model_dump(mode="json") for name, one in summaries.items()}
    if spent is not None:
        record["spent"] = {name: one.model_dump(mode="json") for name, one in spent.items()}
    write_json(directory / FILE, record)


def write_json(path: Path, record: object) -> None:
    """Write indented JSON in one step."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
