"""The two wire formats of decision models: what is sent, and how answers are read.

`decisions` is OpenAI's `POST /v1/decisions`, `systemone` TypeSafe's `POST /v1/systemone`; engines
and gateways serve one or both. Only probabilities are read: what servers call confidence is a
different number at each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from deemster.errors import BackendError
from deemster.schemas import Decision, Question, Usage

Wire = Literal["decisions", "systemone"]
_KINDS = {"predicate": "noul"}
_SUM_TOLERANCE = 0.02
"""Servers round probabilities; a sum further from 1 than this is not a distribution."""


def request_body(wire: Wire, text: str, questions: Sequence[Question]) -> dict[str, Any]:
    """The body of a request, without the model."""
    if wire == "decisions":
        return {"input": text, "questions": [_openai_question(one) for one in questions]}
    return {"state": text, "questions": {one.name: _systemone_question(one) for one in questions}}


def _openai_question(question: Question) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "type": question.kind, "name": question.name, "instructions": question.instructions,
    }  # fmt: skip
    if question.kind == "predicate":
        meanings = [
            f"It is {option.value} if: {option.description}"
            for option in question.options
            if option.description
        ]
        return asked | {"instructions": "\n".join([question.instructions, *meanings])}
    field, key = ("choices", "value") if question.kind == "choice" else ("levels", "label")
    return asked | {
        field: [
            {key: option.value}
            | ({"description": option.description} if option.description else {})
            for option in question.options
        ]
    }


def _systemone_question(question: Question) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "type": _KINDS.get(question.kind, question.kind), "instructions": question.instructions,
    }  # fmt: skip
    meanings = {option.value: option.description or None for option in question.options}
    if question.kind == "score":
        levels = [f"{value}: {what}" if what else value for value, what in meanings.items()]
        return asked | {"criteria": levels}
    if question.kind == "predicate" and not any(meanings.values()):
        return asked
    return asked | {"criteria": meanings}


def read_reply(
    wire: Wire, reply: Mapping[str, Any], questions: Sequence[Question]
) -> list[Decision]:
    """The decisions of an answer, one per question.

    Raises:
        BackendError: the answer is not in the format, or not about these questions.
    """
    answers = reply.get("answers")
    if wire == "decisions":
        if not isinstance(answers, list) or len(answers) != len(questions):
            got = len(answers) if isinstance(answers, list) else "no"
            raise BackendError(f"the server gave {got} answers to {len(questions)} questions")
    else:
        if not isinstance(answers, Mapping):
            raise BackendError("the server's answer has no 'answers'")
        answers = [answers.get(question.name) for question in questions]
    noted = reply.get("diagnostics")
    diagnostics = noted if isinstance(noted, Mapping) else {}
    return [
        _decision(question, answer, diagnostics.get(question.name))
        for question, answer in zip(questions, answers, strict=True)
    ]


def _decision(question: Question, answer: object, diagnostics: object) -> Decision:
    name = question.name
    if answer is None or (isinstance(answer, Mapping) and answer.get("type") == "refusal"):
        return Decision(name=name, probabilities=None)
    if not isinstance(answer, Mapping) or answer.get("type") not in {
        question.kind, _KINDS.get(question.kind),
    }:  # fmt: skip
        raise _malformed(question, answer)
    if question.kind == "predicate":
        chance = _number(question, answer.get("probability", answer.get("noul")))
        given = [chance, 1 - chance]
    else:
        by_option = _by_option(question, answer.get("probabilities"))
        given = [_number(question, value) for value in by_option]
    total = math.fsum(given)
    if abs(total - 1) > _SUM_TOLERANCE:
        raise _malformed(question, answer)
    mass = diagnostics.get("label_mass") if isinstance(diagnostics, Mapping) else None
    return Decision(
        name=name,
        probabilities=tuple(min(value / total, 1.0) for value in given),
        label_mass=None if mass is None else _number(question, mass),
    )


def _by_option(question: Question, given: object) -> list[object]:
    """What stands at each option: keys are its value, or its index for levels."""
    if isinstance(given, list):
        entries = [entry for entry in given if isinstance(entry, Mapping)]
        found = {_key(entry.get("value")): entry.get("probability") for entry in entries}
    elif isinstance(given, Mapping):
        found = {str(key): value for key, value in given.items()}
    else:
        found = {}
    wanted = [
        str(index) if question.kind == "score" else option.value
        for index, option in enumerate(question.options)
    ]
    if set(found) != set(wanted):
        raise _malformed(question, given)
    return [found[key] for key in wanted]


def _key(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(question: Question, value: object) -> float:
    """A probability; rounding just outside 0..1 is taken back."""
    fine = isinstance(value, int | float) and not isinstance(value, bool)
    if not fine or not -1e-6 <= float(value) <= 1 + 1e-6:  # type: ignore[arg-type]
        raise _malformed(question, value)
    return min(max(float(value), 0.0), 1.0)  # type: ignore[arg-type]


def _malformed(question: Question, answer: object) -> BackendError:
    shown = json.dumps(answer, ensure_ascii=False, default=str)[:200]
    return BackendError(
        f"the answer to the {question.kind} question {question.name!r} is malformed: {shown}"
    )


def usage_of(reply: object) -> Usage | None:
    """Tokens of an answer, its cost not known yet; None where they are not reported."""
    reported = reply.get("usage") if isinstance(reply, Mapping) else None
    if not isinstance(reported, Mapping):
        return None
    tokens_in = _count(reported, "input_tokens", "prompt_tokens")
    if tokens_in is None:
        return None
    details = reported.get("input_tokens_details") or reported.get("prompt_tokens_details")
    cached = _count(details, "cached_tokens") if isinstance(details, Mapping) else None
    return Usage(
        tokens_in=tokens_in,
        tokens_out=_count(reported, "output_tokens", "completion_tokens") or 0,
        tokens_cached=min(cached or 0, tokens_in),
    )


def _count(reported: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = reported.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None
