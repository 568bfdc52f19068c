"""The form in which text is matched, the same where verdicts are read and where they are defused.

Models and strangers alike write full-width letters, mathematical alphabets and no-break spaces.
Both sides look at the folded text, so that what a parser can read is what the prompt respells.
Folding keeps the length: position i of the folded text is position i of the text, and the text
itself stays as it was written.
"""

from __future__ import annotations

import re
import unicodedata

# Formatting that nobody sees: control characters, zero-width characters, bidi overrides, tags.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)
# Joiners, variation selectors and fillers spell Persian, Hindi, Korean and many emoji. Between
# two characters of ASCII, or what folds to it, they spell nothing.
_JOINER = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]+"
)
_JOINERS = re.compile(f"(?<=[ -~]){_JOINER}(?=[ -~])")
_ANY_JOINERS = re.compile(_JOINER)
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Table(dict[int, int]):
    """Code points to ASCII by NFKC, worked out as they occur."""

    def __init__(self, *without: str) -> None:
        super().__init__()
        self._without = without

    def __missing__(self, code: int) -> int:
        char = chr(code)
        folded = unicodedata.normalize("NFKC", char)
        if (
            len(folded) != 1
            or not folded.isascii()
            or unicodedata.decomposition(char).startswith(self._without)
        ):
            folded = char
        self[code] = ord(folded)
        return self[code]


# 1⁰ is not 10 and ⑧ may number a list, so nothing is read from them.
_READ = _Table("<super>", "<sub>", "<circle>")
_ANY = _Table("<none>")


def visible(text: str) -> str:
    """The text without characters that nobody sees; lone surrogates become U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    text = _INVISIBLE.sub("", _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))
    if text.isascii():
        return text
    spans = [joiners.span() for joiners in _JOINERS.finditer(fold(text, all_forms=True))]
    if not spans:
        return text
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(text)]
    return "".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def without_joiners(text: str) -> str:
    """The text without any joiners, as whoever copies it may write it."""
    return _ANY_JOINERS.sub("", text)


def fold(text: str, *, all_forms: bool = False) -> str:
    """The text with compatibility forms of single ASCII characters as those, of the same length.

    Args:
        text: any text, best `visible`.
        all_forms: fold raised, lowered and circled forms too, which are not read as what they
            resemble, but could be turned into it by whoever quotes them.
    """
    return text if text.isascii() else text.translate(_ANY if all_forms else _READ)


def spelled_out(text: str) -> str:
    """The text with characters that stand for several ASCII ones (ﬁ, ⒜, …) written as those."""
    return "".join(map(_spell, text))


def _spell(char: str) -> str:
    if char.isascii():
        return char
    plain = unicodedata.normalize("NFKC", char)
    return plain if plain.isascii() else char
