"""Typed questions with gold answers put to a decision model as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deemster.backends import Backend, Request, generate_all
from deemster.benchmarks.typed_decisions import DecisionCase
from deemster.errors import BackendError, DeemsterError, InputError, ParseError
from deemster.judges.decision_questions import check_answered
from deemster.schemas import Message, QuestionKind, Record, Sampling, Usage, read_decisions
from deemster.suites.metrics.decisions import Answered, DecisionFigures, decision_figures

_TOGETHER = 32
KINDS: tuple[QuestionKind, ...] = ("predicate", "choice", "score")


class DecisionBench(Record):
    """What a model's answers are worth, by kind of question and over all."""

    model: str
    cases: int
    kinds: dict[QuestionKind, DecisionFigures]
    all: DecisionFigures
    usage: Usage
    problems: tuple[str, ...] = ()
    """Why questions were not answered, each reason once."""


@dataclass(frozen=True)
class Asked:
    """What a model said to the questions of some cases.

    Attributes:
        answers: one per question.
        usage: what they took.
        problems: why questions were not answered, each reason once.
    """

    answers: list[Answered]
    usage: Usage
    problems: tuple[str, ...]


async def decision_bench(
    backend: Backend, cases: Iterable[DecisionCase], *, min_label_mass: float = 0.5
) -> DecisionBench:
    """Ask all questions of all cases, and compute the figures; see `ask_cases`."""
    cases = list(cases)
    asked = await ask_cases(backend, cases, min_label_mass=min_label_mass)
    answers = asked.answers
    return DecisionBench(
        model=backend.name,
        cases=len(cases),
        kinds={
            kind: decision_figures([one for one in answers if one.kind == kind]) for kind in KINDS
        },
        all=decision_figures(answers),
        usage=asked.usage,
        problems=asked.problems[:10],
    )


async def ask_cases(
    backend: Backend, cases: Sequence[DecisionCase], *, min_label_mass: float = 0.5
) -> Asked:
    """Ask all questions of all cases, one request per case.

    A question that the model declines, or to whose options it gives less than `min_label_mass`,
    is not answered; a request that fails leaves all its questions so.

    Raises:
        InputError: there are no cases, or the model cannot be asked at all.
    """
    if not cases:
        raise InputError("no cases to ask about; expected 1 or more")
    places = asyncio.Semaphore(_TOGETHER)

    async def one(case: DecisionCase) -> tuple[list[Answered], list[str], Usage]:
        async with places:
            return await _ask(backend, case, min_label_mass)

    done = await asyncio.gather(*(one(case) for case in cases))
    return Asked(
        answers=[answer for some, _, _ in done for answer in some],
        usage=Usage.total(usage for _, _, usage in done),
        problems=tuple(dict.fromkeys(text for _, some, _ in done for text in some)),
    )


async def _ask(
    backend: Backend, case: DecisionCase, min_label_mass: float
) -> tuple[list[Answered], list[str], Usage]:
    request = Request(
        messages=(Message(role="user", content=case.text),),
        sampling=Sampling(temperature=0.0, max_tokens=1),
        questions=case.questions,
    )
    asked = list(zip(case.questions, case.gold, strict=True))
    (outcome,) = await generate_all(backend, request)
    usage = outcome.usage or Usage()
    try:
        if isinstance(outcome, BackendError):
            raise outcome
        decisions = read_decisions(outcome.text, case.questions)
    except (BackendError, ParseError) as error:
        return [Answered(one.kind, gold, None) for one, gold in asked], [str(error)], usage
    found: list[Answered] = []
    problems: list[str] = []
    for (question, gold), decision in zip(asked, decisions, strict=True):
        stated = decision.probabilities
        try:
            check_answered([decision], min_label_mass=min_label_mass)
        except DeemsterError:
            stated = None
            problems.append("declined, or too little probability on the options (min_label_mass)")
        found.append(Answered(question.kind, gold, stated))
    return found, problems, usage
