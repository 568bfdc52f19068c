"""FastChat's reviews, and the logs of JudgeLM and JudgeLRM: two scores of a pair in one text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row


@dataclass(frozen=True)
class FastChatReviews(ColumnTraces):
    """Rows of `table/review/*.jsonl`: `text` begins with a line `9 8.5`, also kept as `score`.

    Scores of -1 stand for none. The tool reads the first line and nothing else.
    """

    dialect: str = "two-scores:first"

    name: ClassVar[str] = "fastchat-reviews"
    description: ClassVar[str] = "FastChat reviews: two scores on the first line"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per review."""
        for row in self.source(traces):
            if "text" not in row.values:
                row.need("text")  # raises
            score = row.get("score")
            yield replace(
                row,
                values={
                    "id": row.label("question_id"),
                    "judge": row.get("reviewer_id"),
                    "output": row.get("text"),
                    "scores": [None, None] if score == [-1, -1] else score,
                    "policies": [str(row.need(f"answer{i}_id")) for i in (1, 2)],
                    "subset": row.get("category"),
                },
            )


@dataclass(frozen=True)
class JudgeLMTraces(ColumnTraces):
    """Rows with `question_body`, `answer1_body`, `answer2_body` and `pred_text`.

    `score`, the two scores of the teacher, is the truth.
    """

    dialect: str = "two-scores:first"

    name: ClassVar[str] = "judgelm"
    description: ClassVar[str] = "JudgeLM outputs beside its test set"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per pair."""
        for row in self.source(traces):
            if "pred_text" not in row.values:
                row.need("pred_text")  # raises
            yield replace(
                row,
                values={
                    "id": row.label("question_id"),
                    "query": row.get("question_body"),
                    "responses": [row.get("answer1_body", ""), row.get("answer2_body", "")],
                    "output": row.get("pred_text"),
                    "truth": row.get("score"),
                    "judge": row.get("pred_model_id"),
                    "reference": _reference(row),
                },
            )


@dataclass(frozen=True)
class JudgeLRMTraces(JudgeLMTraces):
    """The same rows, with the answer tags of JudgeLRM in `pred_text`."""

    dialect: str = "judgelrm"

    name: ClassVar[str] = "judgelrm"
    description: ClassVar[str] = "JudgeLRM outputs beside JudgeLM's test set"


def _reference(row: Row) -> Any:  # noqa: ANN401 - rows are untyped
    reference = row.get("reference")
    return reference.get("text") if isinstance(reference, dict) else reference


__all__ = ["FastChatReviews", "JudgeLMTraces", "JudgeLRMTraces"]
