"""MT-bench: two-turn questions, and human or GPT-4 votes on pairs (arXiv 2306.05685)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.base import FIRST, SECOND, TIE, Hub, RowBenchmark
from deemster.data.files import data_files, read_rows
from deemster.data.row import Row
from deemster.errors import InputError
from deemster.schemas import Sample

_WINNERS = {"model_a": FIRST, "model_b": SECOND, "tie": TIE, "tie (inconsistent)": TIE}


class MTBench(RowBenchmark):
    """Pairs with votes, or questions with the answers of several models.

    - rows of `mt_bench_human_judgments` (model_a, model_b, winner, conversation_a,
      conversation_b, turn): pairs with ground truth;
    - a directory in the layout of FastChat's `data/mt_bench` (`question.jsonl`, `model_answer/`
      and, where there is one, `reference_answer/`): one sample per question and turn with every
      model's answer, no ground truth.

    Of turn 2 the query is both questions and each response holds that model's two answers, since
    the second answer builds on the first one.
    """

    name: ClassVar[str] = "mt-bench"
    description: ClassVar[str] = "80 two-turn questions; 3,355 expert votes on pairs"
    home: ClassVar[str] = "https://github.com/lm-sys/FastChat (fastchat/llm_judge/data/mt_bench)"
    hub: ClassVar[Hub | None] = Hub("lmsys/mt_bench_human_judgments", ("human",))

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        turn = row.choice("turn", {1: 1, 2: 2})
        first, second = (_turns(row, key) for key in ("conversation_a", "conversation_b"))
        models = (row.text("model_a"), row.text("model_b"))
        judge = row.get("judge", "")
        judge = "/".join(judge) if isinstance(judge, list) else judge
        question = row.label("question_id")
        yield row.sample(
            id="/".join((question, *models, f"turn{turn}", judge)),
            query=query(first["user"], turn),
            responses=(
                answer(first["assistant"], turn, row),
                answer(second["assistant"], turn, row),
            ),
            ground_truth=row.choice("winner", _WINNERS),
            policies=models,
            subset=f"turn {turn}",
            metadata={"question_id": question, "judge": judge, "turn": turn},
        )

    def from_path(self, path: Path, split: str | None) -> Iterable[Sample]:
        """See `RowBenchmark.from_path`."""
        if (path / "model_answer").is_dir():
            return _answers(path)
        return super().from_path(path, split)


def query(questions: Sequence[str], turn: int) -> list[dict[str, str]]:
    """The user's turns up to and including this one."""
    return [{"role": "user", "content": text} for text in questions[:turn]]


def answer(answers: Sequence[str], turn: int, row: Row) -> str:
    """A model's answer; of turn 2 both, since the second builds on the first."""
    if len(answers) < turn:
        raise row.error(f"{len(answers)} answers, but turn {turn} is judged")
    if turn == 1:
        return answers[0]
    return "\n\n".join(f"[Turn {i}]\n{text}" for i, text in enumerate(answers[:turn], start=1))


def read_questions(path: Path) -> dict[str, Row]:
    """The questions of a `question.jsonl`, or of a directory that holds one, by their id."""
    if path.is_dir():
        named = [file for file in data_files(path) if "question.jsonl" in file.name]
        if not named:
            raise InputError(f"no question.jsonl in {str(path)!r}")
        path = named[0]
    return {row.label("question_id"): row for row in read_rows(path)}


def _turns(row: Row, key: str) -> Mapping[str, list[str]]:
    turns: dict[str, list[str]] = defaultdict(list)
    for message in row.items(key):
        turn = Row({key: message}, row.where).record(key)
        turns[turn.text("role")].append(turn.text("content"))
    return turns


def _answers(folder: Path) -> Iterator[Sample]:
    questions = read_questions(folder)
    given = [_by_question(path) for path in data_files(folder / "model_answer")]
    references = folder / "reference_answer"
    gold = _by_question(data_files(references)[0]) if references.is_dir() else {}
    for key, question in questions.items():
        rows = [answers[key] for answers in given if key in answers]
        if not rows:
            raise question.error(f"no model answers question {key}")
        for turn in range(1, len(question.texts("turns")) + 1):
            yield question.sample(
                id=f"{key}/turn{turn}",
                query=query(question.texts("turns"), turn),
                responses=tuple(answer(_choice(row), turn, row) for row in rows),
                policies=tuple(row.text("model_id") for row in rows),
                reference=answer(_choice(gold[key]), turn, gold[key]) if key in gold else None,
                subset=question.get("category", ""),
                metadata={"question_id": key, "turn": turn},
            )


def _by_question(path: Path) -> dict[str, Row]:
    return {row.label("question_id"): row for row in read_rows(path)}


def _choice(row: Row) -> list[str]:
    choices: list[Any] = row.items("choices")
    if not choices:
        raise row.error("'choices' is empty; expected one with the answers")
    return Row({"choices": choices[0]}, row.where).record("choices").texts("turns")


__all__ = ["MTBench", "answer", "query", "read_questions"]
