"""What a prompt begins with that the prompt before it began with too, and that is read already.

A judge's prompts share its instructions, and those of one item in several orders the query too.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

_LEAST = 32
"""Tokens in common below which the prompt is read from its beginning."""


def in_common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    most = min(len(one), len(other))
    return next((i for i in range(most) if one[i] != other[i]), most)


def beginning_of(cache: Any, held: Sequence[int], ids: Sequence[int]) -> tuple[Any, int]:  # noqa: ANN401 - transformers is untyped
    """A cache with what `ids` has in common with the tokens `held` by another.

    At least one token of `ids` is left to be read. Nothing is copied, and the other cache stays
    as it is: caches grow by making new tensors.

    Returns:
        The cache and how many tokens it holds; (None, 0) where it does not pay, or a layer has
        dropped tokens or is of another kind than attention.
    """
    shared = min(in_common(held, ids), len(ids) - 1)
    layers = getattr(cache, "layers", ())
    whole = type(cache) is DynamicCache and all(
        type(layer) in (DynamicLayer, DynamicSlidingWindowLayer)
        and layer.is_initialized
        and layer.keys.shape[2] == len(held)
        for layer in layers
    )
    if shared < _LEAST or not layers or not whole:
        return None, 0
    found = copy.copy(cache)
    found.layers = [copy.copy(layer) for layer in layers]
    for layer in found.layers:
        layer.keys, layer.values = layer.keys[:, :, :shared], layer.values[:, :, :shared]
        if isinstance(layer, DynamicSlidingWindowLayer):
            layer.cumulative_length = shared
    return found, shared
