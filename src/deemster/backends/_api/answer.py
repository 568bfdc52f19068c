"""What an OpenAI-compatible server answers, in the many shapes it comes in, read into one.

Servers leave fields out, send null, nest text in lists of parts, or put an error where a choice
belongs. Whatever a person could read is read; what is not there is not guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from deemster.backends._api.faults import Fault
from deemster.records import encodable
from deemster.schemas import TokenLogprob, Usage


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class WireChoice(_Wire):
    """One choice as it came."""

    index: JsonValue = None
    message: dict[str, JsonValue] | None = None
    text: JsonValue = None  # of servers that answer as the old completions API did
    finish_reason: JsonValue = None
    logprobs: JsonValue = None
    error: JsonValue = None


class WireAnswer(_Wire):
    """A whole answer as it came."""

    choices: list[WireChoice] | None = None
    usage: JsonValue = None
    model: JsonValue = None
    error: JsonValue = None


def read_answer(content: bytes | dict[str, Any]) -> WireAnswer | None:
    """The answer, or None if this is not one (not JSON, cut off, a page of HTML)."""
    try:
        if isinstance(content, bytes):
            return WireAnswer.model_validate_json(content)
        return WireAnswer.model_validate(content)
    except ValidationError:
        # Python's own reader also takes half of an emoji, which the quicker one refuses.
        return _read_again(content) if isinstance(content, bytes) and b"\\ud" in content else None


def _read_again(content: bytes) -> WireAnswer | None:
    try:
        whole = json.loads(content)
        text = json.dumps(whole, ensure_ascii=False)
        return WireAnswer.model_validate_json(encodable(text).encode())
    except (ValueError, RecursionError):
        return None


def choices_of(answer: WireAnswer) -> list[WireChoice]:
    """The choices in the order of their numbers, where all have one."""
    choices = list(answer.choices or ())
    if all(type(choice.index) is int for choice in choices):
        choices.sort(key=lambda choice: choice.index)  # type: ignore[arg-type, return-value]
    return choices


def usage_of(answer: WireAnswer) -> Usage | None:
    """Tokens of the answer, its cost not known yet; None where they are not reported as counts."""
    reported = answer.usage
    if not isinstance(reported, dict):
        return None
    tokens_in = _count(reported.get("prompt_tokens"))
    tokens_out = _count(reported.get("completion_tokens"))
    if tokens_in is None or tokens_out is None:
        return None
    details = reported.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    if cached is None:
        cached = _count(reported.get("prompt_cache_hit_tokens"))  # DeepSeek
    return Usage(
        tokens_in=tokens_in, tokens_out=tokens_out, tokens_cached=min(cached or 0, tokens_in)
    )


def _count(value: JsonValue) -> int | None:
    """A number of tokens; None for null, text, fractions and what is below 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value % 1:
        return None
    return int(value)


def text_of(choice: WireChoice) -> str:
    """The visible text."""
    message = choice.message or {}
    if message.get("content") is None and isinstance(choice.text, str):
        return choice.text
    return _text(message.get("content"))


def _text(content: JsonValue) -> str:
    """Text, or the text parts of a list, without those that are reasoning."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return "" if _is_reasoning(content) else _text(content.get("text"))
    if isinstance(content, list):
        return "".join(_text(part) for part in content)
    return ""


def _is_reasoning(part: dict[str, JsonValue]) -> bool:
    return part.get("type") in {"thinking", "reasoning", "redacted_thinking"}


def reasoning_of(choice: WireChoice) -> str:
    """What the model thought, where it is apart from the text."""
    message = choice.message or {}
    for field in ("reasoning_content", "reasoning", "thinking"):
        if text := _text(message.get(field)):
            return text
    # Mistral puts it among the parts of the content, OpenRouter in a list of details.
    for field in ("content", "reasoning_details"):
        parts = message.get(field)
        if isinstance(parts, list) and (text := _thoughts(parts)):
            return text
    return ""


def _thoughts(parts: list[JsonValue]) -> str:
    found = []
    for part in parts:
        if isinstance(part, dict) and str(part.get("type", "")).startswith(
            ("thinking", "reasoning")
        ):
            found += [_text(part.get(key)) for key in ("thinking", "text", "summary")]
    return "".join(found)


def arguments_of(choice: WireChoice) -> tuple[str, ...]:
    """The arguments of the tool calls, each different text once."""
    calls = (choice.message or {}).get("tool_calls")
    found = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if isinstance(arguments, dict):  # some servers give the object itself
            arguments = json.dumps(arguments, ensure_ascii=False)
        if isinstance(arguments, str) and arguments:
            found.append(arguments)
    return tuple(dict.fromkeys(found))


def refusal_of(choice: WireChoice) -> str | None:
    """Why there is no answer, if the model or a filter declined to give one."""
    message = choice.message or {}
    extra = message.get("provider_specific_fields")
    said = message.get("refusal") or (extra.get("refusal") if isinstance(extra, dict) else None)
    if said:
        return f"the model refused: {str(said)[:300]}"
    if _BLOCKED.match(_finish(choice)):
        return "the provider's content filter stopped the answer"
    return None


def fault_of(value: WireAnswer | WireChoice) -> Fault | None:
    """The error that stands in place of an answer or of a choice, if one does."""
    if value.error:
        return Fault.read(200, value.error)
    if isinstance(value, WireChoice) and (finish := _finish(value)) in _BROKEN:
        return Fault(status=502, words=f"the answer broke off (finish_reason {finish})")
    return None


def words_of(answer: WireAnswer, secrets: Iterable[str]) -> str:
    """What a server said in place of choices, at most 300 characters without keys."""
    return Fault.read(200, answer.model_dump(exclude_none=True)).shown(secrets)


def finish_of(choice: WireChoice) -> Literal["stop", "length"]:
    """Whether the text is whole or was cut."""
    return "length" if _finish(choice) in _CUT else "stop"


def _finish(choice: WireChoice) -> str:
    """Why the text ends, lower case; empty where it is not given."""
    reason = choice.finish_reason
    if isinstance(reason, dict):  # as SGLang has it
        reason = reason.get("type")
    return reason.lower() if isinstance(reason, str) else ""


_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "repetition"})
_BROKEN = frozenset({"error", "abort", "aborted", "insufficient_system_resource"})
_BLOCKED = re.compile(
    r"content_filter|refusal$|blocklist$|spii$|(image_)?(safety|recitation|prohibited_content)$"
)


def logprobs_of(choice: WireChoice) -> tuple[TokenLogprob, ...] | None:
    """Log-probabilities of the text's tokens; None where they are not there, or malformed."""
    content = choice.logprobs.get("content") if isinstance(choice.logprobs, dict) else None
    if not isinstance(content, Sequence) or isinstance(content, str):
        return None
    try:
        return tuple(_token(entry) for entry in content)
    except (AttributeError, TypeError, ValidationError):
        return None


def _token(entry: Any) -> TokenLogprob:  # noqa: ANN401 - any JSON value
    return TokenLogprob(
        token=entry.get("token"),
        logprob=entry.get("logprob"),
        top=tuple(
            (top.get("token"), top.get("logprob")) for top in entry.get("top_logprobs") or ()
        ),
    )
