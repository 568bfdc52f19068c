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

    Neighbours in length share a batch, among some thousand drawn at random, so that little is
    padding and batches stay mixed.
    """
    order = list(range(len(examples)))
    rng.shuffle(order)
    made: list[list[Example]] = []
    for start in range(0, len(order), 4096):
        pool = sorted((examples[i] for i in order[start : start + 4096]), key=len)
        batch: list[Example] = []
        for example in pool:
            if batch and len(example) * (len(batch) + 1) > tokens:
                made.append(batch)
                batch = []
            batch.append(example)
        made.append(batch)
    rng.shuffle(made)
    yield from made


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
