"""Text from outside where people read it: on a terminal, in Markdown. It shows, and steers nothing.

Responses, judges' words, servers' errors, names of files and files themselves may hold what moves
the cursor, sets the window's title, turns the order of the letters round, or is markup. What is
written for programs (JSON, files) keeps it, escaped as its format says.
"""

from __future__ import annotations

import re

_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""What changes the direction of the text around it; marks of direction stay."""
_STEERING: dict[int, str | None] = dict.fromkeys(
    [*range(9), *range(11, 32), *range(127, 160), *map(ord, _TURNS)]
)
_STEERING |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
"""Lone surrogates too, which stand for the bytes of names that are no text: none can be written."""
_MARKUP = {ord(char): f"\\{char}" for char in "\\`*_[]<>#|~&$"}
_LINKED = re.compile(r"@|:(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
"""What makes a link or calls somebody although it is no markup: addresses and names."""


def harmless(text: str) -> str:
    """The text without control characters, but for tabs and line feeds; it can be written."""
    return text if text.isascii() and text.isprintable() else text.translate(_STEERING)


def one_line(text: str) -> str:
    """The same with blanks in place of line feeds: no name begins a line of its own."""
    return harmless(" ".join(text.splitlines()))


def inline(text: str) -> str:
    """In a line or a cell of Markdown: neither markup, nor a link or a mention, nor a new line."""
    shown = " ".join(one_line(text).split()).translate(_MARKUP)
    return _LINKED.sub(r"\g<0><!-- -->", shown)


def code(text: str) -> str:
    """As code in a line of Markdown."""
    return f"`{' '.join(one_line(text).split()).replace('`', chr(39))}`"
