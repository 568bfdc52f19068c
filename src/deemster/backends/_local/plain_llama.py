"""The network of the models of the package in plain torch.

To import transformers' models takes longer than all else of a first verdict. These are the
operations of its Llama in the same order, so that every logit is the same to the last bit, with
what `Runner` needs of a model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from transformers import PreTrainedTokenizerFast
from transformers.cache_utils import DynamicCache

from deemster.backends._local.checkpoint import whole_files
from deemster.json_text import read_json

_KIND = {
    "model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
    "tie_word_embeddings": True,
}  # fmt: skip
"""What a configuration must say."""


def fits(folder: str) -> bool:
    """Whether the folder's model is one that `read` reads; others are for transformers.

    Raises:
        OSError, ValueError: the configuration cannot be read.
    """
    config = _settings(Path(folder) / "config.json")
    rope = getattr(config, "rope_parameters", None)
    kind = {name: getattr(config, name, None) for name in _KIND}
    return kind == _KIND and isinstance(rope, dict) and rope.get("rope_type") == "default"


def read(folder: str, dtype: torch.dtype) -> tuple[PreTrainedTokenizerFast, PlainLlama]:
    """Tokenizer and model of a folder that `fits`.

    Raises:
        OSError: a file is missing.
        ValueError: a file is damaged, or weights are missing.
    """
    place = Path(folder)
    model = PlainLlama(
        _settings(place / "config.json"), _settings(place / "generation_config.json")
    )
    with whole_files():
        weights = load_file(place / "model.safetensors")
    weights.pop("lm_head.weight", None)  # the embeddings once more, in some files
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"the weights do not fit the configuration: {error}") from error
    return PreTrainedTokenizerFast.from_pretrained(folder), model.to(dtype)


def _settings(path: Path) -> SimpleNamespace:
    found = read_json(path, what="model file")
    if not isinstance(found, dict):
        raise ValueError(f"{str(path)!r} is not a JSON object")  # noqa: TRY004 - the file's fault
    if "rope_theta" in found and found.get("rope_scaling") is None:  # as older versions wrote it
        plain = {"rope_type": "default", "rope_theta": found["rope_theta"]}
        found.setdefault("rope_parameters", plain)
    if "hidden_size" in found and found.get("head_dim") is None:
        size, heads = found["hidden_size"], found.get("num_attention_heads")
        if type(size) is not int or type(heads) is not int or heads < 1:
            raise ValueError(f"{str(path)!r}: no sizes: {size!r:.50} in {heads!r:.50} heads")
        found["head_dim"] = size // heads
    return SimpleNamespace(**found)


class Output(NamedTuple):
    """What a pass of the model gives."""

    logits: Tensor
    cache: Any


class PlainLlama(nn.Module):
    """A Llama with tied embeddings and plain rotary positions.

    Args:
        config: its configuration.
        generation_config: that of generation.
    """

    _supports_attention_backend = True

    def __init__(self, config: SimpleNamespace, generation_config: SimpleNamespace) -> None:
        super().__init__()
        config.get_text_config = lambda: config
        config._attn_implementation = "sdpa"  # noqa: SLF001 - transformers' name for it
        self.config = config
        self.generation_config = generation_config
        self.attention_functions: dict[str, Callable[..., tuple[Tensor, None]]] = {}
        """By the names that `set_attn_implementation` takes, besides `sdpa`."""
        self.model = _Layers(config, self._attend)
        steps = torch.arange(0, config.head_dim, 2, dtype=torch.float) / config.head_dim
        base = config.rope_parameters["rope_theta"]
        self.register_buffer("_turns", 1.0 / (base**steps), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.norm.weight.device

    def num_parameters(self) -> int:
        """How many numbers it has learned."""
        return sum(parameter.numel() for parameter in self.parameters())

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of token embeddings."""
        return self.model.embed_tokens

    def set_attn_implementation(self, name: str) -> None:
        """Attend by `sdpa` or by one of `attention_functions`."""
        self.config._attn_implementation = name  # noqa: SLF001

    def forward(
        self,
        input_ids: Tensor,
        cache: Any = None,  # noqa: ANN401 - a cache of transformers
        position_ids: Tensor | None = None,
        use_cache: bool = True,
        logits_to_keep: int | Tensor = 0,
    ) -> Output:
        """Logits [B, T, vocabulary] after tokens [B, T], and the cache that has them.

        Args:
            input_ids: the tokens.
            cache: what was read before; None: nothing.
            position_ids: [B, T]; None: they follow what the cache holds.
            use_cache: whether a cache is made where none is given.
            logits_to_keep: the last so many places alone, or these places; 0: all.
        """
        if cache is None and use_cache:
            cache = DynamicCache()
        length = input_ids.shape[1]
        past = 0 if cache is None else cache.get_seq_length()
        if position_ids is None:
            position_ids = torch.arange(past, past + length, device=input_ids.device)[None]
        turns = position_ids[..., None].float() * self._turns.float()  # type: ignore[operator]
        angles = torch.cat((turns, turns), dim=-1)[:, None]
        mask = None
        if length > 1 and past:
            mask = torch.ones(length, past + length, dtype=torch.bool, device=input_ids.device)
            mask = mask.tril(past)[None, None]
        states = self.model.embed_tokens(input_ids)
        rotation = angles.cos().to(states.dtype), angles.sin().to(states.dtype)
        for layer in self.model.layers:
            states = layer(states, rotation, mask, cache)
        states = self.model.norm(states)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = F.linear(states[:, kept], self.model.embed_tokens.weight)
        return Output(logits, cache)

    def _attend(
        self, layer: _Attention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
    ) -> Tensor:
        """[B, T, heads, width] from queries [B, heads, T, width], keys and values [B, K, S, …]."""
        name = self.config._attn_implementation  # noqa: SLF001
        scale = query.shape[-1] ** -0.5
        if name != "sdpa":
            return self.attention_functions[name](layer, query, key, value, mask, scaling=scale)[0]
        groups = query.shape[1] // key.shape[1]
        if mask is not None:
            key, value = (one.repeat_interleave(groups, dim=1) for one in (key, value))
        output = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            scale=scale,
            is_causal=mask is None and query.shape[2] > 1,
            enable_gqa=mask is None and groups > 1,
        )
        return output.transpose(1, 2)


class _Layers(nn.Module):
    def __init__(self, config: SimpleNamespace, attend: Callable[..., Tensor]) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            _Layer(config, index, attend) for index in range(config.num_hidden_layers)
        )
        self.norm = _Norm(config)


class _Norm(nn.Module):
    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.hidden_size))
        self._eps = config.rms_norm_eps

    def forward(self, states: Tensor) -> Tensor:
        exact = states.to(torch.float32)
        exact = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + self._eps)
        return self.weight * exact.to(states.dtype)


class _Layer(nn.Module):
    def __init__(self, config: SimpleNamespace, index: int, attend: Callable[..., Tensor]) -> None:
        super().__init__()
        self.input_layernorm = _Norm(config)
        self.self_attn = _Attention(config, index, attend)
        self.post_attention_layernorm = _Norm(config)
        self.mlp = _Mlp(config)

    def forward(
        self,
        states: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,  # noqa: ANN401 - of transformers
    ) -> Tensor:
        states = states + self.self_attn(self.input_layernorm(states), rotation, mask, cache)
        more: Tensor = self.mlp(self.post_attention_layernorm(states))
        return states + more


class _Mlp(nn.Module):
    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        narrow, wide = config.hidden_size, config.intermediate_size
        self.gate_proj = nn.Linear(narrow, wide, bias=False)
        self.up_proj = nn.Linear(narrow, wide, bias=False)
        self.down_proj = nn.Linear(wide, narrow, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        narrowed: Tensor = self.down_proj(F.silu(self.gate_proj(states)) * self.up_proj(states))
        return narrowed


class _Attention(nn.Module):
    def __init__(self, config: SimpleNamespace, index: int, attend: Callable[..., Tensor]) -> None:
        super().__init__()
        self.layer_idx = index
        self._width = config.head_dim
        self._attend = attend
        heads, narrow = config.num_attention_heads * self._width, config.hidden_size
        pairs = config.num_key_value_heads * self._width
        self.q_proj = nn.Linear(narrow, heads, bias=False)
        self.k_proj = nn.Linear(narrow, pairs, bias=False)
        self.v_proj = nn.Linear(narrow, pairs, bias=False)
        self.o_proj = nn.Linear(heads, narrow, bias=False)

    def forward(
        self,
        states: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,  # noqa: ANN401 - of transformers
    ) -> Tensor:
        B, T, _ = states.shape
        query, key, value = (
            project(states).view(B, T, -1, self._width).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        query, key = _rotated(query, *rotation), _rotated(key, *rotation)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        output = self._attend(self, query, key, value, mask)
        projected: Tensor = self.o_proj(output.reshape(B, T, -1))
        return projected


def _rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = states.shape[-1] // 2
    turned = torch.cat((-states[..., half:], states[..., :half]), dim=-1)
    return states * cos + turned * sin
