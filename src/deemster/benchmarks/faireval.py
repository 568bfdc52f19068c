"""FairEval: ChatGPT against Vicuna-13B with human labels (arXiv 2305.17926)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from deemster.benchmarks.base import FIRST, SECOND, TIE, RowBenchmark
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.data.text import read_text_lines
from deemster.errors import InputError
from deemster.schemas import Sample

_LABELS = {"CHATGPT": FIRST, "VICUNA13B": SECOND, "TIE": TIE}
_POLICIES = ("gpt35", "vicuna-13b")


class FairEval(RowBenchmark):
    """One pair per row, ChatGPT's answer first.

    Official layout, a directory: `question.jsonl`, `answer/answer_gpt35.jsonl`,
    `answer/answer_vicuna-13b.jsonl` and one label a line, in the order of the questions, in
    `review/review_gpt35_vicuna-13b_human.txt`. Also reads one file with the fields question,
    answer_gpt35, answer_vicuna13b and human.
    """

    name: ClassVar[str] = "faireval"
    description: ClassVar[str] = "80 questions, ChatGPT against Vicuna-13B, human labels with ties"
    home: ClassVar[str] = "https://github.com/i-Eval/FairEval"

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        yield row.sample(
            id=row.label("question_id"),
            query=row.text("question"),
            responses=(row.text("answer_gpt35"), row.text("answer_vicuna13b")),
            ground_truth=row.choice("human", _LABELS),
            policies=_POLICIES,
            subset=row.get("category", ""),
        )

    def from_path(self, path: Path, split: str | None) -> Iterable[Sample]:
        """See `RowBenchmark.from_path`."""
        if (path / "question.jsonl").is_file():
            return (s for row in _join(path) for s in self.samples(row))
        return super().from_path(path, split)


def _join(folder: Path) -> Iterator[Row]:
    questions = list(read_rows(folder / "question.jsonl"))
    labels = folder / "review" / "review_gpt35_vicuna-13b_human.txt"
    human = [line.strip() for _, line in read_text_lines(labels) if line.strip()]
    if len(human) != len(questions):
        raise InputError(f"{labels} has {len(human)} labels for {len(questions)} questions")
    answers = [_by_question(folder / "answer" / f"answer_{policy}.jsonl") for policy in _POLICIES]
    for question, label in zip(questions, human, strict=True):
        key = question.label("question_id")
        missing = [p for p, given in zip(_POLICIES, answers, strict=True) if key not in given]
        if missing:
            raise question.error(f"no answer of {missing[0]} to question {key}")
        first, second = (given[key] for given in answers)
        values = {
            "question_id": key,
            "question": question.text("text"),
            "category": question.get("category"),
            "answer_gpt35": first,
            "answer_vicuna13b": second,
            "human": label,
        }
        yield Row(values, question.where, question.path, question.number)


def _by_question(path: Path) -> dict[str, str]:
    return {row.label("question_id"): row.text("text") for row in read_rows(path)}


__all__ = ["FairEval"]
