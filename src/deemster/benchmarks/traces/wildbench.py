"""WildBench evaluations: pairs shown in a drawn order, or scores of one answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row

_LABELS = {"A++": "A>>B", "A+": "A>B", "A": "A>B", "B": "B>A", "B+": "B>A", "B++": "B>>A"}


@dataclass(frozen=True)
class WildBenchTraces(ColumnTraces):
    """Rows with `session_id`, `generator`, `result` (the judge's JSON) and `parsed_result`.

    Pairs have `ref_generator` and `assignment`, which says who was shown as A; response 0 is the
    model's. The verdict is the parsed `choice`, or `score` from 1 to 10.
    """

    name: ClassVar[str] = "wildbench"
    description: ClassVar[str] = "WildBench evaluations: pairs or scores"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per judgment."""
        for row in self.source(traces):
            parsed = row.record("parsed_result")
            config = row.get("eval_config")
            failed = row.get("error", "N/A")
            values: dict[str, Any] = {
                "id": row.label("session_id"),
                "query": row.get("last_query"),
                "output": row.get("result"),
                "judge": config.get("gpt") if isinstance(config, dict) else None,
                "error": None if failed == "N/A" else str(failed),
            }
            verdict = _pair(row, parsed) if _is_pair(row) else _single(row, parsed)
            yield replace(row, values=values | verdict)


def _is_pair(row: Row) -> bool:
    return row.get("ref_generator") is not None or row.get("assignment") is not None


def _pair(row: Row, parsed: Row) -> dict[str, Any]:
    models = [row.text("generator"), row.text("ref_generator")]
    shown = row.record("assignment")
    first = shown.text("A")
    if sorted([first, shown.text("B")]) != sorted(models):
        raise row.error(f"assignment {dict(shown.values)!r:.80} does not name {models}")
    choice = str(parsed.get("choice", "none"))
    return {
        "policies": models,
        "responses": [_text(row.get("model_output")), _text(row.get("ref_output"))],
        "order": [0, 1] if first == models[0] else [1, 0],
        "shown_winner": _LABELS.get(choice, "tie" if choice in {"tie", "A=B"} else "none"),
    }


def _single(row: Row, parsed: Row) -> dict[str, Any]:
    return {
        "policies": [row.text("generator")],
        "responses": [_text(row.get("model_output"))],
        "scores": None if parsed.get("score") in (None, "N/A") else parsed.get("score"),
    }


def _text(output: Any) -> Any:  # noqa: ANN401 - rows are untyped
    return (output[0] if isinstance(output, list) and output else output) or ""


__all__ = ["WildBenchTraces"]
