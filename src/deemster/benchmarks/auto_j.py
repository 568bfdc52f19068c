"""Auto-J's pairwise test set over 58 scenarios (arXiv 2310.05470)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import FIRST, SECOND, TIE, RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample

LABELS = {0: FIRST, 1: SECOND, 2: TIE}


class AutoJ(RowBenchmark):
    """One pair per row with a human label, ties among them; subsets are scenarios."""

    name: ClassVar[str] = "auto-j"
    description: ClassVar[str] = "1,392 human-labelled pairs in 58 scenarios, with ties"
    home: ClassVar[str] = "https://github.com/GAIR-NLP/auto-j (data/test/testdata_pairwise.jsonl)"

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        yield row.sample(
            id=str(row.get("idx", row.number - 1)),
            query=row.text("prompt"),
            responses=(row.text("response 1"), row.text("response 2")),
            ground_truth=row.choice("label", LABELS),
            subset=row.text("scenario"),
        )


__all__ = ["LABELS", "AutoJ"]
