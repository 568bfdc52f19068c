"""Text from outside on a terminal: it is shown, and steers nothing.

Responses, judges' words, servers' errors and files may hold what moves the cursor, sets the
window's title or turns the order of the letters round. It is left out wherever text is shown to
people; what is written for programs (JSON, files) keeps it, escaped as its format says.
"""

from __future__ import annotations

_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""What changes the direction of the text around it; marks of direction stay."""
_STEERING = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160), *map(ord, _TURNS)])


def harmless(text: str) -> str:
    """The text without control characters, but for tabs and line feeds."""
    return text if text.isascii() and text.isprintable() else text.translate(_STEERING)
