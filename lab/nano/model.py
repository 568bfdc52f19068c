"""The embedded model's network and its optimizer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lab.nano.device import device_of
from lab.nano.muon import Muon
from lab.nano.precision import matrix_type
from lab.nano.settings import ModelSettings

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


def new_model(
    settings: ModelSettings,
    tokenizer: PreTrainedTokenizerFast,
    device: torch.device | None = None,
) -> LlamaForCausalLM:
    """A Llama with fresh weights on `device`; None is the CPU, where they are drawn anyway."""
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415 - heavy

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden,
        intermediate_size=settings.feed_forward,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.kv_heads,
        max_position_embeddings=settings.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return _trainable(LlamaForCausalLM(config), device)


def _trainable(model: LlamaForCausalLM, device: torch.device | None) -> LlamaForCausalLM:
    """On `device`, with the faster attention.

    The fused one's backward pass is slow in bfloat16 on CPUs.
    """
    if device is not None:
        model.to(device)
    place = device_of(model)
    plain = place.type == "cpu" and matrix_type(place) == torch.bfloat16
    model.set_attn_implementation("eager" if plain else "sdpa")
    return model


class Optimizer:
    """Muon for the matrices of the layers, AdamW for embeddings and gains; cosine decay.

    Args:
        model: what is trained.
        lr: peak learning rate of both, which Muon rescales to AdamW's size.
        steps: how many there will be; the rate ends at 5 % of its peak.
        warmup: steps of linear rise.
    """

    def __init__(self, model: torch.nn.Module, *, lr: float, steps: int, warmup: int = 50) -> None:
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            hidden = parameter.ndim == 2 and "embed" not in name and "score" not in name
            (matrices if hidden else others).append(parameter)
        self._optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=lr, weight_decay=0.01),
            torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self._parameters = [*matrices, *others]
        self._peak, self._steps, self._warmup = lr, steps, min(warmup, max(1, steps // 10))
        self.step_number = 0

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        done = self.step_number
        if done < self._warmup:
            return self._peak * (done + 1) / self._warmup
        share = min(1.0, (done - self._warmup) / max(1, self._steps - self._warmup))
        return self._peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))

    def step(self) -> float:
        """Clip, update, and clear the gradients; the norm before clipping."""
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, 1.0))
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
        return norm

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {
            "step": self.step_number,
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.step_number = state["step"]
        for optimizer, one in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(one)


def load_judge(
    folder: Path, device: torch.device | None = None
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A saved model in float32 on `device`, with its tokenizer; None is the CPU."""
    from transformers import LlamaForCausalLM  # noqa: PLC0415 - heavy

    from deemster.backends._local.loading import read  # noqa: PLC0415 - heavy

    tokenizer, model = read(LlamaForCausalLM, str(folder), torch.float32)
    return _trainable(model, device), tokenizer


def save_judge(
    folder: Path, model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, *, half: bool = False
) -> None:
    """Safetensors, configuration and tokenizer; `half` stores float16."""
    import copy  # noqa: PLC0415

    saved: Any = copy.deepcopy(model).half() if half else model
    saved.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
