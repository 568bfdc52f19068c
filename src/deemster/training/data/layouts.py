"""The layouts of rows of preference or instruction data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deemster.benchmarks.files import Row
from deemster.errors import InputError
from deemster.schemas import Conversation, Message, Sample, as_query, as_response
from deemster.training.outcome import check_truth

LAYOUTS = (
    "query + responses + ground_truth, prompt + chosen + rejected, or prompt + completion + label"
)


def preference_of(row: Row) -> Sample:
    """A labelled sample from a row in one of the layouts `LAYOUTS`.

    The first is deemster's own `Sample`. The others are TRL's preference format, where
    conversations may hold the prompt in `chosen` and `rejected`, and its unpaired one, with a
    label that is true or false (or 1 or 0). Fields beyond a layout's own are an error in the first
    and left alone in the others.

    Raises:
        InputError: it has none of the layouts, or see `check_preference`.
    """
    values = without_nulls(row.values)
    if "responses" in values:
        sample = Sample.parse(values, where=row.where)
    elif "chosen" in values and "rejected" in values:
        sample = _pair(row, values)
    elif "label" in values and ("completion" in values or "response" in values):
        sample = _single(row, values)
    else:
        fields = ", ".join(map(str, row.values)) or "none"
        raise row.error(
            f"not a known layout of preferences; known: {LAYOUTS}; fields here: {fields}"
        )
    check_preference(sample, row.where)
    return sample


def check_preference(sample: Sample, where: str) -> None:
    """Raise `InputError` unless a sample has texts to judge and a usable label.

    The label has one strict maximum, or is 0 or 1 for a single response (paper Eq. 10).
    """
    if not sample.query:
        raise InputError(f"{where}: query is empty; give the text that was answered")
    for i, response in enumerate(sample.responses):
        if response.is_blank:
            raise InputError(f"{where}: response {i} is empty; leave it out or give its text")
    if sample.ground_truth is None:
        raise InputError(f"{where}: no ground_truth; label the row or leave it out")
    try:
        check_truth(sample.ground_truth)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value without null fields, at any depth: that is how tables write absent ones."""
    if isinstance(value, Mapping):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value


def turns(row: Row, value: Any, name: str, role: str) -> Conversation:  # noqa: ANN401
    """A text as one turn of a role, or a list of messages.

    Raises:
        InputError: it is neither; the text names the row and the field.
    """
    try:
        if isinstance(value, str) and role == "assistant":
            return (as_response(value),)
        if isinstance(value, str | list):
            return as_query(value)
    except InputError as error:
        raise row.error(f"field {name!r}: {error}") from error
    raise row.error(f"field {name!r} must be text or messages, got {value!r:.80}")


def prompt_of(row: Row, values: dict[str, Any]) -> Conversation | None:
    """The conversation under `prompt` or `query`; None if the row has neither."""
    for name in ("prompt", "query"):
        if name in values:
            return turns(row, values[name], name, "user")
    return None


def answer_of(row: Row, conversation: Conversation, name: str) -> Message:
    """The assistant's turn that ends a conversation."""
    last = conversation[-1]
    if last.role != "assistant":
        raise row.error(f"field {name!r} must end with an assistant turn, got {last.role!r}")
    return last


def _pair(row: Row, values: dict[str, Any]) -> Sample:
    prompt = prompt_of(row, values)
    answers, before = [], []
    for name in ("chosen", "rejected"):
        conversation = turns(row, values[name], name, "assistant")
        answers.append(answer_of(row, conversation, name))
        before.append(conversation[:-1])
    if prompt is None:
        if not before[0] or before[0] != before[1]:
            raise row.error(
                "no prompt: give a field 'prompt', or begin 'chosen' and 'rejected' with the "
                "same turns"
            )
        prompt = before[0]
    elif any(turns_before and turns_before != prompt for turns_before in before):
        raise row.error("'chosen' or 'rejected' starts with a conversation other than 'prompt'")
    return _sample(row, values, prompt, answers, (1.0, 0.0))


def _single(row: Row, values: dict[str, Any]) -> Sample:
    name = "completion" if "completion" in values else "response"
    prompt = prompt_of(row, values)
    if prompt is None:
        raise row.error("no field 'prompt'; give the text that was answered")
    label = values["label"]
    if label not in (0, 1):
        raise row.error(f"field 'label' must be true or false, or 1 or 0, got {label!r:.80}")
    answer = answer_of(row, turns(row, values[name], name, "assistant"), name)
    return _sample(row, values, prompt, [answer], (float(label),))


def _sample(
    row: Row,
    values: dict[str, Any],
    query: Conversation,
    responses: list[Message],
    truth: tuple[float, ...],
) -> Sample:
    named: dict[str, Any] = {k: values[k] for k in ("reference", "subset") if k in values}
    if "id" in values:
        named["id"] = row.label("id")
    return row.sample(query=query, responses=responses, ground_truth=truth, **named)
