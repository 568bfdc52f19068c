"""Rows that have gone on by different lengths: caches and masks for drafts that are checked.

A step gives each row its last token and the tokens drafted after it. The model sees all of them as
rows of one token, so that nothing but attention needs to know; here is what attention needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from deemster.backends._local.attention import LayerPrefix

_FIRST_CAPACITY = 64


class Hidden(NamedTuple):
    """What queries must not see, True where it is hidden."""

    ahead: Tensor | None
    """[rows, queries, prefix tokens]; None: they see all of the prefix."""
    own: Tensor
    """[rows, queries, own tokens]"""


class Spread:
    """How the tokens of a step lie in rows.

    Args:
        counts: tokens of each row in this step, 1 or more.
        lengths: tokens that each row has said before, without those of the prefix.
        start: position of a row's first token, which is the length of the prefix.
        device: of the model.
    """

    def __init__(
        self, counts: Sequence[int], lengths: Sequence[int], *, start: int, device: torch.device
    ) -> None:
        tokens = [(row, i) for row, count in enumerate(counts) for i in range(count)]
        places = [lengths[row] + i for row, i in tokens]
        self.rows = len(counts)
        self.most = max(counts)
        self.end = 1 + max(places)
        """Own tokens of the longest row, those of this step among them."""
        self.row = torch.tensor([row for row, _ in tokens], device=device)
        self.column = torch.tensor([i for _, i in tokens], device=device)
        self.slots = torch.tensor(places, device=device)
        """[tokens] how many tokens the row has said before this one."""
        self.positions = self.slots + start
        """[tokens] in prefix and row together."""
        self._start = start
        self._queries = (
            torch.tensor(lengths, device=device)[:, None]
            + torch.arange(self.most, device=device)[None]
        )
        self._hidden: dict[tuple[int, int | None], Hidden] = {}

    def apart(self, query: Tensor) -> Tensor:
        """[rows, heads, most, width] from queries [tokens, heads, 1, width]; gaps are 0."""
        found = query.new_zeros((self.rows, query.shape[1], self.most, query.shape[3]))
        found[self.row, :, self.column] = query[:, :, 0]
        return found

    def together(self, output: Tensor) -> Tensor:
        """[tokens, 1, heads, width] from outputs [rows, most, heads, width]."""
        return output[self.row, self.column][:, None]

    def hidden(self, prefix: LayerPrefix) -> Hidden:
        """What lies after each query, or has left its window."""
        key = (prefix.key.shape[2], prefix.window)
        if key not in self._hidden:
            self._hidden[key] = self._find(*key)
        return self._hidden[key]

    def _find(self, held: int, window: int | None) -> Hidden:
        query = self._queries[..., None]
        own = torch.arange(self.end, device=query.device)
        if window is None:
            return Hidden(None, own > query)
        before = torch.arange(-held, 0, device=query.device)
        return Hidden(before <= query - window, (own > query) | (own <= query - window))


class _RaggedLayer:
    """Keys and values of one layer, [rows, heads, capacity, width]."""

    def __init__(self) -> None:
        self._held: list[Tensor] = []

    def update(self, key: Tensor, value: Tensor, spread: Spread) -> tuple[Tensor, Tensor]:
        """Write those of [tokens, heads, 1, width] to their rows; all of [rows, heads, end, width].

        What a row had there before was drafted and not accepted.
        """
        given = (key, value)
        if not self._held:
            self._held = [self._room(one, spread, _FIRST_CAPACITY) for one in given]
        elif self._held[0].shape[2] < spread.end:
            old = self._held
            self._held = [self._room(one, spread, 2 * spread.end, len(old[0])) for one in given]
            for new, before in zip(self._held, old, strict=True):
                new[:, :, : before.shape[2]] = before
        for held, one in zip(self._held, given, strict=True):
            held[spread.row, :, spread.slots] = one[:, :, 0]
        keys, values = (held[: spread.rows, :, : spread.end] for held in self._held)
        return keys, values

    @staticmethod
    def _room(like: Tensor, spread: Spread, capacity: int, rows: int | None = None) -> Tensor:
        shape = (rows or spread.rows, like.shape[1], max(capacity, spread.end), like.shape[3])
        return like.new_zeros(shape)

    def move(self, source: int, target: int) -> None:
        for held in self._held:
            held[target] = held[source]


class RaggedCache:
    """What rows of different lengths have said, in all layers.

    Args:
        layers: how many.
    """

    def __init__(self, layers: int) -> None:
        self.layers: list[Any] = [_RaggedLayer() for _ in range(layers)]

    def keep(self, order: list[int]) -> None:
        """Row i becomes what row `order[i]` was. Sources of moved rows must lie past the end."""
        for layer in self.layers:
            for target, source in enumerate(order):
                if target != source:
                    layer.move(source, target)
