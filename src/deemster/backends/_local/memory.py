"""How much memory the draws of a request take, told from a model's configuration alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from deemster.backends._local.conversion import sound_config
from deemster.backends._local.loading import pick_dtype
from deemster.backends._local.own_cache import most_held
from deemster.backends._local.sources import check_path, gguf_in, source_of
from deemster.errors import InputError


@dataclass(frozen=True)
class Memory:
    """Bytes. What a pass needs besides, until it ends, is not among them."""

    parameters: int
    """Of the model; a number, no bytes."""
    weights: int
    prompts: int
    """Keys and values (or latents) of the prompts, each once."""
    draws: int
    """Of the tokens that the draws say, when all have said as many as they may."""
    copied: int
    """Of prompts and draws, if each draw had a copy of its prompt."""

    @property
    def total(self) -> int:
        """Weights, prompts and draws."""
        return self.weights + self.prompts + self.draws


def memory_of(
    path: str, *, k: int, prompt: int, tokens: int, orders: int = 1, dtype: str = "bfloat16"
) -> Memory:
    """What k draws of up to `tokens` tokens each take, after prompts of `prompt` tokens.

    Args:
        path: a folder or a repository; only its configuration is read.
        k: draws that step together.
        prompt: its tokens.
        tokens: most tokens of a draw.
        orders: in which responses are shown: so many prompts share the draws.
        dtype: of weights and caches, as torch names it.

    Raises:
        InputError: the configuration cannot be read, or has layers that are not attention.
    """
    kind = pick_dtype(dtype, torch.device("cpu"))
    if gguf_in(path) is not None:
        raise InputError(f"{path!r} is a GGUF file; give the model that it was made from")
    try:
        with sound_config():
            config = AutoConfig.from_pretrained(
                source_of(check_path(path, weights=False)).base, trust_remote_code=False
            )
            with torch.device("meta"):  # shapes without numbers
                model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot read the configuration of {path!r}: {reason}") from error
    layers = DynamicCache(config=config).layers
    if {type(layer) for layer in layers} - {DynamicLayer, DynamicSlidingWindowLayer}:
        raise InputError(f"{path!r} has layers other than attention, whose memory is not known")
    width = _width(model, config.get_text_config())
    # Per layer, tokens that are held: of the prompt, of a draw, of both in one.
    held = [
        (
            _in_window(prompt, window),
            most_held(tokens, window),
            _in_window(prompt + tokens, window),
        )
        for window in (getattr(layer, "sliding_window", None) for layer in layers)
    ]
    shared, own, both = (sum(counts) * width * kind.itemsize for counts in zip(*held, strict=True))
    parameters = model.num_parameters()
    return Memory(parameters, parameters * kind.itemsize, orders * shared, k * own, k * both)


def _width(model: Any, config: Any) -> int:  # noqa: ANN401 - transformers is untyped
    """Numbers that a layer keeps of a token."""
    if any(hasattr(module, "expand_kv") for module in model.modules()):
        return int(config.kv_lora_rank + config.qk_rope_head_dim)
    heads = config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * (getattr(config, "num_key_value_heads", None) or heads) * head)


def _in_window(tokens: int, window: int | None) -> int:
    """What the next token can see of them."""
    return tokens if window is None else min(tokens, window - 1)
