"""OpenAI-style conversations: what a query is and what a response is.

Strings are shorthand: a query string is one user turn, a response string one assistant turn. A
response of several turns becomes a transcript.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from deemster.errors import InputError
from deemster.schemas.message import PROMPT_ONLY, Message
from deemster.schemas.transcript import transcript

Conversation = tuple[Message, ...]
"""Turns of a conversation, oldest first."""
QueryLike = str | Sequence[Message | Mapping[str, Any]]
"""What callers may pass as a query: one user turn as text, or a conversation."""
ReferenceLike = str | Sequence[str]
"""What callers may pass as a reference: a gold answer, or several equally good ones."""
ResponseLike = str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]
"""What callers may pass as a response: the assistant's text, its message, or all turns of an agent
with their tool calls and results."""


def _message(value: object, what: str) -> Message:
    message = _any_message(value, what)
    if message.role in PROMPT_ONLY:
        raise InputError(
            f"{what} has role {message.role!r}; allowed: system, user, assistant, tool"
        )
    return message


def _any_message(value: object, what: str) -> Message:
    if isinstance(value, Message):
        return value
    if not isinstance(value, Mapping):
        raise InputError(
            f"{what} must be a message with 'role' and 'content', got {type(value).__name__}"
        )
    try:
        return Message.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise InputError(f"{what}: {where}: {first['msg']}, got {first['input']!r:.80}") from error


def as_query(query: QueryLike) -> Conversation:
    """Turn what a caller passed into a conversation.

    Raises:
        InputError: it is empty, blank or not OpenAI-style messages.
    """
    if isinstance(query, str):
        if not query.strip():
            raise InputError("query is empty; give the text or the messages that were answered")
        return (Message(role="user", content=query),)
    turns: Any = query  # it may be anything
    if isinstance(turns, bytes) or not isinstance(turns, Sequence):
        message = "; put a single message in a list" if isinstance(query, Mapping) else ""
        raise InputError(f"query must be a string or messages, got {type(query).__name__}{message}")
    messages = tuple(_message(turn, f"query message {i}") for i, turn in enumerate(turns))
    if not messages or all(message.is_blank for message in messages):
        raise InputError("query is empty; give the text or the messages that were answered")
    return messages


def as_response(response: ResponseLike, index: int = 0) -> Message:
    """Turn what a caller passed into an assistant message. An empty answer is still an answer.

    Several turns become one text, see `deemster.schemas.transcript`; one turn stays what it is.

    Raises:
        InputError: it is neither text nor an assistant message, nor a list of turns.
    """
    if isinstance(response, str):
        return Message(role="assistant", content=response)
    what = f"response {index}"
    if isinstance(response, list | tuple) and len(response) != 1:
        if not response:
            raise InputError(f"{what} has no turns; give a text, a message or 1 or more turns")
        return transcript([_message(turn, f"{what}, turn {i}") for i, turn in enumerate(response)])
    if isinstance(response, list | tuple):
        response = response[0]
    if not isinstance(response, Mapping | Message):
        raise InputError(
            f"{what} must be a text, a message with 'role' and 'content', or a list of turns, "
            f"got {type(response).__name__}"
        )
    if isinstance(response, Mapping):
        response = {"role": "assistant", **response}
    message = _message(response, what)
    if message.role != "assistant":
        raise InputError(f"{what} must have role 'assistant', got {message.role!r}")
    return message


def as_reference(reference: ReferenceLike | None) -> str | None:
    """One text of what a caller passed as reference: a gold answer, or several equally good ones.

    Raises:
        InputError: it is neither text nor a list of texts.
    """
    if reference is None or isinstance(reference, str):
        return reference
    texts: Any = reference  # it may be anything
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        raise InputError(
            f"reference must be a text or a list of texts, got {type(reference).__name__}"
        )
    if len(reference) < 2:
        return reference[0] if reference else None
    return "\n\n".join(
        f"Reference answer {i} of {len(reference)}:\n{one}" for i, one in enumerate(reference, 1)
    )


def as_responses(responses: Iterable[ResponseLike]) -> Conversation:
    """Turn what a caller passed into one assistant message per response.

    Args:
        responses: a list, or anything else that yields them in an order (read once).

    Raises:
        InputError: there is none, or one is not a response.
    """
    single = isinstance(responses, str | bytes | Mapping | Message)
    if single or not isinstance(responses, Iterable):
        raise InputError(
            f"responses must be a list of 1 or more, got {type(responses).__name__}; "
            "put a single response in a list"
        )
    if isinstance(responses, set | frozenset) or getattr(responses, "ndim", 1) != 1:
        # The names of a table's columns would be judged; rewards of a set would be nobody's.
        raise InputError(
            f"responses must be a list of 1 or more in an order, got {type(responses).__name__}"
        )
    made = tuple(as_response(response, i) for i, response in enumerate(responses))
    if not made:
        raise InputError("responses is empty; give 1 or more")
    return made
