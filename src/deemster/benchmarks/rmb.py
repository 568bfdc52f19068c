"""RMB: pairs and best-of-n over 49 scenarios (arXiv 2410.09893)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import FIRST, RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample

_HOME = "https://github.com/Zhou-Zoey/RMB-Reward-Model-Benchmark (RMB_dataset/)"


class RMBPairs(RowBenchmark):
    """One pair per row, the chosen response first; subsets are `goal/category`."""

    name: ClassVar[str] = "rmb-pairs"
    description: ClassVar[str] = "pairs of RMB: helpfulness and harmlessness"
    home: ClassVar[str] = _HOME

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        yield _sample(row, row.label("pair_uid"), [row.record("chosen"), row.record("reject")])


class RMBBestOfN(RowBenchmark):
    """One list per row: the best response first, then the others.

    The published rule counts a list as right only when the best beats every other response.
    """

    name: ClassVar[str] = "rmb-bon"
    description: ClassVar[str] = "best-of-n lists of RMB"
    home: ClassVar[str] = _HOME

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        yield _sample(row, row.label("bon_uid"), _list(row))


class RMBBestOfNPairs(RMBBestOfN):
    """The same lists as pairs: the best response against each other one."""

    name: ClassVar[str] = "rmb-bon-pairs"
    description: ClassVar[str] = "best-of-n lists of RMB, as pairs best against each other"

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        best, *losers = _list(row)
        uid = row.label("bon_uid")
        for number, loser in enumerate(losers):
            yield _sample(row, f"{uid}/{number}", [best, loser], bon_uid=uid)


def _list(row: Row) -> list[Row]:
    losers = row.items("loser_list")
    if not losers:
        raise row.error("'loser_list' is empty; expected 1 or more responses")
    records = [Row({"loser": loser}, row.where, row.path).record("loser") for loser in losers]
    return [row.record("bon_best"), *records]


def _sample(row: Row, uid: str, answers: list[Row], **metadata: str) -> Sample:
    path = row.get("category_path") or "/".join(row.path.with_suffix("").parts)
    category = path.partition("_set/")[2] or path
    # other fields of a turn, such as its language, are no part of the conversation
    turns = [
        Row({"turn": turn}, row.where).record("turn") for turn in row.items("conversation_input")
    ]
    return row.sample(
        id=uid,
        query=[{"role": turn.text("role"), "content": turn.text("content")} for turn in turns],
        responses=tuple(answer.text("answer") for answer in answers),
        ground_truth=FIRST[:1] + FIRST[1:] * (len(answers) - 1),
        policies=tuple(answer.text("llm_name") for answer in answers),
        subset="/".join(category.split("/")[:2]),
        metadata={"category": category, **metadata},
    )


__all__ = ["RMBBestOfN", "RMBBestOfNPairs", "RMBPairs"]
