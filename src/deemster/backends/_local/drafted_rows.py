"""Continuations of one prompt that go on by different lengths, as far as drafts are accepted."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from deemster.backends._local.attention import Group, Prefix
from deemster.backends._local.ragged import RaggedCache, Spread


class DraftedRows:
    """Rows whose prompt is held once, and which go on by different lengths.

    Args:
        prefix: what the layers hold of the prompt.
        start: position of the rows' first token.
        count: rows.
        device: of the model.
    """

    def __init__(self, prefix: Prefix, start: int, count: int, device: torch.device) -> None:
        self._prefix, self._start, self._device = prefix, start, device
        self._lengths = [0] * count
        self._cache = RaggedCache(len(prefix))

    def offer(self, tokens: Sequence[Sequence[int]]) -> tuple[list[int], list[int], Group]:
        """Tokens of each row, one row after another, their positions, and the group they make."""
        counts = [len(row) for row in tokens]
        spread = Spread(counts, self._lengths, start=self._start, device=self._device)
        group = Group(sum(counts), self._prefix, self._cache, spread)
        return [token for row in tokens for token in row], spread.positions.tolist(), group

    def took(self, counts: Sequence[int]) -> None:
        """Keep so many tokens of what was offered to each row last."""
        self._lengths = [a + b for a, b in zip(self._lengths, counts, strict=True)]

    def keep(self, order: list[int]) -> None:
        """See `Rows.keep`."""
        self._cache.keep(order)
        self._lengths = [self._lengths[row] for row in order]
