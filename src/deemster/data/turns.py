"""Texts and conversations out of the columns of a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from deemster.data.row import Row, short
from deemster.errors import InputError
from deemster.schemas import Conversation, Message, as_query, as_response


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
        isinstance(turn, Mapping) and "role" in turn for turn in turns_there
    )


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


__all__ = ["answer_of", "plain_text", "quotes", "turns", "unpacked", "without_nulls"]
