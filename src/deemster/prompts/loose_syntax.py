"""Whether verdict syntax can come about in a text once more of it is dropped, found quickly.

Looser than the syntax itself: whatever a copy may lack counts as not there. Nearly all texts are
done with this; copies are made, and searched as they are, of the others only.
"""

from __future__ import annotations

import functools
import re

from deemster.prompts.control_tokens import following
from deemster.prompts.reasoning_tags import TAG_NAMES
from deemster.prompts.verdict_syntax import ANY_QUOTES, BRACKETED, KEYS, LABELS, TAGS, WHOLE_KEYS

_DROPPED = b"*~`$^=+|#_\\{}-,;\n\v\f\r"
"""What copies may lack, wherever it stands; part of no syntax that is looked for here."""
_LINE_ENDS = "\x85\u2028\u2029"


def may_have_syntax(text: str) -> bool:
    """Whether a copy of the text, folded in all forms, may have verdict syntax."""
    lower = text.lower()
    if not text.isascii():
        for line_end in _LINE_ENDS:
            lower = lower.replace(line_end, "")
    bare = lower.encode("utf-8", "surrogatepass").translate(None, _DROPPED)
    loose = bare.decode("utf-8", "surrogatepass")
    words, phrases, signs = _loose_syntax()
    for word in words:
        if word in loose and (word != "boxed" or "\\" in text):
            return True
    joined = loose.replace(" ", "")  # a line end may be copied as a blank
    for phrase in phrases:
        if phrase in joined:
            return True
    return signs.search(loose) is not None


@functools.cache
def _loose_syntax() -> tuple[list[str], list[str], re.Pattern[str]]:
    """Words, phrases without their blanks, and what begins with a sign, all as they are left."""

    def left(syntax: str) -> str:
        return syntax.lower().replace("_", "").replace("-", "")

    texts = ["output (a)", "output (b)", *ANY_QUOTES, *(f"{label}:" for label in LABELS)]
    phrases = [text.replace(" ", "") for text in texts if " " in text]
    phrases += [f"[{text}".replace(" ", "") for text in BRACKETED]
    keys, whole_keys = ("|".join(map(left, keys)) for keys in (KEYS, WHOLE_KEYS))
    # In a class of characters a hyphen has a meaning.
    tokens = {start: following(start).lower().replace("_", "") for start in "[<"}
    signs = re.compile(
        rf"\"(?:(?:{whole_keys})\"|(?:{keys})\"[ \t]*:)|'(?:{whole_keys}|{keys})'[ \t]*:|\]\]"
        rf"|\[(?:\[|[ ]*result[ ]*\]|/?think\]|{tokens['[']})"
        rf"|<(?:/?(?:{'|'.join(map(left, (*TAGS, *TAG_NAMES)))})|{tokens['<']})"
        r"|◁/?think▷"
    )
    return ["boxed", *(text for text in texts if " " not in text)], phrases, signs
