"""Reasoning tags that a text only talks about: in a quotation, in a code block, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from deemster.prompts.normal_form import code_points

_PAIRS = (("“", "”"), ("\u2018", "\u2019"), ("«", "»"), ("「", "」"), ("『", "』"))
MARKS = "\"'`"
_OPENS_QUOTATION = re.compile(f"[{MARKS}" + "".join(pair[0] for pair in _PAIRS) + "]")
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
    for opening, closing in zip(fences[::2], fences[1::2], strict=True):
        parts += (text[end:opening], "<" + " " * (closing - opening - 1))
        end = closing
    return "".join((*parts, text[end:]))


class Quotations:
    """Tells what of a text stands between quotation marks of one line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[str, _Places] = {}

    @cached_property
    def _any(self) -> bool:
        return _OPENS_QUOTATION.search(self._text) is not None

    @cached_property
    def _codes(self) -> npt.NDArray[np.uint32]:
        return code_points(self._text)

    def have(self, spans: Sequence[Span]) -> Sequence[bool]:
        """Whether each span, in order, is in one."""
        if not self._any:
            return [False] * len(spans)
        if len(spans) <= _FEW:
            return [_in_quotation(self._text, *span) for span in spans]
        # Quicker than an array of the pairs.
        starts, ends = np.fromiter(chain.from_iterable(spans), np.int64).reshape(-1, 2).T
        found: Sequence[bool] = self._in_quotations(starts, ends).tolist()
        return found

    def _in_quotations(self, starts: _Places, ends: _Places) -> npt.NDArray[np.bool_]:
        """`_in_quotation` of all spans at once."""

        def last(char: str) -> _Places:
            """The last of these before each start; -1 if there is none."""
            at = self._places_of(char)
            return at[np.searchsorted(at, starts) - 1]

        def first(char: str) -> _Places:
            """The first of these from each end on; far behind the text if there is none."""
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
            found |= (at >= lows) & (at > last(closing)) & (first(closing) < stops)
        return found

    def _places_of(self, char: str) -> _Places:
        """Where a character stands, between -1 and a place out of reach."""
        if char not in self._places:
            found = np.flatnonzero(self._codes == ord(char))
            self._places[char] = np.concatenate([[-1], found, [len(self._text) + 2 * _REACH]])
        return self._places[char]


def _in_quotation(text: str, start: int, end: int) -> bool:
    before = text[
        max(text.rfind("\n", max(0, start - _REACH), start) + 1, start - _REACH, 0) : start
    ]
    if not _OPENS_QUOTATION.search(before):
        return False
    after, _, _ = text[end : end + _REACH].partition("\n")
    for mark in MARKS:
        last = before.rfind(mark)
        opening = last >= 0 and (last == 0 or before[last - 1] in BEFORE_MARK)
        if opening and mark in after:
            return True
    return any(
        before.rfind(mark[0]) > before.rfind(mark[1]) and mark[1] in after for mark in _PAIRS
    )
