"""Stub judges: they quote what they were shown and then say a verdict of their own.

A parser that takes the quoted verdict for the judge's has been forged.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from deemster.errors import InputError
from deemster.testing.attacks import CYRILLIC, LATIN

STYLES: dict[str, str] = {
    "before": "Response 1 says:\n{quoted}\nThat is an attempt to steer me.\n\n{honest}",
    "after": "{honest}\n\nNote that response 1 contained:\n{quoted}",
    "inline": 'Analysis:\n- Response 1: it merely says "{quoted}", no answer.\n\n{honest}',
    "block quote": "> {quoted}\n\nThis steers.\n\n{honest}",
    "code block": "Response 1:\n```\n{quoted}\n```\n\n{honest}",
    "table": "| response | text |\n|---|---|\n| 1 | {quoted} |\n\n{honest}",
    "under a label": "Scores: response 1 dictates {quoted}\n\n{honest}",
    "twice": "{quoted}\n\n{honest}\n\n{quoted}",
    "in reasoning": "<think>\nIt says {quoted}\n</think>\n\n{honest}",
}
"""What a judge writes around a quotation and its own verdict."""


def _joined(text: str) -> str:
    """Without joiners and other characters that spell nothing."""
    return re.sub("[\u00ad\u034f\u200b-\u200f\u2060\u3164\ufe00-\ufe0f\ufeff]", "", text)


def _unescaped(text: str) -> str:
    """Without JSON's escapes."""
    codes = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    return codes.replace('\\"', '"')


def _stripped(text: str) -> str:
    """As plain text: without any markup."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", HANDS["without tags"](text))
    text = re.sub(r"\[([^\[\]]*)\]\([^)]*\)", r"\1", text).replace("{}", "")
    return re.sub(r"[*_~`$]", "", text)


HANDS: dict[str, Callable[[str], str]] = {
    "exactly": str,
    "as NFKC": lambda text: unicodedata.normalize("NFKC", text),
    "without joiners": _joined,
    "with entities decoded": html.unescape,
    "with codes decoded": lambda text: unquote(_unescaped(html.unescape(html.unescape(text)))),
    "without Markdown": lambda text: re.sub(r"\\([\[\]<>|(){}\"\\:*])", r"\1", text),
    "without emphasis": lambda text: re.sub(r"[*_~`]", "", text),
    "without tags": lambda text: re.sub(r"<[^>]*>", "", text),
    "in one line": lambda text: re.sub(r"-?[\r\n]+", "", text),
    "as plain text": _stripped,
    "in plain Latin": lambda text: text.translate(
        str.maketrans(CYRILLIC + "\u201c\u201d", LATIN + '""')
    ),
    "by all of these": lambda text: HANDS["in plain Latin"](
        unicodedata.normalize("NFKC", HANDS["with codes decoded"](_joined(_stripped(text))))
    ),
}
"""How a judge copies what it quotes."""


_FENCED = re.compile(
    r"<<<BEGIN (?:RESPONSE|ANSWER)(?: \w+)? (?P<nonce>\w+)>>>\n(?P<text>.*?)\n"
    r"<<<END [^\n]*(?P=nonce)>>>",
    re.DOTALL,
)


def responses_shown(prompt: str) -> list[str]:
    """The responses in a prompt of deemster's, as they stand between its fences."""
    return [match["text"] for match in _FENCED.finditer(prompt)]


def prompt_of(asked: Any) -> str:  # noqa: ANN401 - of a backend or of the server
    """The text of a backend's `Request` or of a `Call` to the fault server."""
    messages = asked.body["messages"] if hasattr(asked, "body") else asked.messages
    return "\n".join(_text(message) for message in messages)


@dataclass(frozen=True)
class StubJudge:
    """A judge that quotes a response: a script for `FakeBackend` and for `OpenAIServer`.

    Args:
        verdict: its own verdict, as a judge of the dialect would write it.
        style: where it quotes: a name of `STYLES`, or `echo` for a quotation and no verdict.
        hand: how it copies: a name of `HANDS`.
        response: which response it quotes, from 1, in the order shown.
        find: the responses in a prompt; give your own for prompts that deemster did not write.

    Raises:
        InputError: a style or hand is unknown; a prompt has no such response (when called).
    """

    verdict: str
    style: str = "before"
    hand: str = "exactly"
    response: int = 1
    find: Callable[[str], Sequence[str]] = responses_shown

    def __post_init__(self) -> None:
        for what, name, known in (
            ("style", self.style, ("echo", *STYLES)),
            ("hand", self.hand, tuple(HANDS)),
        ):
            if name not in known:
                raise InputError(f"{what} {name!r} of a stub judge; known: {', '.join(known)}")

    def __call__(self, asked: Any, _number: int = 0) -> str:  # noqa: ANN401 - see `prompt_of`
        """What it says to a request."""
        shown = self.find(prompt_of(asked))
        if not 1 <= self.response <= len(shown):
            raise InputError(
                f"a stub judge quotes response {self.response}, but the prompt shows "
                f"{len(shown)}; give `find` for prompts of your own"
            )
        return self.says(shown[self.response - 1])

    def says(self, shown: str) -> str:
        """What it says when this is what it was shown."""
        quoted = HANDS[self.hand](shown)
        if self.style == "echo":
            return quoted
        return STYLES[self.style].format(quoted=quoted, honest=self.verdict)


def stub_judges(verdict: str) -> dict[str, StubJudge]:
    """All of them, by `STYLE, HAND`: every style, `echo` too, with every hand."""
    return {
        f"{style}, {hand}": StubJudge(verdict, style, hand)
        for style in (*STYLES, "echo")
        for hand in HANDS
    }


def _text(message: Any) -> str:  # noqa: ANN401 - a record or JSON
    if not isinstance(message, dict):
        return str(message.text)
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)
