"""Texts and conversations out of the columns of a row."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from deemster.data.row import Row, short
from deemster.errors import InputError
from deemster.schemas import Conversation, Message, as_query, as_response

_PYTHON = re.compile(r"\s*\[\s*\{'(?:role|content|from|value)': ")
_ROLES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}
"""What a ShareGPT turn is from."""


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value without the fields that are null: tables write absent ones so, at any depth."""
    if isinstance(value, Mapping):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value


def turns(row: Row, value: Any, name: str, role: str) -> Conversation:  # noqa: ANN401
    """A text as one turn of a role, or a list of messages.

    Raises:
        InputError: it is neither; the text names the row and the column.
    """
    if _is_messages(given := unpacked(row, value)):
        value = given  # of a table of texts; other JSON there is a text
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        raise row.error(f"{name!r} is a list of texts; it must be one text, or messages")
    if isinstance(value, str) and row.textual and _PYTHON.match(value):
        raise row.error(
            f"{name!r} holds messages as Python prints them, {short(value)}; write them as JSON: "
            "json.dumps in each cell, or JSON Lines instead of the table"
        )
    if isinstance(value, list):
        value = [_as_message(row, one, name) for one in value]
    elif isinstance(value, Mapping):
        value = _as_message(row, value, name)
    try:
        if isinstance(value, str | Mapping) and role == "assistant":
            return (as_response(value),)
        if isinstance(value, str | list):
            return as_query(value)
    except InputError as error:
        raise row.error(f"{name!r}: {error}") from error
    raise row.error(f"{name!r} must be text or messages, got {short(value)}{quotes(value)}")


def _is_messages(value: object) -> bool:
    turns_there = value if isinstance(value, list) else [value]
    return bool(turns_there) and all(
        isinstance(turn, Mapping) and not turn.keys().isdisjoint(("role", "from"))
        for turn in turns_there
    )


def _as_message(row: Row, turn: Any, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """A turn with a role and a content, where it has a `from` and a `value` (ShareGPT)."""
    if not isinstance(turn, Mapping) or turn.keys() != {"from", "value"}:
        return turn
    role = _ROLES.get(str(turn["from"]))
    if role is None:
        raise row.error(
            f"{name!r}: a turn is from {short(turn['from'])}; known: {', '.join(_ROLES)}; write "
            "others as messages with role and content"
        )
    return {"role": role, "content": turn["value"]}


def several_texts(row: Row, value: Any) -> list[str] | None:  # noqa: ANN401 - any JSON value
    """The texts of a list of them; None of anything else."""
    value = unpacked(row, value)
    listed = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    return list(value) if listed else None


def answer_of(row: Row, conversation: Conversation, name: str) -> Message:
    """The assistant's turn that ends a conversation."""
    last = conversation[-1]
    if last.role != "assistant":
        raise row.error(f"{name!r} must end with an assistant turn, got {last.role!r}")
    return last


def plain_text(row: Row, value: Any, name: str) -> str:  # noqa: ANN401 - any JSON value
    """A text, or a number as text: ids are numbers in some files and texts in others."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers in which a table has gaps
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        what = f"{name!r} must be text or a number, got {short(value)}"
        raise row.error(what + quotes(value))
    return str(value)


def quotes(value: object) -> str:
    """What to write where text was meant and YAML or JSON read something else."""
    return "; put it in quotes" if isinstance(value, bool | int | float | date) else ""


def unpacked(row: Row, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A list that a CSV cell holds as JSON; other values as they are."""
    if row.textual and isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value  # a text that begins with a bracket
    return value


__all__ = [
    "answer_of",
    "plain_text",
    "quotes",
    "several_texts",
    "turns",
    "unpacked",
    "without_nulls",
]
