"""Drafts by looking up where the last tokens stood before: judges quote what they judge.

Prompt look-up decoding, over the prompt and all of its draws: votes repeat each other's words, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from deemster.backends._local.decoding import Prefilled, Runner
from deemster.backends._local.generation import Draw, Plan

_LONGEST, _SHORTEST = 4, 2
"""Tokens that must be the same for a place to be found; a longer match is tried first."""


class LookupDrafter:
    """See `Drafter`.

    Args:
        prompt: its ids.
        tokens: of a draft, at most.
    """

    def __init__(self, prompt: Sequence[int], tokens: int) -> None:
        self._tokens = tokens
        self._texts: list[Sequence[int]] = [prompt]
        self._places: dict[tuple[int, ...], tuple[int, int]] = {}
        """Where each run of tokens stood last: the number of the text, and the place after it."""
        self._numbers: dict[int, int] = {}
        """Of the draws' texts, by their identity."""
        self._index(0, 0, len(prompt))

    def draft(
        self,
        draws: Sequence[Draw],
        taken: Sequence[int],
        states: Tensor | None,  # noqa: ARG002 - for others
    ) -> list[list[int]]:
        """What came after the last tokens when they stood somewhere before."""
        for draw, count in zip(draws, taken, strict=True):
            number = self._numbers.setdefault(id(draw), len(self._texts))
            if number == len(self._texts):
                self._texts.append(draw.ids)
            self._index(number, len(draw.ids) - count, len(draw.ids))
        return [self._found(draw.ids) for draw in draws]

    def keep(self, order: list[int]) -> None:
        """Nothing is held by row."""

    def _found(self, ids: list[int]) -> list[int]:
        before = self._texts[0]
        last = [*before[-_LONGEST:], *ids][-_LONGEST:] if len(ids) < _LONGEST else ids[-_LONGEST:]
        for length in range(_LONGEST, _SHORTEST - 1, -1):
            place = self._places.get(tuple(last[-length:]))
            if place is not None:
                text, end = place
                return list(self._texts[text][end : end + self._tokens])
        return []

    def _index(self, number: int, start: int, end: int) -> None:
        """Note the runs after which the tokens from `start` to `end` came."""
        text = self._texts[number]
        for last in range(start, end):
            for length in range(_SHORTEST, min(_LONGEST, last) + 1):
                self._places[tuple(text[last - length : last])] = (number, last)


@dataclass(frozen=True)
class Lookup:
    """See `Speculation`.

    Args:
        tokens: of a draft, at most.
    """

    tokens: int

    def begin(
        self,
        runner: Runner,  # noqa: ARG002 - for others
        prompt: Prefilled,
        count: int,  # noqa: ARG002
        plan: Plan,  # noqa: ARG002
    ) -> LookupDrafter:
        """See `Speculation.begin`."""
        return LookupDrafter(prompt.ids, self.tokens)
