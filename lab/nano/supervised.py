"""Supervised training of the embedded model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from deemster.training.stage import StageError
from lab.nano.batching import IGNORED, Example, Padded, batches, pad
from lab.nano.checkpoint import Checkpoint
from lab.nano.device import device_of
from lab.nano.model import Optimizer
from lab.nano.precision import mixed_precision

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

Log = Callable[[dict[str, float]], None]


def plan(
    examples: Sequence[Example], *, epochs: int, tokens: int, seed: int
) -> list[list[Example]]:
    """The batches of all epochs in order; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - not secret
    return [batch for _ in range(epochs) for batch in batches(examples, tokens=tokens, rng=rng)]


def train(
    model: LlamaForCausalLM,
    steps: Sequence[list[Example]],
    *,
    lr: float,
    pad_id: int,
    checkpoint: Checkpoint,
    log: Log,
) -> float:
    """Minimise the cross-entropy of completions, matrix products in `precision.matrix_type`.

    Args:
        model: trained in place, on the device it is on.
        steps: one batch per step.
        lr: peak learning rate.
        pad_id: token that fills.
        checkpoint: where to resume from and to save to.
        log: called with the loss now and then.

    Returns:
        The mean loss per token over the last tenth of the steps, in nats.

    Raises:
        StageError: the loss is not finite.
    """
    device = device_of(model)
    optimizer = Optimizer(model, lr=lr, steps=len(steps))
    checkpoint.restore(model, optimizer)
    model.train()
    recent: list[tuple[float, int]] = []
    for number in range(optimizer.step_number, len(steps)):
        batch = pad(steps[number], pad_id=pad_id, device=device)
        loss = completion_loss(model, batch)
        value = loss.item()
        if not math.isfinite(value):
            raise StageError(f"the loss is {value} at step {number + 1}; lower the learning rate")
        torch.autograd.backward(loss)
        optimizer.step()
        recent.append((value, int((batch.labels != IGNORED).sum())))
        if number % 20 == 19 or number + 1 == len(steps):
            log({"step": number + 1, "steps": len(steps), "loss": _per_token(recent[-20:])})
        checkpoint.save(model, optimizer, last=number + 1 == len(steps))
    model.eval()
    return _per_token(recent[-max(1, len(steps) // 10) :])


def _per_token(losses: Sequence[tuple[float, int]]) -> float:
    """The mean of batches' losses, each with its tokens: batches hold examples of like length."""
    tokens = sum(count for _, count in losses)
    return sum(loss * count for loss, count in losses) / tokens if tokens else math.nan


def completion_loss(model: LlamaForCausalLM, batch: Padded) -> torch.Tensor:
    """Mean cross-entropy of the completion's tokens."""
    with mixed_precision(batch.ids.device):
        hidden = model.model(input_ids=batch.ids).last_hidden_state
        wanted = batch.labels != IGNORED
        logits = model.lm_head(hidden[wanted])
    return functional.cross_entropy(logits.float(), batch.labels[wanted])
