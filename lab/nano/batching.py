"""Token sequences in batches of similar length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

IGNORED = -100
"""Label of tokens without loss."""


@dataclass(frozen=True)
class Example:
    """A prompt and what should follow it, as token ids."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def batches(
    examples: Sequence[Example], *, tokens: int, rng: random.Random
) -> Iterator[list[Example]]:
    """All examples once, in random batches of at most `tokens` with padding.

    Examples of similar length, out of a few thousand drawn at random, share a batch: that keeps
    padding low and batches mixed.
    """
    order = list(range(len(examples)))
    rng.shuffle(order)
    made: list[list[Example]] = []
    for start in range(0, len(order), 4096):
        pool = [examples[i] for i in order[start : start + 4096]]
        made += [[pool[i] for i in some] for some in alike([*map(len, pool)], tokens=tokens)]
    rng.shuffle(made)
    yield from made


def alike(lengths: Sequence[int], *, tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, the shortest first, of at most `tokens` with padding.

    A longer sequence is a batch of its own.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[i] * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


@dataclass(frozen=True)
class Padded:
    """A batch as tensors [B, T], padded on the right."""

    ids: torch.Tensor
    labels: torch.Tensor
    """Of the next token; `IGNORED` on prompts and padding."""


def pad(batch: Sequence[Example], *, pad_id: int, device: torch.device | None = None) -> Padded:
    """Tensors of a batch, on `device`; None is the CPU."""
    longest = max(map(len, batch))
    ids = torch.full((len(batch), longest), pad_id)
    labels = torch.full((len(batch), longest), IGNORED)
    for row, example in enumerate(batch):
        whole = torch.tensor(example.prompt + example.completion)
        ids[row, : len(whole)] = whole
        labels[row, len(example.prompt) - 1 : len(whole) - 1] = whole[len(example.prompt) :]
    return Padded(ids.to(device), labels.to(device))
