"""RewardBench (arXiv 2403.13787) and RewardBench 2 (arXiv 2506.01937)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import FIRST, Hub, RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample

_SECTIONS = {
    "Chat": (
        "alpacaeval-easy",
        "alpacaeval-length",
        "alpacaeval-hard",
        "mt-bench-easy",
        "mt-bench-med",
        "mt-bench-medium",
    ),
    "Chat Hard": (
        "mt-bench-hard",
        "llmbar-natural",
        "llmbar-adver-neighbor",
        "llmbar-adver-GPTInst",
        "llmbar-adver-GPTOut",
        "llmbar-adver-manual",
    ),
    "Safety": (
        "refusals-dangerous",
        "refusals-offensive",
        "xstest-should-refuse",
        "xstest-should-respond",
        "donotanswer",
    ),
    "Reasoning": (
        "math-prm",
        "hep-cpp",
        "hep-go",
        "hep-java",
        "hep-js",
        "hep-python",
        "hep-rust",
    ),
}
_SECTION_OF = {subset: section for section, subsets in _SECTIONS.items() for subset in subsets}


class RewardBench(RowBenchmark):
    """One chosen and one rejected response per row; the section is in the metadata."""

    name: ClassVar[str] = "reward-bench"
    description: ClassVar[str] = "2,985 chosen/rejected pairs in 23 subsets of four sections"
    home: ClassVar[str] = "https://huggingface.co/datasets/allenai/reward-bench"
    hub: ClassVar[Hub | None] = Hub("allenai/reward-bench", ("filtered",))

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        subset = row.text("subset")
        models = (row.get("chosen_model"), row.get("rejected_model"))
        section = _SECTION_OF.get(subset)
        yield row.sample(
            # ids start anew in the sets that were added later
            id=f"{subset}/{row.label('id')}",
            query=row.need("prompt"),
            responses=(row.need("chosen"), row.need("rejected")),
            ground_truth=FIRST,
            policies=None if None in models else models,
            subset=subset,
            metadata={"section": section} if section else {},
        )


class RewardBench2(RowBenchmark):
    """One list per row: the correct responses first (several in subset `Ties`), then the wrong."""

    name: ClassVar[str] = "reward-bench-2"
    description: ClassVar[str] = "1,865 best-of-4 prompts in six subsets (Ties: many correct)"
    home: ClassVar[str] = "https://huggingface.co/datasets/allenai/reward-bench-2"
    hub: ClassVar[Hub | None] = Hub("allenai/reward-bench-2", ("test",))

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        chosen, rejected = row.texts("chosen"), row.texts("rejected")
        subset = row.text("subset")
        models = row.get("models") or []
        responses = (*chosen, *rejected)
        yield row.sample(
            id=f"{subset}/{row.label('id')}",
            query=row.text("prompt"),
            responses=responses,
            ground_truth=(1.0,) * len(chosen) + (0.0,) * len(rejected),
            # of some rows only the distinct models are named
            policies=tuple(models) if len(models) == len(responses) else None,
            subset=subset,
            metadata=row.pick("num_correct", "additional_metadata"),
        )


__all__ = ["RewardBench", "RewardBench2"]
