"""ReaLMistake error detection with self-consistency: k verdicts on one response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import JsonValue

from deemster.benchmarks.base import Figures, Judged, TraceReader
from deemster.benchmarks.realmistake import LABELS, ReaLMistake
from deemster.benchmarks.traces.common import STORED, from_text, of_judge
from deemster.benchmarks.traces.figures import within
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.dialects import open_dialect
from deemster.schemas import Judgment, Sample, Vote


@dataclass(frozen=True)
class ReaLMistakeTraces(TraceReader):
    """Rows with task, judge_model, label and `samples`, the k raw texts (or one `response`).

    Score 1 says `no error`. The published rule is the majority of the verdicts, where texts that
    could not be read are a class of their own: hence `min_valid`. For an even split `majority`
    takes the larger score, no error.
    """

    name: ClassVar[str] = "realmistake"
    description: ClassVar[str] = "ReaLMistake error detectors, k texts per response"
    aggregator: ClassVar[str] = "majority"
    dialect: ClassVar[str] = "realmistake:published"

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; texts come from `data`, which may be left out."""
        rows, name = of_judge(read_rows(traces), _judge_name, judge, traces)
        samples = {} if data is None else {one.id: one for one in ReaLMistake().load(data)}
        dialect = open_dialect(self.dialect)
        for row in rows:
            if not {"samples", "response"} & row.values.keys():
                row.need("samples", "response")  # raises
            texts = row.items("samples") if "samples" in row.values else [row.get("response")]
            if not texts or not all(text is None or isinstance(text, str) for text in texts):
                raise row.error("'samples' must be a list of 1 or more texts")
            votes = tuple(
                from_text(dialect, text, order=(0,), n=1, draw=draw, judge=name)
                for draw, text in enumerate(texts)
            )
            sample = _sample(row, name, samples)
            about = sample.metadata | {STORED: _stored(row, len(texts))}
            yield sample.model_copy(update={"metadata": about}), votes

    def min_valid(self, k: int) -> int:
        """More than half: the tool counts unreadable texts as a class that can win."""
        return k // 2 + 1

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`; of each task, as shares from 0 to 1.

        `accuracy`, and `precision`, `recall` and `f1` of finding an error; without a verdict
        nothing was found, and the response counts as wrong. `recounted_accuracy`: the most
        common of the classes, unread texts being one, of a draw the first that occurs.
        `n`: responses.
        """
        return within(rows, _figures, lambda sample: sample.subset)


def _judge_name(row: Row) -> str | None:
    return None if row.get("judge_model") is None else row.text("judge_model")


def _stored(row: Row, votes: int) -> list[JsonValue]:
    """What the tool read from each text; it writes another word than the labels for nothing."""
    said = row.get("predictions_list")
    if not isinstance(said, list) or len(said) != votes:
        return [None] * votes
    return [list(LABELS[one]) if one in LABELS else "none" for one in said]


def _figures(rows: Judged) -> Figures:
    truths = [sample.ground_truth for sample, _, _ in rows]
    given = [verdict.rewards for _, _, verdict in rows]
    error = LABELS["error"]
    hits = sum(truth == reward == error for truth, reward in zip(truths, given, strict=True))
    found, there = given.count(error), truths.count(error)
    classes = [
        [vote.scores if isinstance(vote, Judgment) else None for vote in votes]
        for _, votes, _ in rows
    ]
    most_common = [max(said, key=said.count) for said in classes]
    return {
        "accuracy": _equal(given, truths) / len(rows),
        **({"precision": hits / found} if found else {}),
        **({"recall": hits / there} if there else {}),
        # The harmonic mean of the two, defined wherever there is an error to find.
        **({"f1": 2 * hits / (found + there)} if found + there else {}),
        "recounted_accuracy": _equal(most_common, truths) / len(rows),
        "n": len(rows),
    }


def _equal(given: Sequence[object], truths: Sequence[object]) -> int:
    return sum(one == truth for one, truth in zip(given, truths, strict=True))


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
