"""What makes a short trial of attention telling: narrow windows, and a measure of noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_NARROW = 4
"""A sliding window that a few tokens reach beyond."""


@contextmanager
def nudged(model: Any) -> Iterator[None]:  # noqa: ANN401 - transformers is untyped
    """The model reads embeddings that are off by a unit in the last place, up or down."""

    def nudge(_module: Any, _inputs: Any, output: Tensor) -> Tensor:  # noqa: ANN401
        coin = torch.rand(output.shape, generator=torch.Generator().manual_seed(0)) < 0.5
        step = output * torch.finfo(output.dtype).eps
        return torch.where(coin.to(output.device), output + step, output - step)

    hook = model.get_input_embeddings().register_forward_hook(nudge)
    try:
        yield
    finally:
        hook.remove()


def apart(found: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, in standard deviations of what is expected."""
    spread = expected.std().clamp(min=1e-3)
    return ((found - expected).square().mean().sqrt() / spread).item()


@contextmanager
def narrow_window(config: Any) -> Iterator[None]:  # noqa: ANN401 - transformers is untyped
    """A sliding window that a few tokens reach beyond; masks and caches read it at each pass."""
    window = getattr(config, "sliding_window", None)
    if window is None:
        yield
        return
    config.sliding_window = min(window, _NARROW)
    try:
        yield
    finally:
        config.sliding_window = window
