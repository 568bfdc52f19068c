"""RM-Bench: subtle errors against style (arXiv 2410.16184)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import FIRST, Hub, RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample

STYLES = ("concise", "detailed", "markdown")
"""Of the three chosen and the three rejected responses of a row, plainest first."""


class RMBench(RowBenchmark):
    """Each row is a 3 x 3 matrix of styles and gives nine pairs, the correct one first.

    Level `hard`: the correct response is in the plainer style; `normal`: same style; `easy`: it
    is in the fancier one. Subsets are `domain/level`; every level has three cells of the matrix,
    so a domain's accuracy is the mean of its levels.
    """

    name: ClassVar[str] = "rm-bench"
    description: ClassVar[str] = "1,327 prompts x 9 style pairs; levels hard, normal, easy"
    home: ClassVar[str] = "https://github.com/THU-KEG/RM-Bench (data/)"
    hub: ClassVar[Hub | None] = Hub("THU-KEG/RM-Bench", ("train",))

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        chosen, rejected = row.texts("chosen"), row.texts("rejected")
        if len(chosen) != len(STYLES) or len(rejected) != len(STYLES):
            raise row.error(
                f"'chosen' has {len(chosen)} and 'rejected' {len(rejected)} responses; "
                f"expected {len(STYLES)} each, one per style"
            )
        # the files of one domain have no field for it: it is in their name
        domain = row.get("domain") or row.path.name.partition("_filtered")[0]
        for i, good in enumerate(chosen):
            for j, bad in enumerate(rejected):
                level = "hard" if i < j else "easy" if i > j else "normal"
                yield row.sample(
                    id=f"{domain}/{row.label('id')}/{STYLES[i]}-{STYLES[j]}",
                    query=row.text("prompt"),
                    responses=(good, bad),
                    ground_truth=FIRST,
                    subset=f"{domain}/{level}",
                    metadata={
                        "domain": domain,
                        "level": level,
                        "chosen_style": STYLES[i],
                        "rejected_style": STYLES[j],
                    }
                    | row.pick("subset"),
                )


__all__ = ["STYLES", "RMBench"]
