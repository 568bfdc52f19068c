"""Reasoning tags that a text only talks about: in a quotation, in a code block, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from deemster.prompts.normal_form import code_points

_PAIRS = (("“", "”"), ("\u2018", "\u2019"), ("«", "»"), ("「", "」"), ("『", "』"))
MARKS = "\"'`"
BEFORE_MARK = " \t([{,:\\*`"
"""What may stand before a mark that opens a quotation."""
_BEFORE_MARK = [ord(char) for char in BEFORE_MARK]
_FENCE = re.compile(r"\n[ \t]{0,3}```")
_REACH = 200
_FEW = 32
"""Up to so many places, a look at each is quicker than arrays of all."""

Span = tuple[int, int]
_Places = npt.NDArray[np.int64]


def without_code(text: str, begin: int) -> str:
    """The text with its code blocks as spaces; what stands outside keeps its place.

    Each block begins with an angle bracket, so that no tag from outside runs through it.

    Args:
        text: the completion.
        begin: where its answer may begin: code blocks count from there.
    """
    if "```" not in text:
        return text
    fences = [fence.start() for fence in _FENCE.finditer("\n" + text, begin)]
    if len(fences) % 2:  # without its closing fence a block may be anything
        return text
    parts: list[str] = []
    end = 0
    for opening, closing in list(pairwise(fences))[::2]:
        parts += (text[end:opening], "<" + " " * (closing - opening - 1))
        end = closing
    return "".join((*parts, text[end:]))


class Quotations:
    """Tells what of a text stands between quotation marks of one line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[str, _Places] = {}

    @cached_property
    def _codes(self) -> npt.NDArray[np.uint32]:
        return code_points(self._text)

    def have(self, starts: Sequence[int], ends: Sequence[int]) -> list[bool]:
        """Whether what starts and ends there is in one, of each, in order; see `in_quotation`."""
        if len(starts) <= _FEW:
            return list(map(partial(in_quotation, self._text), starts, ends))
        found: list[bool] = self._in_quotations(np.array(starts), np.array(ends)).tolist()
        return found

    def _in_quotations(self, starts: _Places, ends: _Places) -> npt.NDArray[np.bool_]:
        def last(char: str) -> _Places:
            """The last of these before each start; -1 if there is none."""
            at = self._places_of(char)
            return at[np.searchsorted(at, starts) - 1]

        def first(char: str) -> _Places:
            """The first of these from each end on; out of reach if there is none."""
            at = self._places_of(char)
            return at[np.searchsorted(at, ends)]

        lows = np.maximum(last("\n") + 1, starts - _REACH)
        stops = np.minimum(first("\n"), ends + _REACH)
        found = np.zeros(len(starts), np.bool_)
        for mark in (mark for mark in MARKS if mark in self._text):
            at = last(mark)
            opens = np.isin(self._codes[at - 1], _BEFORE_MARK)
            found |= (at >= lows) & ((at == lows) | opens) & (first(mark) < stops)
        for opening, closing in (pair for pair in _PAIRS if pair[1] in self._text):
            at = last(opening)
            found |= (at >= np.maximum(lows, last(closing))) & (first(closing) < stops)
        return found

    def _places_of(self, char: str) -> _Places:
        """Where a character stands, between -1 and a place out of reach."""
        if char not in self._places:
            found = np.flatnonzero(self._codes == ord(char))
            self._places[char] = np.concatenate([[-1], found, [len(self._text) + _REACH]])
        return self._places[char]


def in_quotation(text: str, start: int, end: int) -> bool:
    """Whether what stands there is between quotation marks, on its line and near it."""
    before = text[max(0, start - _REACH) : start]
    before = before[before.rfind("\n") + 1 :]
    after, _, _ = text[end : end + _REACH].partition("\n")
    for mark in MARKS:
        if mark in before and mark in after:
            at = before.rindex(mark)
            # Nothing stands before the first of a line, and nothing is in every text.
            if before[at - 1 : at] in BEFORE_MARK:
                return True
    for opening, closing in _PAIRS:
        if closing in after and before.rfind(opening) > before.rfind(closing):
            return True
    return False
