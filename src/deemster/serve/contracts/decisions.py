"""`/v1/decisions` in OpenAI's grammar: typed questions about a text, answered by probabilities.

For judges whose model takes questions: a decision model, or a local model whose label probabilities
are read. Others have no probabilities to give, and say so.
"""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from deemster.backends.base import Request as ModelRequest
from deemster.backends.base import generate_all
from deemster.errors import BackendError, InputError, ParseError, UnusableModelError
from deemster.judges import DecisionJudge, Judge
from deemster.schemas import (
    TRUE_OR_FALSE,
    Decision,
    Message,
    Option,
    Question,
    Sampling,
    as_query,
    first_problem,
    read_decisions,
)
from deemster.serve.contracts.asking import TheDesk
from deemster.serve.http_errors import ERRORS, HttpError

router = APIRouter(responses=ERRORS, tags=["OpenAI"])
MAX_QUESTIONS = 400


class Choice(BaseModel):
    """An option of a choice."""

    model_config = ConfigDict(extra="ignore")

    value: bool | Annotated[str, Field(min_length=1)]
    description: str = ""


class Level(BaseModel):
    """A level of a score."""

    model_config = ConfigDict(extra="ignore")

    label: Annotated[str, Field(min_length=1)]
    description: str = ""


class _Asked(BaseModel):
    """One question."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    instructions: Annotated[str, Field(min_length=1)]
    name: Annotated[str | None, Field(min_length=1)] = None


class AskedPredicate(_Asked):
    """Is it so?"""

    type: Literal["predicate"]

    @property
    def options(self) -> tuple[Option, ...]:
        """True and false."""
        return TRUE_OR_FALSE


class AskedChoice(_Asked):
    """Which of them?"""

    type: Literal["choice"]
    choices: Annotated[tuple[Choice, ...], Field(min_length=2, max_length=255)]

    @property
    def options(self) -> tuple[Option, ...]:
        """The choices."""
        return tuple(
            Option(value=_text(one.value), description=one.description) for one in self.choices
        )


class AskedScore(_Asked):
    """How much?"""

    type: Literal["score"]
    levels: Annotated[tuple[Level, ...], Field(min_length=2, max_length=10)]
    """Lowest first."""

    @property
    def options(self) -> tuple[Option, ...]:
        """The levels."""
        return tuple(Option(value=one.label, description=one.description) for one in self.levels)


AskedQuestion = Annotated[AskedPredicate | AskedChoice | AskedScore, Field(discriminator="type")]


class DecisionsRequest(BaseModel):
    """Questions about a text."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    model: str = ""
    """Name of a judge. A server with one judge takes any."""
    input: str | Annotated[tuple[dict[str, JsonValue], ...], Field(min_length=1)]
    """The text, or messages."""
    questions: Annotated[tuple[AskedQuestion, ...], Field(min_length=1, max_length=MAX_QUESTIONS)]


class Share(BaseModel):
    """The probability of one option; `label` where the options are levels."""

    value: bool | int | str
    label: str | None = None
    probability: float


class Answer(BaseModel):
    """The answer to one question; which fields it has depends on the type."""

    type: Literal["predicate", "choice", "score", "refusal"]
    name: str
    probability: float | None = None
    choice: bool | str | None = None
    score: float | None = None
    """The expected index of the level."""
    probabilities: tuple[Share, ...] | None = None
    confidence: float | None = None
    """0: all options are as likely; 1: one is certain."""


class DecisionsUsage(BaseModel):
    """Tokens."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class DecisionsReply(BaseModel):
    """One answer per question, in order."""

    id: str
    object: Literal["decision"] = "decision"
    created_at: int
    model: str
    answers: tuple[Answer, ...]
    usage: DecisionsUsage


@router.post("/v1/decisions", response_model_exclude_none=True)
async def decisions(asked: DecisionsRequest, desk: TheDesk) -> DecisionsReply:
    """Probabilities of the answers to typed questions about a text."""
    judge = desk.judge(asked.model if asked.model in desk.judges else None)
    if asked.model not in desk.judges and len(desk.judges) > 1:
        known = ", ".join(map(repr, desk.judges))
        raise HttpError(
            f"model {asked.model!r:.120} is no judge of this server; known: {known}",
            status=404,
            kind="model_not_found",
        )
    if not isinstance(judge, Judge | DecisionJudge):
        raise InputError(f"judge {judge.name!r} has no single model that could be asked")
    asking = _request(asked)
    with desk.admitted():
        async with desk.within():
            try:
                outcome = (await generate_all(judge.backend, asking))[0]
            except UnusableModelError as error:
                raise HttpError(str(error), status=400, kind="no_decisions") from error
    if isinstance(outcome, BackendError):
        raise HttpError(str(outcome), status=502)
    try:
        found = read_decisions(outcome.text, asking.questions)
    except ParseError as error:
        raise HttpError(str(error), status=400, kind="no_decisions") from error
    usage = outcome.usage
    return DecisionsReply(
        id=f"dec-{uuid.uuid4().hex}",
        created_at=int(time.time()),
        model=judge.name,
        answers=tuple(map(_answer, asked.questions, asking.questions, found)),
        usage=DecisionsUsage(
            input_tokens=usage.tokens_in,
            output_tokens=usage.tokens_out,
            total_tokens=usage.tokens_in + usage.tokens_out,
        ),
    )


def _request(asked: DecisionsRequest) -> ModelRequest:
    """What the model is asked.

    Raises:
        InputError: names of questions, or options of one, are not different.
    """
    text = "\n\n".join(message.text for message in as_query(asked.input))
    try:
        questions = tuple(
            Question(
                name=one.name or f"question-{number}",
                kind=one.type,
                instructions=one.instructions,
                options=one.options,
            )
            for number, one in enumerate(asked.questions, 1)
        )
        return ModelRequest(
            messages=(Message(role="user", content=text),),
            sampling=Sampling(temperature=0.0),
            questions=questions,
        )
    except ValidationError as error:
        raise InputError(first_problem(error)) from error


def _answer(
    asked: AskedPredicate | AskedChoice | AskedScore, question: Question, decision: Decision
) -> Answer:
    given = decision.probabilities
    if given is None:
        return Answer(type="refusal", name=question.name)
    if question.kind == "predicate":
        return Answer(type="predicate", name=question.name, probability=given[0])
    n, top = len(given), max(given)
    sure = min(max((n * top - 1) / (n - 1), 0.0), 1.0)
    if isinstance(asked, AskedChoice):
        values = [choice.value for choice in asked.choices]
        return Answer(
            type="choice",
            name=question.name,
            choice=values[given.index(top)],
            probabilities=tuple(
                Share(value=value, probability=one)
                for value, one in zip(values, given, strict=True)
            ),
            confidence=sure,
        )
    return Answer(
        type="score",
        name=question.name,
        score=sum(index * one for index, one in enumerate(given)),
        probabilities=tuple(
            Share(value=index, label=option.value, probability=one)
            for index, (option, one) in enumerate(zip(question.options, given, strict=True))
        ),
        confidence=sure,
    )


def _text(value: bool | str) -> str:
    return str(value).lower() if isinstance(value, bool) else value
