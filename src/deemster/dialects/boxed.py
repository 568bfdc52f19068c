r"""Reading `\boxed{7, 5}`: shared by every prompt that ends in a box."""

from __future__ import annotations

import re

from deemster.dialects.base import OUT_OF, number, settle, tail, with_scale
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

# Commands that change how their argument looks and not what it says. Others, as in
# \boxed{\frac{1}{2}}, are the judge's own mathematics: that is no box of scores.
_LOOKS = (
    *("text", "textbf", "textit", "textrm", "textsf", "texttt", "mathbf", "mathrm", "mathit"),
    *("mathsf", "mathtt", "boldsymbol", "bm", "mbox", "boxed"),
)
_AFTER_LOOK = "|".join(rf"(?<=\\{name})" for name in _LOOKS)
BOX = re.compile(
    r"\\boxed[ ]{0,4}\{(?P<content>[^{}]{0,2000}+"
    # An atomic group, as Python before 3.11.5 is wrong about look-behinds in possessive ones.
    rf"(?>(?:(?:{_AFTER_LOOK})\{{[^{{}}]{{0,200}}+(?:\}}[^{{}}]{{0,200}}+)){{0,256}}))\}}"
)
_BOX_OUT_OF = re.compile(BOX.pattern + OUT_OF)
_LOOK = re.compile(rf"\\(?:{'|'.join(_LOOKS)})[ ]{{0,4}}\{{([^{{}}]*)\}}")
_SPACE = re.compile(r"\\[,;:! ]|\\q?quad\b|~|\s+")
_SIZE = re.compile(r"\\(?:left|right)(?=[\[\]().])")
_LABEL = re.compile(
    r"[*_]{0,3}(?:(?:response|answer|score)[ ]?|[srSR]_?)#?([0-9]{1,4})[*_]{0,3} ?[:=] ?(.*)",
    re.IGNORECASE | re.ASCII,
)


def read_boxed(completion: Completion, *, n: int, scale: Scale) -> tuple[float, ...]:
    """The `n` numbers of the box after the reasoning; several boxes must agree.

    Raises:
        ParseError: there is no box, or it does not hold `n` numbers on the scale.
        AmbiguousError: two boxes differ.
    """
    text = scales_inside(strip_reasoning(completion.text))
    return settle(
        boxes(text, completion.finish),
        lambda box: numbers(box, n, scale),
        missing=f"no boxed scores in text ending {tail(text)}",
    )


def scales_inside(text: str) -> str:
    r"""The text with what says the scale of a box, `\boxed{9}/5`, put into it: `\boxed{9/5}`."""
    return _BOX_OUT_OF.sub(_inside, text)


def _inside(box: re.Match[str]) -> str:
    if not box[2]:
        return box[0]
    scores = ", ".join(with_scale(token, box[2]) for token in box["content"].split(","))
    return f"\\boxed{{{scores}}}"


def boxes(text: str, finish: str) -> list[str]:
    """The contents of the boxes that may be the verdict.

    A text that was cut has none, unless it ends in one: judges box their own mathematics on the
    way to a verdict that never came.

    Args:
        text: a completion without its reasoning.
        finish: `length` if it was cut.
    """
    found = list(BOX.finditer(fold(text)))
    if finish == "length" and found and text[found[-1].end() :].strip(" \t\r\n*_$.])"):
        return []
    return [box["content"] for box in found]


def plain(box: str) -> str:
    """The content of a box without what only changes its looks."""
    box = _SIZE.sub("", _LOOK.sub(r"\1", box))
    return _SPACE.sub(" ", box).strip(" $*")


def numbers(box: str, n: int, scale: Scale) -> tuple[float, ...]:
    """The content of a box as `n` numbers.

    Brackets around all of them do not matter, nor do labels that count the responses in order
    (`Response 1: 7, Response 2: 5`).

    Raises:
        ParseError: it is something else.
    """
    content = plain(box)
    if content[:1] + content[-1:] in {"[]", "()"}:
        content = content[1:-1]
    tokens = [token.strip() for token in content.split(",")]
    if len(tokens) != n:
        raise ParseError(f"expected {n} scores, got {len(tokens)} in {box[:80]!r}")
    labels = [_LABEL.match(token) for token in tokens]
    if [label and int(label[1]) for label in labels] == [*range(1, n + 1)]:
        tokens = [label[2] for label in labels if label]
    return tuple(number(token, scale) for token in tokens)
