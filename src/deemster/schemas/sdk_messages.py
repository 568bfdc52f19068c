"""Messages as the SDKs of providers write them, in the form of the chat-completions API.

`model_dump()` of an SDK's message has fields for everything that the message does not have, and the
Responses API has names of its own for the same parts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_IGNORED = frozenset(
    {
        "annotations", "audio", "function_call", "id", "images", "index", "parsed",
        "provider_specific_fields", "reasoning", "reasoning_content", "reasoning_details",
        "refusal", "status", "thinking", "thinking_blocks", "type",
    }
)  # fmt: skip
"""Fields that say nothing about what was shown to the user, or are read apart. Reasoning is not
part of a response."""
_ROLES = {"developer": "system", "function": "tool"}
_TEXTS = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Names of text parts, with the field that has the text."""


def plain_message(given: Mapping[str, Any]) -> dict[str, Any]:
    """A message without what is empty, unknown to the chat-completions API, or named otherwise.

    What is none of an SDK's is left as it is, so that validation can refuse it.
    """
    message = {
        name: value
        for name, value in given.items()
        if name not in _IGNORED and value is not None  # null says nothing, whatever the field
    }
    role = message.get("role")
    if isinstance(role, str):
        message["role"] = _ROLES.get(role, role)
    content = message.get("content")
    if isinstance(content, list | tuple):
        message["content"] = [_part(part) for part in content]
    elif content is None:
        message["content"] = _spoken(given)
    calls = message.get("tool_calls")
    if calls is None and isinstance(given.get("function_call"), Mapping):
        calls = [{"function": given["function_call"]}]  # of the API before there were tools
    message["tool_calls"] = [_call(call) for call in calls] if isinstance(calls, list) else calls
    if calls is None:
        del message["tool_calls"]
    return message


def _spoken(message: Mapping[str, Any]) -> str:
    """The words of a message without content: a refusal, or what was said aloud."""
    if isinstance(message.get("refusal"), str):
        return str(message["refusal"])
    audio = message.get("audio")
    return str(audio.get("transcript") or "") if isinstance(audio, Mapping) else ""


def _part(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(part, Mapping):
        return part
    kind = part.get("type")
    if not isinstance(kind, str):
        return part
    if kind in _TEXTS:
        return {"type": "text", "text": part.get(_TEXTS[kind])}
    if kind == "text":
        return {"type": "text", "text": part.get("text")}
    if kind == "input_image":
        kind = "image_url"
    if kind == "image_url" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"], "detail": part.get("detail") or "auto"}
        return {"type": "image_url", "image_url": image}
    return part


def _call(call: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(call, Mapping):
        return call
    function = call.get("function", call)  # chat templates write name and arguments side by side
    if not isinstance(function, Mapping):
        return call
    arguments = function.get("arguments")
    if arguments is None:
        arguments = "{}"
    elif not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {
        "id": call.get("id") or "",
        "type": "function" if function is call else call.get("type") or "function",
        "function": {"name": function.get("name"), "arguments": arguments},
    }
