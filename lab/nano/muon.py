"""Muon in float32, all matrices of one shape at once.

`torch.optim.Muon` multiplies in bfloat16 one matrix at a time. That is made for GPUs: on a
processor without instructions for bfloat16, its step takes a second for a model of a million
parameters, and this one's a fiftieth of that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5

_Given = tuple[torch.nn.Parameter, torch.Tensor]
"""A matrix with its gradient."""


class Muon(torch.optim.Optimizer):
    """Momentum whose update is brought to near-orthogonal form by Newton-Schulz iterations.

    The update of a matrix [A, B] is scaled by `0.2 * sqrt(max(A, B))`, so that learning rates and
    weight decay of AdamW fit (arXiv 2502.16982).

    Args:
        parameters: matrices.
        lr: learning rate.
        weight_decay: decoupled.
        momentum: of Nesterov's kind.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            alike: dict[torch.Size, list[_Given]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append((parameter, parameter.grad))
            for shape, given in alike.items():
                self._update(given, shape, group)
        return loss

    def _update(self, given: list[_Given], shape: torch.Size, group: dict[str, Any]) -> None:
        wanted = []
        for parameter, gradient in given:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            momentum: torch.Tensor = state["momentum"].lerp_(gradient, 1 - group["momentum"])
            wanted.append(torch.lerp(gradient, momentum, group["momentum"]))
        rate = group["lr"] * 0.2 * math.sqrt(max(shape))
        updates = orthogonalised(torch.stack(wanted)).unbind()
        for (parameter, _), update in zip(given, updates, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(update, alpha=rate)


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices [N, A, B] with singular values near 1 and the same singular vectors."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: torch.Tensor = x.transpose(1, 2) if tall else x
    return result
