"""The training's own figures, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from lab.study.markdown import table


def training_table(figures: Mapping[str, JsonValue]) -> str:
    """What the training reported, one row per figure; of a stage's manifest, its results."""
    return table(("", ""), _flat(figures, ""))


def _flat(figures: Mapping[str, JsonValue], above: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            rows += _flat(_came_to(value), f"{above}{name}: ")
        else:
            rows.append((f"{above}{name}", _text(value)))
    return rows


def _came_to(record: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """A manifest's time, device and figures; any other record unchanged."""
    figures = record.get("figures")
    if "stage" not in record or not isinstance(figures, dict):
        return record
    shown: dict[str, JsonValue] = {"device": record.get("device")}
    started, finished = record.get("started"), record.get("finished")
    # pauses between attempts are not training
    if isinstance(started, str) and isinstance(finished, str) and record.get("attempts") == 1:
        took = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
        shown["minutes"] = round(took.total_seconds() / 60, 1)
    return shown | figures


def _text(value: JsonValue) -> str:
    """A figure of the training, as text; of long lists only how long they are."""
    if isinstance(value, list):
        short = len(value) <= 8
        return ", ".join(map(_text, value)) if short else f"{len(value)} values"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if type(value) is int else str(value)
