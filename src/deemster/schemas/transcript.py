"""The turns of an agent, tool calls and results among them, as one text that a judge can read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from deemster.errors import InputError
from deemster.json_text import parse_json
from deemster.schemas.message import ImagePart, Message, TextPart, ToolCall

_LINE = r"(?:\A|(?<=[\n\r\v\f\x85\u2028\u2029]))(?=[^A-Za-z0-9\n]{0,16}"
_HEADING = re.compile(rf"{_LINE}\d{{1,9}} ?/ ?\d{{1,9}}\s)")
"""Where a text could pass for the next turn, behind characters too that nobody sees."""
_CALL = re.compile(rf"{_LINE}(?i:tool ?call|image ?[0-9]))")
"""Where it could pass for a tool call or an image."""
_LABEL = re.compile(
    rf"{_LINE}(?i:system|developer|user|assistant|tool|function)"
    r"[^A-Za-z0-9\n\r\v\f\x85\u2028\u2029]{0,16}(?:\Z|[\n\r\v\f\x85\u2028\u2029]))"
)
"""Where it could pass for a turn that has its role on a line."""
_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def transcript(turns: Sequence[Message]) -> Message:
    """Several turns as one response, whole: a heading for each turn, its text, its tool calls.

    ```text
    Transcript: 3 turns, 1 tool call, 64 characters.

    [1/3 assistant, 26 characters]
    (tool call 1) weather: {"city": "Douglas"}

    [2/3 tool, result of call 1: weather, 15 characters]
    12 degrees, rain

    [3/3 assistant, …]
    …
    ```

    A line that looks like a heading, a call or an image inside a text is indented, so that no text
    can pass for another turn, and a name stays on its line. Images go along, with a note where each
    was. Nothing is cut: what is too long for a judge's model fails there, and says so.

    Args:
        turns: 1 or more, oldest first, of any role.
    """
    calls = [(turn, call) for turn in turns for call in turn.tool_calls]
    numbers = {call.id: number for number, (_, call) in enumerate(calls, 1) if call.id}
    names = {call.id: call.function.name for _, call in calls if call.id}
    numbered = iter(range(1, len(calls) + 1))
    images: list[ImagePart] = []
    parts = []
    for place, turn in enumerate(turns, 1):
        said = "\n".join(_said(turn, numbered, first_image=len(images) + 1))
        images += turn.images
        who: str = turn.role
        if turn.name is not None and turn.role != "tool":
            who += f" {_one_line(turn.name)}"
        if turn.role == "tool":
            number = numbers.get(turn.tool_call_id or "")
            name = turn.name or names.get(turn.tool_call_id or "")
            who += "" if number is None else f", result of call {number}"
            who += "" if name is None else f": {_one_line(name)}"
        heading = f"[{place}/{len(turns)} {who}, {len(said):,} characters]"
        parts.append(f"{heading}\n{_indented(said, _HEADING)}".rstrip("\n"))
    text = "\n\n".join(parts)
    plural = "" if len(calls) == 1 else "s"
    head = (
        f"Transcript: {len(turns)} turns, {len(calls)} tool call{plural}, {len(text):,} characters."
    )
    whole = f"{head}\n\n{text}"
    content = (TextPart(text=whole), *images) if images else whole
    return Message(role="assistant", content=content)


def call_text(call: ToolCall, number: int | None = None) -> str:
    """A tool call in one line, its arguments without escapes in which control tokens hide."""
    counted = "" if number is None else f" {number}"
    return (
        f"(tool call{counted}) {_one_line(call.function.name)}: {_decoded(call.function.arguments)}"
    )


def said_text(text: str) -> str:
    """A turn's text, in which lines are indented that could pass for its tool calls or images."""
    return _indented(text, _CALL)


def labelled(role: str, text: str) -> str:
    """A turn under its role; lines are indented that could pass for the next one's."""
    return f"[{role}]\n{_indented(text, _LABEL)}"


def _indented(text: str, where: re.Pattern[str]) -> str:
    """The text with two spaces wherever a pattern is found, in full width too."""
    places = [found.start() for found in where.finditer(text.translate(_ASCII))]
    starts = [0, *places]
    return "  ".join(text[here:there] for here, there in zip(starts, [*places, None], strict=True))


def _one_line(name: str) -> str:
    """A name that neither ends its line nor its brackets."""
    return " ".join(name.split()).translate({ord("["): "(", ord("]"): ")"})


def _said(turn: Message, numbers: Iterator[int], *, first_image: int) -> list[str]:
    lines = [said_text(turn.text)] if turn.text.strip() else []
    lines += [f"(image {number})" for number, _ in enumerate(turn.images, first_image)]
    return lines + [call_text(call, next(numbers)) for call in turn.tool_calls]


def _decoded(arguments: str) -> str:
    try:
        return json.dumps(parse_json(arguments, "arguments"), ensure_ascii=False)
    except InputError:
        return arguments  # as the model wrote them
