"""DeepSeek's balance loss of a mixture of experts, and which tokens count in it.

Imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_OFF = 0.01
"""What rounding may make of a sum of shares."""


@dataclass(eq=False)
class Tokens:
    """Which tokens of a pass count, and to which sequence each belongs."""

    valid: Tensor
    """[tokens] bool"""
    sequence: Tensor
    """[tokens] int64, from 0"""

    @classmethod
    def of(cls, options: dict[str, Any], *, per_sequence: bool) -> Tokens:
        """From what the model is called with; packed sequences are told by their positions."""
        ids = options.get("input_ids")
        ids = options["inputs_embeds"][..., 0] if ids is None else ids
        mask, places = options.get("attention_mask"), options.get("position_ids")
        if mask is not None and mask.ndim == 2:
            mask = mask[:, -ids.shape[1] :].bool()
        else:
            mask = torch.ones(ids.shape, dtype=torch.bool, device=ids.device)
        starts = torch.zeros_like(mask)
        starts[:, 0] = True
        if places is not None and options.get("attention_mask") is None:
            starts |= places.expand_as(ids) == 0
        sequence = starts.flatten().cumsum(0) - 1
        return cls(mask.flatten(), sequence if per_sequence else torch.zeros_like(sequence))


def sequence_balance_loss(
    logits: Tensor, chosen: Tensor, *, sequence: Tensor, valid: Tensor, sigmoid: bool = False
) -> Tensor:
    """DeepSeek's balance loss of one layer: Σ f_i · P_i, mean over sequences; 1 where all is even.

    f_i is expert i's share of a sequence's choices, relative to an even one; P_i is its mean
    affinity (arXiv 2412.19437, Eq. 17 to 20).

    Args:
        logits: [tokens, experts] of the router; from some (Gemma 4) the softmax of them.
        chosen: [tokens, k] indices of the experts.
        sequence: [tokens] number of each token's sequence, from 0.
        valid: [tokens] False on padding.
        sigmoid: whether affinities are sigmoids, made to sum to 1, as in DeepSeek-V3; else they
            are a softmax.
    """
    logits = logits.float()
    if not sigmoid:
        shares = (logits.min() >= 0) & ((logits.sum(-1) - 1).abs().max() < _OFF)
        tiny = torch.finfo(logits.dtype).tiny
        logits = torch.where(shares, logits.clamp(min=tiny).log(), logits)
    affinity = logits.sigmoid() if sigmoid else logits.softmax(-1)
    if sigmoid:
        affinity = affinity / affinity.sum(-1, keepdim=True)
    number = int(sequence.max()) + 1
    sums = affinity.new_zeros(number, logits.shape[-1])
    weight = valid.to(affinity.dtype)[:, None]
    picked = torch.zeros_like(affinity).scatter_(1, chosen, 1.0)
    tokens = affinity.new_zeros(number, 1).index_add(0, sequence, weight)
    mean = sums.index_add(0, sequence, affinity * weight) / tokens.clamp(min=1)
    share = sums.index_add(0, sequence, picked * weight) / tokens.clamp(min=1)
    even = chosen.shape[-1] / logits.shape[-1]
    loss = (share / even * mean).sum(-1)
    there = tokens[:, 0] > 0
    return (loss * there).sum() / there.sum().clamp(min=1)


__all__ = ["Tokens", "sequence_balance_loss"]
