"""Prometheus test sets with the scores of judges: several of each, 1 to 5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row

_SCORE, _OUTPUTS = "_score", ("_feedback", "_output")


@dataclass(frozen=True)
class PrometheusTraces(ColumnTraces):
    """Rows with, per judge J, `J_score` (one or a list) and maybe `J_feedback` or `J_output`.

    `instruction`, `response`, `reference_answer` are read with or without `orig_` in front;
    `human_score`, one or a list, is the truth (its mean).
    """

    name: ClassVar[str] = "prometheus"
    description: ClassVar[str] = "Prometheus test sets with lists of judges' scores"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per response and judge."""
        for row in self.source(traces):
            judges = [
                key.removesuffix(_SCORE)
                for key in row.values
                if key.endswith(_SCORE) and key != f"human{_SCORE}"
            ]
            if not judges:
                row.need(f"gpt4{_SCORE}")
            for judge in judges:
                outputs = (row.get(judge + ending) for ending in _OUTPUTS)
                yield replace(
                    row,
                    values={
                        "id": str(row.get("id", row.get("idx", f"row {row.number}"))),
                        "query": row.get("orig_instruction", row.get("instruction")),
                        "responses": [row.get("orig_response", row.get("response", ""))],
                        "reference": row.get("orig_reference_answer", row.get("reference_answer")),
                        "output": next((one for one in outputs if one is not None), None),
                        "scores": row.get(judge + _SCORE),
                        "truth": _mean(row.get(f"human{_SCORE}")),
                        "judge": judge,
                    },
                )


def _mean(given: Any) -> Any:  # noqa: ANN401 - rows are untyped
    numbers = isinstance(given, list) and given and all(type(one) in {int, float} for one in given)
    return sum(given) / len(given) if numbers else given


__all__ = ["PrometheusTraces"]
