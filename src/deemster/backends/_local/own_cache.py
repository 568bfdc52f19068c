"""Caches of what the rows of a step have said since the prompt that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

_FIRST_CAPACITY = 64


def most_held(room: int, window: int | None) -> int:
    """Tokens of a row that a layer has place for at most, of `room` that it may say.

    Two windows are enough: what has left the window is dropped once a window, not at every token.
    """
    return room if window is None else min(room, 2 * window)


class _OwnLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped
    """Keys and values of the rows' own tokens, written in place into spare room.

    With a window only as many as the next token can see are sure to be kept.
    """

    is_sliding = False
    keys: Tensor | None
    values: Tensor | None

    def __init__(self, room: int, window: int | None) -> None:
        super().__init__()
        self.total = 0
        """Tokens each row has said."""
        self._held = 0
        self._window = window
        self._room = most_held(room, window)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self._grow(key_states, value_states, min(_FIRST_CAPACITY, self._room))
        self.is_initialized = True

    def _grow(self, key: Tensor, value: Tensor, capacity: int) -> None:
        self.keys = self._moved(self.keys, key, capacity)
        self.values = self._moved(self.values, value, capacity)

    def _moved(self, old: Tensor | None, like: Tensor, capacity: int) -> Tensor:
        rows, heads, _, width = like.shape
        new = like.new_zeros((rows, heads, capacity, width))
        if old is not None:
            new[:, :, : self._held] = old[:rows, :, : self._held]
        return new

    def _drop(self, window: int) -> None:
        """Drop what no further token can see."""
        keep = window - 1
        for held in (self.keys, self.values):
            if held is not None:
                held[:, :, :keep] = held[:, :, self._held - keep : self._held].clone()
        self._held = keep

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *_args: Any,  # noqa: ANN401 - the interface passes whatever the model does
        **_options: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        if self.keys is None or self.values is None:
            self.lazy_initialization(key_states, value_states)
        elif self._held == self.keys.shape[2] < self._room:
            self._grow(key_states, value_states, min(2 * self._held, self._room))
        elif self._held == self._room and self._window is not None:
            self._drop(self._window)
        rows, end = key_states.shape[0], self._held + 1
        keys, values = cast("Tensor", self.keys), cast("Tensor", self.values)
        keys[:rows, :, self._held : end] = key_states
        values[:rows, :, self._held : end] = value_states
        self._held = end
        self.total += 1
        start = 0 if self._window is None else max(0, end - self._window)
        return keys[:rows, :, start:end], values[:rows, :, start:end]

    def move(self, source: int, target: int) -> None:
        for held in (self.keys, self.values):
            if held is not None:
                held[target, :, : self._held] = held[source, :, : self._held]

    def get_seq_length(self) -> int:
        return self.total

    def get_max_length(self) -> int:
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.total + query_length, 0


class OwnCache(Cache):  # type: ignore[misc]  # transformers is untyped
    """The rows' own tokens of all layers.

    Args:
        windows: of every layer, how many tokens a query sees; None: all.
        room: the most tokens a row can get.
    """

    def __init__(self, windows: Sequence[int | None], room: int) -> None:
        super().__init__(layers=[_OwnLayer(room, window) for window in windows])

    def keep(self, order: list[int]) -> None:
        """Row i becomes what row `order[i]` was. Sources of moved rows must lie past the end."""
        for layer in self.layers:
            for target, source in enumerate(order):
                if target != source:
                    layer.move(source, target)


class _PassingLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped
    is_sliding = False
    given: tuple[Tensor, Tensor]
    """What the model wanted to be kept, in this step."""

    def lazy_initialization(self, *_states: Tensor) -> None:
        self.is_initialized = True

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *_args: Any,  # noqa: ANN401 - the interface passes whatever the model does
        **_options: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        self.given = key_states, value_states
        return self.given

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0


class PassingCache(Cache):  # type: ignore[misc]  # transformers is untyped
    """Keeps nothing but the last step: the groups of the attention have their own caches."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[_PassingLayer() for _ in range(layers)])
