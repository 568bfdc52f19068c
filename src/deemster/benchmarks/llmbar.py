"""LLMBar: which output follows the instruction (arXiv 2310.07641)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import FIRST, SECOND, RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample

LABELS = {1: FIRST, 2: SECOND}


class LLMBar(RowBenchmark):
    """One pair per row; subsets are the folders of the official repository."""

    name: ClassVar[str] = "llmbar"
    description: ClassVar[str] = "419 pairs: Natural, and Neighbor, GPTInst, GPTOut, Manual"
    home: ClassVar[str] = "https://github.com/princeton-nlp/LLMBar (Dataset/)"

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        subset = row.get("set") or _folder(row)
        index = row.get("idx", row.number - 1)
        yield row.sample(
            id=f"{subset}/{index}",
            query=row.text("input", "instruction"),
            responses=(row.text("output_1"), row.text("output_2")),
            ground_truth=row.choice("label", LABELS),
            subset=subset,
        )


def _folder(row: Row) -> str:
    """`LLMBar/Adversarial/Manual` of `…/Dataset/LLMBar/Adversarial/Manual/dataset.json`."""
    folders = row.path.parent.parts
    roots = ("LLMBar", "CaseStudy", "Processed")
    inner = folders[folders.index("Dataset") + 1 :] if "Dataset" in folders else folders
    start = next((i for i, folder in enumerate(inner) if folder in roots), None)
    return "/".join(inner[start:] if start is not None else inner[-1:])


__all__ = ["LABELS", "LLMBar"]
