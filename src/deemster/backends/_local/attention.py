"""Attention over a prompt that all rows share, stored once.

The draws of one request differ only after the prompt. A plain cache holds the prompt's keys and
values once per draw, copies them at every step and reads them once per draw. Here they are held
once, and the queries of all rows meet them in one matrix product; each row's own tokens are
attended to separately, and one softmax runs over both (Hydragen, arXiv 2402.05099, has the
idea; this is plain torch).

It plugs into transformers' attention interface, so it serves every model that goes through it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

Prefix = list[tuple[Tensor, Tensor]]
"""Per layer: keys and values of the prompt, [1, key-value heads, length, head dimension]."""


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of a step, neighbours in the batch, that go on from the same prompt."""

    rows: int
    prefix: Prefix
    own: OwnCache
    """What they have said since."""


_FIRST_CAPACITY = 64
_NUMBER = itertools.count()
# What some models add to attention and this one does not do.
_NOT_DONE = ("softcap", "s_aux", "position_bias")


class UnsupportedAttentionError(Exception):
    """The model's attention needs something that shared-prefix attention does not do."""


class SharedPrefixAttention:
    """An attention function of the transformers interface.

    While `groups` is None it is scaled-dot-product attention, causal, without padding. While it
    is set, queries of one token per row attend to the prefix of their group and to their own
    tokens, the present one among them, which is added to the group's cache.
    """

    def __init__(self) -> None:
        self.name = f"deemster_shared_prefix_{next(_NUMBER)}"
        self.groups: Sequence[Group] | None = None

    def register(self) -> None:
        """Make the name known to transformers."""
        AttentionInterface.register(self.name, self)

    def unregister(self) -> None:
        """Forget the name, and with it whatever this object holds."""
        # Deleting through the mapping is not offered for globally registered functions.
        AttentionInterface._global_mapping.pop(self.name, None)  # noqa: SLF001

    def __call__(  # noqa: PLR0917 - the interface passes them by position
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        **options: Any,  # noqa: ANN401 - the interface passes whatever the model does
    ) -> tuple[Tensor, None]:
        """Attend; [rows, queries, heads, head dimension] as the interface wants it."""
        if any(options.get(name) is not None for name in _NOT_DONE):
            raise UnsupportedAttentionError(type(module).__name__)
        if self.groups is None:
            output: tuple[Tensor, None] = ALL_ATTENTION_FUNCTIONS["sdpa"](
                module, query, key, value, attention_mask, dropout, scaling, **options
            )
            return output
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        layer: Any = module  # whose layers number themselves
        index = layer.layer_idx
        outputs = []
        start = 0
        for group in self.groups:
            own = slice(start, start + group.rows)
            keys, values = group.own.layers[index].update(key[own], value[own])
            outputs.append(
                attend(query[own], keys, values, shared=group.prefix[index], scale=scale)
            )
            start += group.rows
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs)), None


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    shared: tuple[Tensor, Tensor],
    scale: float,
) -> Tensor:
    """Attention of one query per row over the shared prefix, then the row's own keys.

    Args:
        query: [B, H, 1, D]
        key: [B, K, T, D], with K dividing H (grouped queries)
        value: [B, K, T, E]
        shared: keys [1, K, P, D] and values [1, K, P, E] of the prefix
        scale: factor on the scores.

    Returns:
        [B, 1, H, E]
    """
    B, H, _, D = query.shape
    shared_key, shared_value = shared
    K, P = shared_key.shape[1:3]
    G = H // K
    query = (query * scale).view(B, K, G, D)
    grouped = query.transpose(0, 1).reshape(K, B * G, D)
    ahead = (grouped @ shared_key[0].transpose(1, 2)).view(K, B, G, P)
    own = (query @ key.transpose(2, 3)).transpose(0, 1)  # [K, B, G, T]
    weights = torch.softmax(torch.cat((ahead, own), dim=-1), dim=-1, dtype=torch.float32)
    weights = weights.to(value.dtype)
    seen = weights[..., :P].reshape(K, B * G, P) @ shared_value[0]  # [K, BG, E]
    seen = seen.view(K, B, G, -1).transpose(0, 1)
    output = seen + weights[..., P:].transpose(0, 1) @ value  # [B, K, G, E]
    return output.reshape(B, 1, H, -1)


class _OwnLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped
    """Keys and values of the rows' own tokens, written in place into spare room."""

    is_sliding = False
    keys: Tensor | None
    values: Tensor | None

    def __init__(self, room: int) -> None:
        super().__init__()
        self.length = 0
        self._room = room

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
            new[:, :, : self.length] = old[:rows, :, : self.length]
        return new

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *_args: Any,  # noqa: ANN401 - the interface passes whatever the model does
        **_options: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        if self.keys is None or self.values is None:
            self.lazy_initialization(key_states, value_states)
        elif self.length == self.keys.shape[2]:
            self._grow(key_states, value_states, min(2 * self.length, self._room))
        rows, end = key_states.shape[0], self.length + 1
        keys, values = cast("Tensor", self.keys), cast("Tensor", self.values)
        keys[:rows, :, self.length : end] = key_states
        values[:rows, :, self.length : end] = value_states
        self.length = end
        return keys[:rows, :, :end], values[:rows, :, :end]

    def move(self, source: int, target: int) -> None:
        for held in (self.keys, self.values):
            if held is not None:
                held[target, :, : self.length] = held[source, :, : self.length]

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0


class OwnCache(Cache):  # type: ignore[misc]  # transformers is untyped
    """The rows' own tokens of all layers.

    Args:
        layers: how many the model has.
        room: the most tokens a row can get.
    """

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[_OwnLayer(room) for _ in range(layers)])

    def keep(self, order: list[int]) -> None:
        """Row i becomes what row `order[i]` was. Sources of moved rows must lie past the end."""
        for layer in self.layers:
            for target, source in enumerate(order):
                if target != source:
                    layer.move(source, target)


class _NoLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped
    is_sliding = False

    def lazy_initialization(self, *_states: Tensor) -> None:
        self.is_initialized = True

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *_args: Any,  # noqa: ANN401 - the interface passes whatever the model does
        **_options: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        return key_states, value_states

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0


class NoCache(Cache):  # type: ignore[misc]  # transformers is untyped
    """Keeps nothing: the groups of `SharedPrefixAttention` have their own caches."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[_NoLayer() for _ in range(layers)])
