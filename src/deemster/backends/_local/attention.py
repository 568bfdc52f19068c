"""Attention over a prompt that all rows share, stored once.

The draws of one request differ only after the prompt. A plain cache holds the prompt's keys and
values once per draw, copies them at every step and reads them once per draw. Here they are held
once, and the queries of all rows meet them in one matrix product; each row's own tokens are
attended to separately, and one softmax runs over both (Hydragen, arXiv 2402.05099, has the
idea; this is plain torch).

It plugs into transformers' attention interface, so it serves every model that goes through it:
with sliding windows and soft caps (Gemma-2), sinks (GPT-OSS), and latents in the place of keys and
values (multi-head latent attention, DeepSeek-V2, arXiv 2405.04434).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from deemster.backends._local.own_cache import OwnCache, PassingCache
from deemster.backends._local.ragged import Hidden, RaggedCache, Spread


@dataclass(frozen=True, eq=False)
class LayerPrefix:
    """What a layer's cache holds of the prompt; the latents of a model that caches them."""

    key: Tensor
    """[1, key-value heads, length, key width]"""
    value: Tensor
    """[1, key-value heads, length, value width]"""
    window: int | None
    """How many tokens a query sees, its own among them; None: all."""

    def seen_with(self, own: int) -> tuple[Tensor, Tensor]:
        """The part that is still in the window of a row's `own`th token."""
        if self.window is None:
            return self.key, self.value
        start = max(0, self.key.shape[2] - max(0, self.window - own))
        return self.key[:, :, start:], self.value[:, :, start:]


Prefix = list[LayerPrefix]
"""Of all layers."""


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of a step, neighbours in the batch, that go on from the same prompt."""

    rows: int
    """Of the step: one a token."""
    prefix: Prefix
    own: OwnCache | RaggedCache
    """What they have said since."""
    spread: Spread | None = None
    """Where rows have several tokens in the step, or have had: whose they are."""


_NUMBER = itertools.count()
# What some models add to attention and this one does not do.
_NOT_DONE = ("position_bias",)


class UnsupportedAttentionError(Exception):
    """The model's attention needs something that shared-prefix attention does not do."""


def prefix_of(cache: Any) -> Prefix:  # noqa: ANN401 - transformers is untyped
    """What a cache holds after a prompt, without copies.

    Raises:
        UnsupportedAttentionError: it has layers of another kind.
    """
    kinds = {type(layer) for layer in cache.layers} - {DynamicLayer, DynamicSlidingWindowLayer}
    if kinds:
        raise UnsupportedAttentionError(", ".join(sorted(kind.__name__ for kind in kinds)))
    return [
        LayerPrefix(layer.keys, layer.values, getattr(layer, "sliding_window", None))
        for layer in cache.layers
    ]


class SharedPrefixAttention:
    """An attention function of the transformers interface, for steps and nothing else.

    Queries attend to the prefix of their group and to their row's own tokens, the present one
    among them, which is added to the group's cache. Rows after the last group are padding.

    Args:
        model: whose attention it is to be.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers is untyped
        self.name = f"deemster_shared_prefix_{next(_NUMBER)}"
        self._functions: dict[str, Any] | None = getattr(model, "attention_functions", None)
        self._groups: Sequence[Group] = ()
        self._passing = PassingCache(0)

    def register(self) -> None:
        """Make the name known to the model, or to transformers."""
        if self._functions is not None:
            self._functions[self.name] = self
            return
        from transformers import AttentionInterface  # noqa: PLC0415 - takes seconds

        AttentionInterface.register(self.name, self)

    def unregister(self) -> None:
        """Forget the name, and with it whatever this object holds."""
        if self._functions is not None:
            self._functions.pop(self.name, None)
            return
        from transformers import AttentionInterface  # noqa: PLC0415 - takes seconds

        # Deleting through the mapping is not offered for globally registered functions.
        AttentionInterface._global_mapping.pop(self.name, None)  # noqa: SLF001

    @contextmanager
    def step(self, groups: Sequence[Group]) -> Iterator[PassingCache]:
        """While it is open, the model may run a step of these groups, with the cache given."""
        self._groups, self._passing = groups, PassingCache(len(groups[0].prefix))
        try:
            yield self._passing
        finally:
            self._groups = ()

    def __call__(  # noqa: PLR0917 - the interface passes them by position
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,  # noqa: ARG002
        dropout: float = 0.0,  # noqa: ARG002
        scaling: float | None = None,
        softcap: float | None = None,
        s_aux: Tensor | None = None,
        **options: Any,  # noqa: ANN401 - the interface passes whatever the model does
    ) -> tuple[Tensor, None]:
        """Attend; [rows, queries, heads, value width] as the interface wants it."""
        if any(options.get(name) is not None for name in _NOT_DONE):
            raise UnsupportedAttentionError(type(module).__name__)
        layer: Any = module  # whose layers number themselves
        index = layer.layer_idx
        # What the model caches need not be what it attends to.
        key, value = self._passing.layers[index].given
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        outputs = []
        start = 0
        for group in self._groups:
            rows = slice(start, start + group.rows)
            prefix, own = group.prefix[index], group.own.layers[index]
            spread, asked, hidden = group.spread, query[rows], None
            held = own.update(key[rows], value[rows], spread)
            if spread is None:
                shared = prefix.seen_with(own.total)
            else:
                shared, hidden, asked = (
                    (prefix.key, prefix.value),
                    spread.hidden(prefix),
                    spread.apart(asked),
                )
            if hasattr(layer, "expand_kv"):
                up = layer.kv_b_proj.weight.view(query.shape[1], -1, key.shape[-1])
                output = attend_latents(
                    asked, *held, shared=shared, up=up, scale=scale, hidden=hidden
                )
            else:
                output = attend(
                    asked, *held, shared=shared, scale=scale, softcap=softcap, sinks=s_aux,
                    hidden=hidden,
                )  # fmt: skip
            outputs.append(output if spread is None else spread.together(output))
            start += group.rows
        if start < len(query):  # padding, which nobody reads
            outputs.append(outputs[-1][-1:].expand(len(query) - start, -1, -1, -1))
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs)), None


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    shared: tuple[Tensor, Tensor],
    scale: float,
    softcap: float | None = None,
    sinks: Tensor | None = None,
    hidden: Hidden | None = None,
) -> Tensor:
    """Attention of queries over the shared prefix, then the row's own keys.

    Args:
        query: [B, H, Q, D]
        key: [B, K, T, D], with K dividing H (grouped queries)
        value: [B, K, T, E]
        shared: keys [1, K, P, D] and values [1, K, P, E] of the prefix
        scale: factor on the scores
        softcap: c of c · tanh(score / c), which bounds the scores
        sinks: [H] scores of a value that is nothing, for heads that have nothing to look at.
        hidden: what each query must not see; None: they see everything.

    Returns:
        [B, Q, H, E]
    """
    B, H, Q, D = query.shape
    K = key.shape[1]
    ahead, own = _scores((query * scale).reshape(B, K, H // K * Q, D), key, shared[0])
    if softcap is not None:
        ahead, own = (softcap * torch.tanh(scores / softcap) for scores in (ahead, own))
    ahead, own = _masked(ahead, own, hidden)
    aside = None
    if sinks is not None:
        aside = sinks.view(K, 1, H // K, 1).repeat_interleave(Q, dim=2).expand(K, B, -1, 1)
    seen = _weighed(ahead, own, value, shared[1], aside)
    return seen.reshape(B, H, Q, -1).transpose(1, 2)


def attend_latents(
    query: Tensor,
    latent: Tensor,
    rotated: Tensor,
    *,
    shared: tuple[Tensor, Tensor],
    up: Tensor,
    scale: float,
    hidden: Hidden | None = None,
) -> Tensor:
    """The same for a model that caches a latent, out of which keys and values are made.

    The query is taken to the latents instead (arXiv 2405.04434, section 2.1.2), so that no key
    or value of a past token is made again.

    Args:
        query: [B, H, Q, N + M]; the last M are rotated by their position
        latent: [B, 1, T, R]
        rotated: [B, 1, T, M], the part of the keys that all heads share
        shared: latents [1, 1, P, R] and rotated [1, 1, P, M] of the prefix
        up: [H, N + E, R], from latents to keys (the first N) and values
        scale: factor on the scores.
        hidden: see `attend`.

    Returns:
        [B, Q, H, E]
    """
    B, H, Q, _ = query.shape
    M = rotated.shape[-1]
    N = query.shape[-1] - M
    query = query * scale
    content = torch.einsum("bhqn,hnr->bhqr", query[..., :N], up[:, :N])
    by_content = _scores(content.reshape(B, 1, H * Q, -1), latent, shared[0])
    by_position = _scores(query[..., N:].reshape(B, 1, H * Q, M), rotated, shared[1])
    ahead, own = (a + b for a, b in zip(by_content, by_position, strict=True))
    ahead, own = _masked(ahead, own, hidden)
    seen = _weighed(ahead, own, latent, shared[0]).reshape(B, H, Q, -1)  # [B, H, Q, R]
    return torch.einsum("bhqr,her->bqhe", seen, up[:, N:])


def _scores(query: Tensor, key: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
    """Of queries [B, K, G, D] with the prefix [K, B, G, P] and with own keys [K, B, G, T]."""
    B, K, G, D = query.shape
    grouped = query.transpose(0, 1).reshape(K, B * G, D)
    ahead = (grouped @ shared[0].transpose(1, 2)).view(K, B, G, -1)
    return ahead, (query @ key.transpose(2, 3)).transpose(0, 1)


def _masked(ahead: Tensor, own: Tensor, hidden: Hidden | None) -> tuple[Tensor, Tensor]:
    """The scores, -inf where they are hidden; of the G of `_scores`, queries come last."""
    if hidden is None:
        return ahead, own
    found = []
    for scores, mask in zip((ahead, own), hidden, strict=True):
        if mask is None:
            found.append(scores)
            continue
        K, B, _, tokens = scores.shape
        by_query = scores.view(K, B, -1, mask.shape[1], tokens)  # [K, B, G / Q, Q, tokens]
        found.append(by_query.masked_fill(mask[None, :, None], -torch.inf).flatten(2, 3))
    return found[0], found[1]


def _weighed(
    ahead: Tensor, own: Tensor, value: Tensor, shared: Tensor, aside: Tensor | None = None
) -> Tensor:
    """Values weighed by the softmax of all scores, those `aside` for nothing; [B, K, G, E]."""
    K, B, G, P = ahead.shape
    scores = (ahead, own) if aside is None else (ahead, own, aside.to(own.dtype))
    weights = torch.softmax(torch.cat(scores, dim=-1), dim=-1, dtype=torch.float32)
    weights = weights.to(value.dtype)
    seen = weights[..., :P].reshape(K, B * G, P) @ shared[0]  # [K, BG, E]
    seen = seen.view(K, B, G, -1).transpose(0, 1)
    return seen + weights[..., P : P + own.shape[-1]].transpose(0, 1) @ value
