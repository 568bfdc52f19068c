r"""Reading `\boxed{7, 5}`: shared by every prompt that ends in a box."""

from __future__ import annotations

import re

from deemster.dialects.base import number, settle, strip_reasoning, tail
from deemster.errors import ParseError
from deemster.schemas import Scale

BOX = re.compile(r"\\boxed[ ]{0,4}\{(?P<content>[^{}]{0,2000})\}")


def read_boxed(text: str, *, n: int, scale: Scale) -> tuple[float, ...]:
    """The `n` numbers of the box after the reasoning; several boxes must agree.

    Raises:
        ParseError: there is no box, or it does not hold `n` numbers on the scale.
        AmbiguousError: two boxes differ.
    """
    text = strip_reasoning(text)
    return settle(
        BOX.findall(text),
        lambda box: numbers(box, n, scale),
        missing=f"no boxed scores in text ending {tail(text)}",
    )


def numbers(box: str, n: int, scale: Scale) -> tuple[float, ...]:
    """The content of a box as `n` numbers; brackets around all of them do not matter.

    Raises:
        ParseError: it is something else.
    """
    content = box.strip()
    if content[:1] + content[-1:] in {"[]", "()"}:
        content = content[1:-1]
    tokens = content.split(",")
    if len(tokens) != n:
        raise ParseError(f"expected {n} scores, got {len(tokens)} in {box[:80]!r}")
    return tuple(number(token, scale) for token in tokens)
