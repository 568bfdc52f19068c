"""ReaLMistake error detection with self-consistency: k verdicts on one response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deemster.benchmarks.base import TraceReader
from deemster.benchmarks.files import Row, read_rows
from deemster.benchmarks.realmistake import LABELS, ReaLMistake
from deemster.benchmarks.traces.common import from_text, of_judge
from deemster.dialects import open_dialect
from deemster.schemas import Sample, Vote


@dataclass(frozen=True)
class ReaLMistakeTraces(TraceReader):
    """Rows with task, judge_model, label and `samples`, the k raw texts (or one `response`).

    Score 1 says `no error`. The published rule is the majority of the verdicts, where texts that
    could not be read are a class of their own: hence `min_valid`. Of an even split `majority`
    takes the larger score, no error.
    """

    name: ClassVar[str] = "realmistake"
    description: ClassVar[str] = "ReaLMistake error detectors, k texts per response"
    aggregator: ClassVar[str] = "majority"
    dialect: ClassVar[str] = "realmistake:published"
    count_unscored: ClassVar[bool] = True

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; texts come from `data`, which may be left out."""
        rows, name = of_judge(read_rows(traces), lambda row: row.text("judge_model"), judge, traces)
        samples = {} if data is None else {one.id: one for one in ReaLMistake().load(data)}
        dialect = open_dialect(self.dialect)
        for row in rows:
            texts = row.items("samples") if "samples" in row.values else [row.get("response")]
            if not texts or not all(text is None or isinstance(text, str) for text in texts):
                raise row.error("'samples' must be a list of 1 or more texts")
            votes = tuple(
                from_text(dialect, text, order=(0,), n=1, draw=draw, judge=name)
                for draw, text in enumerate(texts)
            )
            yield _sample(row, name, samples), votes

    def min_valid(self, k: int) -> int:
        """More than half: the tool counts unread texts as a class that can win."""
        return k // 2 + 1


def _sample(row: Row, judge: str, samples: dict[str, Sample]) -> Sample:
    key = row.label("id")
    about = {"judge": judge, **row.pick("initial_model", "prompt")}
    if key in samples:
        known = samples[key]
        return known.model_copy(update={"metadata": known.metadata | about})
    if samples:
        raise row.error(f"no row {key!r} in the data")
    return row.sample(
        id=key,
        query=(),
        responses=("",),
        ground_truth=row.choice("label", LABELS),
        policies=(row.text("initial_model"),),
        subset=row.text("task"),
        metadata=about,
    )


__all__ = ["ReaLMistakeTraces"]
