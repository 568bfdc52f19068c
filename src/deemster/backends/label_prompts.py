"""Questions as prompts whose next token is the label of an option, and what the labels say. Pure.

Local models and servers are asked alike, so that their answers can be compared.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence

from deemster.backends.base import Request
from deemster.backends.decision_file import KIND_NAMES, DecisionFile
from deemster.errors import BackendError, InputError
from deemster.schemas import Decision, Option, Question, label_share


def asked_text(request: Request) -> str:
    """What the questions of a request are about.

    Raises:
        BackendError: there are images.
    """
    if any(message.images for message in request.messages):
        raise BackendError("this model reads text only, but the messages contain images")
    return "\n\n".join(message.text for message in request.messages)


def labels_of(question: Question, file: DecisionFile) -> tuple[str, ...]:
    """What the options are called in the prompt: one label each, in the question's order.

    Raises:
        InputError: there are fewer labels than options.
    """
    kind = KIND_NAMES[question.kind]
    predicate = question.kind == "predicate"
    labels = file.labels.get(kind) or (
        ("Yes", "No") if predicate else tuple(string.ascii_uppercase)
    )
    if len(labels) < len(question.options):
        raise InputError(
            f"question {question.name!r} has {len(question.options)} options, but there are "
            f"{len(labels)} labels; give fewer options, or more labels (in decision.json for a "
            "local model, as the option labels for a served one)"
        )
    if predicate and file.noul_options[0] == "false":
        return labels[1], labels[0]
    return labels[: len(question.options)]


def prompt_parts(text: str, question: Question, labels: Sequence[str]) -> tuple[str, str]:
    """What a model without a decision template is asked, in two parts.

    The first part is the same for every question about a text.
    """
    if question.kind == "predicate":
        meanings = [
            f"{label}: {option.description}"
            for label, option in zip(labels, question.options, strict=True)
            if option.description
        ]
        last = f"Say {labels[0]} or {labels[1]}, and nothing else."
    else:
        meanings = [
            f"{label}. {described(option)}"
            for label, option in zip(labels, question.options, strict=True)
        ]
        what = "level" if question.kind == "score" else "option"
        last = f"Say the label of the right {what}, {labels[0]} to {labels[-1]}, and nothing else."
    return f"{text.rstrip()}\n\n", "\n".join([question.instructions, *meanings, last])


def described(option: Option) -> str:
    """An option's value, and what it means where that is said."""
    return f"{option.value}: {option.description}" if option.description else option.value


def decision_of(
    question: Question, spelled: Sequence[Sequence[float]], *, temperature: float = 1.0
) -> Decision:
    """The decision that log-probabilities of the next token make.

    Args:
        question: which was asked.
        spelled: per option, the log-probability of every token that spells its label.
        temperature: what an option's log-probability is divided by.

    Raises:
        BackendError: one is not a number.
    """
    if any(math.isnan(value) for option in spelled for value in option):
        raise BackendError("the model gave no probabilities (not a number)")
    values = [_log_sum(option) for option in spelled]
    chances = label_share([value / temperature for value in values]).probabilities
    return Decision(
        name=question.name,
        probabilities=chances if any(chances) else None,
        label_mass=label_share(values).mass,
    )


def _log_sum(logprobs: Sequence[float]) -> float:
    """The logarithm of the sum of probabilities, given theirs; -inf of none."""
    highest = max(logprobs, default=-math.inf)
    if highest == -math.inf:
        return highest
    return highest + math.log(math.fsum(math.exp(value - highest) for value in logprobs))
