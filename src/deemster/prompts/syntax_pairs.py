"""Which characters follow each other in verdict syntax: arrays for long texts, sets for short ones.

Only where something is dropped from between such characters can a copy of a text have a verdict
that the text has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from deemster.prompts.reasoning_tags import TAG_NAMES
from deemster.prompts.verdict_syntax import ANY_QUOTES, BRACKETED, KEYS, LABELS, TAGS, WHOLE_KEYS


def _examples() -> Iterator[str]:
    """Verdict syntax up to where the search for it ends."""
    yield from ("boxed", "[[", "]]", "[result]", "output (a)", "output (b)", '"')
    yield from (f'"{key}":' for key in (*WHOLE_KEYS, *KEYS, *ANY_QUOTES))
    yield from ANY_QUOTES
    yield from (f"<{name}>" for name in (*TAGS, *TAG_NAMES))
    yield from (f"</{name}>" for name in (*TAGS, *TAG_NAMES))
    yield from (f"{label}:" for label in LABELS)
    yield from (f"[{words}" for words in BRACKETED)
    yield from ("[think]", "[/think]", "◁think▷", "◁/think▷", "[ result ]")


CLASS = np.zeros(0x110000, np.uint8)
"""Characters of verdict syntax by number, without regard to case; 0: any other."""
FOLLOWING = np.zeros((64, 64, 64), np.bool_)
"""Whether three characters follow each other in it, blanks between them or not."""
NEXT, NEXT_APART = np.zeros((2, 64, 64), np.bool_)
"""Whether two do, without a blank between them, or with one."""
FIRST, LAST = np.zeros((2, 64), np.bool_)
"""Whether it may begin or end with a character."""
TOGETHER: set[str] = set()
APART: set[str] = set()
THREES: set[str] = set()
ENDS: tuple[set[str], set[str]] = (set(), set())
"""The same as texts, for short ones."""


def _learn() -> None:
    names = sorted(set("".join(_examples())) - set(" _"))
    for number, char in enumerate(names, 1):
        CLASS[[ord(char), ord(char.upper())]] = number
    for text in _examples():
        found = re.findall(r"(\S)( *)", text.replace("_", "").lower())
        ENDS[0].add(found[0][0])
        ENDS[1].add(found[-1][0])
        for (first, gap), (second, _) in pairwise(found):
            (APART if gap else TOGETHER).add(first + second)
        said = "".join(char for char, _ in found)
        THREES.update(map("".join, zip(said, said[1:], said[2:], strict=False)))
        chars = [(CLASS[ord(char)], gap != "") for char, gap in found]
        FIRST[chars[0][0]] = LAST[chars[-1][0]] = True
        for (one, apart), (other, _) in pairwise(chars):
            (NEXT_APART if apart else NEXT)[one, other] = True
        for three in zip(chars, chars[1:], chars[2:], strict=False):
            FOLLOWING[tuple(char for char, _ in three)] = True


_learn()
BOX = CLASS[ord("b")]
