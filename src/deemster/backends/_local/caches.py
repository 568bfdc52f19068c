"""What models keep of the tokens that they have read: its name, and its rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache

from deemster.errors import BackendError, InputError

# The first from transformers 5.24 on; models with code of their own follow later or never. The
# last is that of models without attention.
_NAMES = ("cache", "past_key_values", "cache_params")


def cache_name(model: Any, parameters: Collection[str]) -> str:  # noqa: ANN401 - transformers is untyped
    """What a model calls it.

    Args:
        model: a causal language model.
        parameters: names of those of its `forward`.

    Raises:
        InputError: it keeps nothing, or by another name.
    """
    for name in _NAMES:
        if name in parameters:
            return name
    raise InputError(f"{_unusual(model)}; serve the model, or give another")


def rows_of(cache: Any, rows: Tensor) -> Any:  # noqa: ANN401 - transformers is untyped
    """A cache, changed such that its row i is what row `rows[i]` was.

    Raises:
        BackendError: it is of no kind that transformers' own models share.
    """
    if not isinstance(cache, Cache):
        raise BackendError(f"{_unusual(cache)}; serve the model, or give another")
    # Layers of every kind can be reordered, but not all can be repeated, or some rows of them
    # selected. A cache that selects in a way of its own holds more than its layers do.
    if type(cache).batch_select_indices is Cache.batch_select_indices:
        cache.reorder_cache(rows)
    else:
        cache.batch_select_indices(rows)
    return cache


def _unusual(found: Any) -> str:  # noqa: ANN401 - as above
    return (
        f"{type(found).__name__} does not keep what it has read as other models do, so that "
        "votes cannot go on from one prompt"
    )
