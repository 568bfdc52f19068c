"""Typed questions about a text, and the probabilities that a decision model gives the options.

A decision model writes no text: one forward pass gives each option of each question a
probability. `Question` and `Decision` are the same whatever server or local model answers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from deemster.errors import ParseError
from deemster.records import Record

QuestionKind = Literal["predicate", "choice", "score"]
"""`predicate`: true or false. `choice`: one of 2 to 255 options. `score`: one of 2 to 10 levels,
lowest first."""
_MOST_OPTIONS: dict[QuestionKind, int] = {"predicate": 2, "choice": 255, "score": 10}
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Option(Record):
    """One possible answer."""

    value: Annotated[str, Field(min_length=1)]
    """How it is called; unique among the options of its question."""
    description: str = ""
    """What it means, where the value does not say."""


TRUE_OR_FALSE = (Option(value="true"), Option(value="false"))
"""The options of a predicate."""


class Question(Record):
    """One question about a text."""

    name: Annotated[str, Field(min_length=1)]
    """Unique within its request."""
    kind: QuestionKind
    instructions: Annotated[str, Field(min_length=1)]
    options: tuple[Option, ...] = TRUE_OR_FALSE
    """The possible answers; of a predicate always `true` and `false`, in this order."""

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        values = [option.value for option in self.options]
        if len(set(values)) != len(values):
            raise ValueError(f"options of question {self.name!r} must differ, got {values}")
        if self.kind == "predicate" and values != ["true", "false"]:
            raise ValueError(f"options of a predicate are 'true' and 'false', got {values}")
        most = _MOST_OPTIONS[self.kind]
        if not 2 <= len(values) <= most:
            raise ValueError(f"a {self.kind} question has 2 to {most} options, got {len(values)}")
        return self

    @property
    def text(self) -> str:
        """All that it adds to a prompt, for estimating its length."""
        parts = [f"{option.value} {option.description}" for option in self.options]
        return "\n".join([self.instructions, *parts])


class Decision(Record):
    """What a model said about one question."""

    name: str
    """The question's."""
    probabilities: tuple[Probability, ...] | None
    """One per option, in the question's order, sum 1; None where the model declined to answer."""
    label_mass: Probability | None = None
    """How much of the model's probability fell on the options before they were scaled to sum 1.
    Small: it wanted to say something else. None where the server does not report it."""


class LabelShare(Record):
    """Probabilities of a few labels among all that a model could have said."""

    probabilities: tuple[Probability, ...]
    """Relative to each other: sum 1, or all 0 where no label has any probability."""
    mass: Probability
    """What they have together."""


def label_share(logprobs: Sequence[float | None]) -> LabelShare:
    """Probabilities of labels relative to each other, and how much they have together.

    Args:
        logprobs: natural log-probability of each label; None where it is not known, which counts
            as 0 (a backend tells the most likely tokens alone).
    """
    known = [-math.inf if value is None else value for value in logprobs]
    highest = max(known, default=-math.inf)
    if highest == -math.inf:
        return LabelShare(probabilities=(0.0,) * len(known), mass=0.0)
    parts = [math.exp(value - highest) for value in known]
    total = math.fsum(parts)
    return LabelShare(
        probabilities=tuple(min(part / total, 1.0) for part in parts),
        mass=min(total * math.exp(min(highest, 0.0)), 1.0),
    )


_DECISIONS = TypeAdapter(tuple[Decision, ...])


def dump_decisions(decisions: Sequence[Decision]) -> str:
    """Decisions as the text of a completion: what cassettes and runs keep."""
    return json.dumps(
        [decision.model_dump(mode="json", exclude_none=False) for decision in decisions],
        ensure_ascii=False,
    )


def read_decisions(text: str, questions: Sequence[Question]) -> tuple[Decision, ...]:
    """The decisions that the text of a completion holds, one per question, in their order.

    Raises:
        ParseError: it holds none, or not those of these questions.
    """
    try:
        found = _DECISIONS.validate_json(text)
    except ValidationError as error:
        shown = repr(text[:60])
        raise ParseError(
            f"no decisions in {shown}: the model answered with text; give one that takes "
            "questions, such as 'labels:provider/model', 'decisions:provider/model', "
            "'systemone:provider/model' or 'hf:PATH'"
        ) from error
    if [decision.name for decision in found] != [question.name for question in questions]:
        raise ParseError(
            f"{len(found)} decisions for {len(questions)} questions, or about other questions"
        )
    for decision, question in zip(found, questions, strict=True):
        given = decision.probabilities
        if given is None:
            continue
        if len(given) != len(question.options) or not math.isclose(
            math.fsum(given), 1.0, abs_tol=1e-3
        ):
            raise ParseError(
                f"probabilities of question {question.name!r} are {given}; there must be one for "
                f"each of its {len(question.options)} options, with sum 1"
            )
    return found
