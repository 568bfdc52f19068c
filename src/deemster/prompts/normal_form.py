"""The form in which text is matched, the same where verdicts are read and where they are defused.

Models and strangers alike write full-width letters, mathematical alphabets and no-break spaces.
Both sides look at the folded text, so that what a parser can read is what the prompt respells.
Folding keeps the length: position i of the folded text is position i of the text, and the text
itself stays as it was written.

Texts may hold a million characters of any script, so they are handled as arrays of code points.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_Codes = npt.NDArray[np.uint32]

# Formatting that nobody sees: control characters, zero-width characters, bidi overrides, tags.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)
# Joiners, variation selectors and fillers spell Persian, Hindi, Korean and many emoji. Between
# two characters of ASCII, or what folds to it, they spell nothing.
_JOINER = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
_REPLACEMENT = 0xFFFD
# Not compatible with ASCII, but whoever copies them writes it often: quotation marks and brackets,
# and the letters of other scripts (Cyrillic, Greek, Armenian) that look like Latin ones.
_LOOK_ALIKES = dict(
    zip(
        "\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u300c\u300d\u300e\u300f\u301d\u301e"
        "\u2018\u2019\u201a\u201b\u2032"
        "\u3010\u3011\u3014\u3015\u3016\u3017\u301a\u301b\u27e6\u27e7\u2045\u2046"
        "\u2039\u203a\u27e8\u27e9\u27ea\u27eb\u3008\u3009\u300a\u300b\u276c\u276d\u276e\u276f"
        "\u0430\u0435\u043e\u0441\u0440\u0445\u0443\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
        "\u043a\u043c\u0442\u043f\u0433\u0432\u0475\u0410\u0412\u0415\u041a\u041c\u041d\u041e"
        "\u0420\u0421\u0422\u0425\u0406\u0408\u0405\u0423\u051c\u03b1\u03bf\u03bd\u03c1\u03b9"
        "\u03ba\u03c5\u03c7\u03c9\u03b7\u03b5\u03c4\u03b3\u0391\u0392\u0395\u0396\u0397\u0399"
        "\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u0585\u0578\u057d\u0131",
        '""""""""""""""' + "'''''[][][][][][]<><><><><><><>"
        "aeocpxyijshdqwkmtnrbvABEKMHOPCTXIJSYWaovpikuxwnetyABEZHIKMNOPTYXonui",
        strict=True,
    )
)
# Kinds of characters, as bits.
_IS_SURROGATE, _IS_INVISIBLE, _IS_JOINER, _IS_SEVERAL, _IS_COMPATIBLE, _IS_MARK, _IS_KNOWN = (
    1 << bit for bit in range(7)
)


class _Characters:
    """What each character folds to and which kinds it is of, worked out as they occur."""

    def __init__(self) -> None:
        # By code point; zeros take no memory until they are written.
        self.any_form = np.zeros(0x110000, np.uint32)
        self.read_form = np.zeros(0x110000, np.uint32)
        self.kinds = np.zeros(0x110000, np.uint8)

    def learn(self, codes: _Codes) -> None:
        """Fill the tables for these characters."""
        new = codes[self.kinds[codes] == 0]
        if new.size:
            for code in np.flatnonzero(np.bincount(new)).tolist():
                self._add(code)

    def _add(self, code: int) -> None:
        char = chr(code)
        plain = unicodedata.normalize("NFKC", char)
        single = len(plain) == 1 and plain.isascii()
        marked = unicodedata.normalize("NFD", char)
        bare = marked[0] if len(marked) > 1 and marked[0].isascii() else char  # without its accents
        self.any_form[code] = ord(plain if single else _LOOK_ALIKES.get(char, bare))
        # 1⁰ is not 10 and ⑧ may number a list, so nothing is read from them.
        apart = unicodedata.decomposition(char).startswith(("<super>", "<sub>", "<circle>"))
        self.read_form[code] = ord(plain) if single and not apart else code
        self.kinds[code] = (
            _IS_KNOWN
            | _IS_SURROGATE * (0xD800 <= code <= 0xDFFF)
            | _IS_INVISIBLE * bool(_INVISIBLE.match(char))
            | _IS_JOINER * bool(_JOINER.match(char))
            # An ellipsis is dots, which are part of no verdict.
            | _IS_SEVERAL * (len(plain) > 1 and plain.isascii() and bool(plain.strip(".")))
            | _IS_COMPATIBLE * (plain != char and not plain.isascii())
            | _IS_MARK * (unicodedata.category(char) in {"Mn", "Me", "Cf"})
        )


_CHARACTERS = _Characters()


def visible(text: str) -> str:
    """The text without characters that nobody sees; lone surrogates become U+FFFD."""
    if text.isascii():
        # Line ends are not printable, but nearly every text has them.
        return text if text.replace("\n", "").isprintable() else _INVISIBLE.sub("", text)
    codes = _known(text)
    kinds = _CHARACTERS.kinds[codes]
    found = np.bitwise_or.reduce(kinds)
    if found & _IS_SURROGATE:
        codes = np.where(kinds & _IS_SURROGATE, np.uint32(_REPLACEMENT), codes)
    if found & _IS_INVISIBLE:
        seen = kinds & _IS_INVISIBLE == 0
        codes, kinds = codes[seen], kinds[seen]
    if found & _IS_JOINER:
        codes = codes[~_idle_joiners(codes, kinds)]
    return _text(codes)


def _idle_joiners(codes: _Codes, kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which characters are joiners between two of printable ASCII, or what folds to it."""
    joins = kinds & _IS_JOINER != 0
    others = _CHARACTERS.any_form[codes[~joins]]
    plain = np.concatenate([[False], (others >= 0x20) & (others <= 0x7E), [False]])
    before = np.cumsum(~joins)  # of the characters that are no joiners, how many stand before
    idle: npt.NDArray[np.bool_] = joins & plain[before] & plain[before + 1]
    return idle


def without_joiners(text: str) -> str:
    """The text without any joiners, as whoever copies it may write it."""
    if text.isascii():
        return text
    codes = _known(text)
    return _text(codes[_CHARACTERS.kinds[codes] & _IS_JOINER == 0])


def without_marks(text: str) -> str:
    """The text without accents, circles and other marks upon letters that are characters."""
    if text.isascii():
        return text
    codes = _known(text)
    return _text(codes[_CHARACTERS.kinds[codes] & _IS_MARK == 0])


def are_marks(text: str) -> npt.NDArray[np.bool_]:
    """Which characters are joiners, or marks upon letters."""
    if text.isascii():
        return np.zeros(len(text), np.bool_)
    marks: npt.NDArray[np.bool_] = _CHARACTERS.kinds[_known(text)] & (_IS_JOINER | _IS_MARK) != 0
    return marks


def fold(text: str, *, all_forms: bool = False) -> str:
    """The text with compatibility forms of single ASCII characters as those, of the same length.

    Args:
        text: any text, best `visible`.
        all_forms: fold raised, lowered and circled forms, letters with accents and look-alikes of
            other scripts too, which are not read as what they resemble, but could be turned into
            it by whoever quotes them.
    """
    if text.isascii():
        return text
    codes = _known(text)
    return _text((_CHARACTERS.any_form if all_forms else _CHARACTERS.read_form)[codes])


def spelled_out(text: str, *, all_forms: bool = False) -> str:
    """The text with characters that stand for several ASCII ones (ﬁ, ⒜, …) written as those.

    Args:
        text: any text.
        all_forms: write all other compatibility forms as what they stand for, too.
    """
    if text.isascii():
        return text
    codes = _known(text)
    kinds = _CHARACTERS.kinds
    wanted = _IS_SEVERAL | _IS_COMPATIBLE if all_forms else _IS_SEVERAL
    if not np.bitwise_or.reduce(kinds[codes]) & wanted:
        return text
    # Of every character that occurs: for those that a table lacks, `translate` is slow.
    table: dict[int, int | str] = {
        code: unicodedata.normalize("NFKC", chr(code)) if kinds[code] & wanted else code
        for code in np.flatnonzero(np.bincount(codes)).tolist()
    }
    return text.translate(table)


_MOST_MARKS = 30
"""In a row; no language writes more upon one letter (Unicode's Stream-Safe Text Format)."""


def nfkc(text: str) -> str:
    """Unicode's form NFKC in linear time: more than 30 marks in a row are ordered in parts.

    `unicodedata.normalize` takes the square of their number.
    """
    if text.isascii():
        return text
    decomposed = ((char, unicodedata.normalize("NFKD", char)[0]) for char in set(text))
    marks = "".join(re.escape(char) for char, first in decomposed if unicodedata.combining(first))
    if not marks:
        return unicodedata.normalize("NFKC", text)
    cuts = [0, *(run.end() for run in re.finditer(f"[{marks}]{{{_MOST_MARKS}}}", text)), len(text)]
    return "".join(unicodedata.normalize("NFKC", text[a:b]) for a, b in pairwise(cuts))


def code_points(text: str) -> _Codes:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _known(text: str) -> _Codes:
    """The code points of a text, all of them in the tables."""
    codes = code_points(text)
    _CHARACTERS.learn(codes)
    return codes


def _text(codes: _Codes) -> str:
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")
