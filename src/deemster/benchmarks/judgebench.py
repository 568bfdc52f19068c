"""JudgeBench: pairs of which exactly one is objectively correct (arXiv 2410.12784)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import FIRST, SECOND, Hub, RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample

LABELS = {"A>B": FIRST, "B>A": SECOND}
_CATEGORIES = {
    "livebench-reasoning": "reasoning",
    "livebench-math": "math",
    "livecodebench": "coding",
}


class JudgeBench(RowBenchmark):
    """One pair per row; subsets are the paper's four categories."""

    name: ClassVar[str] = "judgebench"
    description: ClassVar[str] = "pairs with objectively correct labels: 350 GPT-4o, 270 Claude"
    home: ClassVar[str] = "https://github.com/ScalerLab/JudgeBench (data/)"
    hub: ClassVar[Hub | None] = Hub("ScalerLab/JudgeBench", ("gpt", "claude"))

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        model = row.get("response_model")
        yield row.sample(
            id=row.label("pair_id"),
            query=row.text("question"),
            responses=(row.text("response_A"), row.text("response_B")),
            ground_truth=row.choice("label", LABELS),
            policies=None if model is None else (model, model),
            subset=category(row.text("source"), row),
            metadata=row.pick("source", "original_id", "split"),
        )


def category(source: str, row: Row) -> str:
    """The category that a source data set belongs to."""
    if source.startswith("mmlu-pro"):
        return "knowledge"
    if source not in _CATEGORIES:
        raise row.error(
            f"field 'source' is {source!r}; allowed: mmlu-pro-*, {', '.join(_CATEGORIES)}"
        )
    return _CATEGORIES[source]


__all__ = ["LABELS", "JudgeBench", "category"]
