"""From a `Request` to the body that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from deemster.backends.base import Request
from deemster.backends.structured import StructuredMode, request_options
from deemster.schemas import Sampling

_NOT_SAMPLING = frozenset(
    {"messages", "response_format", "tools", "tool_choice", "n", "seed", "parallel_tool_calls"}
)


@dataclass(frozen=True)
class Prepared:
    """A request made ready: the same body for all its draws, but for `n` and the seed."""

    body: dict[str, Any]
    mode: StructuredMode | None
    """How a schema is asked for; None for free text."""
    schema: dict[str, Any] | None
    prefix: str
    """How the completion was made to start."""
    asked: dict[str, JsonValue]
    """The decoding parameters as the judge asked for them."""

    def changed(self, body: Mapping[str, Any]) -> dict[str, JsonValue] | None:
        """The decoding parameters in `body`, if they are not those asked for."""
        sent = {name: value for name, value in body.items() if name not in _NOT_SAMPLING}
        if "max_completion_tokens" in sent:  # another name for the same
            sent["max_tokens"] = sent.pop("max_completion_tokens")
        return None if sent == self.asked else sent


def prepare(
    request: Request,
    *,
    mode: StructuredMode,
    prefill: bool,
    output_limit: str,
    room: int,
    extra: Mapping[str, Any],
) -> Prepared:
    """Make a request ready.

    Args:
        request: what the judge asks.
        mode: how a schema is asked for.
        prefill: whether a prefix can be forced.
        output_limit: the name that `max_tokens` has.
        room: tokens for reasoning, on top of those that the answer may have.
        extra: further parameters; None removes one.
    """
    messages = [message.to_openai() for message in request.messages]
    prefix = request.prefix if prefill else ""
    if prefix:
        messages.append({"role": "assistant", "content": prefix, "prefix": True})
    asked = request.sampling.to_openai()
    body: dict[str, Any] = {"messages": messages, **asked}
    body[output_limit] = body.pop("max_tokens") + room
    used = None
    if request.json_schema is not None:
        used = mode
        body |= request_options(mode, request.json_schema, messages)
    body |= extra
    for name in [name for name, value in extra.items() if value is None]:
        del body[name]
    return Prepared(body, used, request.json_schema, prefix, asked)


def needed(sampling: Sampling) -> frozenset[str]:
    """Parameters without which the answers are of no use to the judge."""
    return frozenset({"logprobs", "top_logprobs"}) if sampling.top_logprobs else frozenset()
