"""Choosing tokens from logits, one independent stream of randomness per draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deemster.errors import BackendError
from deemster.schemas import Sampling

_BLOCK = 256


class Noise:
    """Uniform numbers in [0, 1) that depend on the seed and the step only."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed % 2**64)
        self._block: list[float] = []

    def next(self) -> float:
        """The number of the next step."""
        if not self._block:
            self._block = self._random.random(_BLOCK).tolist()[::-1]
        return self._block.pop()

    def ahead(self, steps: int) -> float:
        """The number of a later step, `steps` after the next one, which is not used up by this."""
        while len(self._block) <= steps:
            self._block = self._random.random(_BLOCK).tolist()[::-1] + self._block
        return self._block[-1 - steps]


class Later(NamedTuple):
    """The noise of a later step, for a guess at what will be drawn in it."""

    noise: Noise
    steps: int
    """After the next one."""

    def next(self) -> float:
        """The number of that step, which stays there for it."""
        return self.noise.ahead(self.steps)


def choose(logits: Tensor, sampling: Sampling, noise: Sequence[Noise | Later]) -> list[int]:
    """One token per row by inverse transform sampling, so each takes one number of its noise.

    Args:
        logits: [rows, vocabulary] float32; -inf where a token is not allowed.
        sampling: temperature and top_p. Temperature 0 takes the most likely token, of equals the
            one with the lowest id.
        noise: one per row.

    Raises:
        BackendError: the logits are not finite (a half-precision overflow, say).
    """
    if sampling.temperature == 0:
        likeliest, places = logits.max(dim=-1)
        _check(likeliest)
        return _listed(places)
    probabilities = torch.softmax(logits / sampling.temperature, dim=-1)
    order = None
    if sampling.top_p < 1:
        probabilities, order = torch.sort(probabilities, dim=-1, descending=True, stable=True)
        # Kept is the shortest head whose sum reaches top_p: tokens with less than that before.
        before = probabilities.cumsum(dim=-1) - probabilities
        probabilities = probabilities.masked_fill(before >= sampling.top_p, 0.0)
    # float64: in float32 the sum over a large vocabulary would move by whole tokens.
    sums = probabilities.cumsum(dim=-1, dtype=torch.float64)
    uniform = torch.tensor([row.next() for row in noise], dtype=torch.float64, device=sums.device)
    total = sums[:, -1:]
    _check(total)
    target = torch.minimum(
        uniform[:, None] * total, torch.nextafter(total, torch.zeros_like(total))
    )
    places = torch.searchsorted(sums, target, right=True)
    if order is not None:
        places = order.gather(-1, places)
    return _listed(places[:, 0])


def _check(values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise BackendError("the model's logits are not finite; load it with dtype='float32'")


def _listed(places: Tensor) -> list[int]:
    tokens: list[int] = places.tolist()
    return tokens


def log_probabilities(
    logits: Tensor, tokens: Sequence[int], top: int
) -> list[tuple[float, list[tuple[int, float]]]]:
    """Natural log-probability of each row's token, and the `top` most likely (id, log-prob).

    They are the model's own: before temperature, top_p and grammar.
    """
    logs = torch.log_softmax(logits, dim=-1)
    chosen = torch.tensor(tokens, device=logs.device)[:, None]
    own = logs.gather(-1, chosen)[:, 0].tolist()
    best = logs.topk(min(top, logs.shape[-1]), dim=-1)
    rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [
        (mine, list(zip(ids, values, strict=True)))
        for mine, (ids, values) in zip(own, rows, strict=True)
    ]
