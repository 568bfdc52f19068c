"""ReaLMistake: is there an error in this response? (arXiv 2404.03602).

Its authors ask that examples not be put online in plain text: keep copies private.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import Hub, RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample

LABELS = {"no_error": (1.0,), "error": (0.0,)}
TASKS = (
    "math_word_problem_generation",
    "finegrained_fact_verification",
    "answerability_classification",
)


class ReaLMistake(RowBenchmark):
    """One response per row: ground truth 1 where experts found no error, else 0."""

    name: ClassVar[str] = "realmistake"
    description: ClassVar[str] = (
        "900 single responses of GPT-4 and Llama 2, with expert error labels"
    )
    home: ClassVar[str] = "https://github.com/psunlpgroup/ReaLMistake (data.zip, unpacked)"
    hub: ClassVar[Hub | None] = Hub("ryokamoi/realmistake", ("gpt4", "llama2"), TASKS)

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        about = row.get("metadata", {})
        task = next((task for task in TASKS if task in row.path.parts), row.get("task", ""))
        model = about.get("llm_response_model") or row.path.name.partition(".jsonl")[0]
        key = "label" if row.get("label") is not None else "error_label"
        yield row.sample(
            id=str(about.get("id") or f"{task}/{model}/{row.number}"),
            query=row.text("input"),
            responses=(row.text("llm_response"),),
            ground_truth=row.choice(key, LABELS),
            policies=(model,) if model else None,
            subset=task,
            metadata=row.pick("error_categories", "human_explanation"),
        )


__all__ = ["LABELS", "TASKS", "ReaLMistake"]
