"""What training takes in memory: told before, and measured at toy size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from deemster.training.memory import training_memory
from deemster.training.settings import LoraSettings, SftSettings

CONFIG = LlamaConfig(
    vocab_size=512, hidden_size=128, intermediate_size=320, num_hidden_layers=4,
    num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False,
)  # fmt: skip
TOKENS, ROWS = 256, 2


def settings(**more: Any) -> SftSettings:
    return SftSettings.model_validate({"micro_batch_size": ROWS, **more})


def size(tensors: Any) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


def net_allocated(work: Any) -> int:
    """Bytes that are held after it, and were not before, as torch's own accounting has them."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        kept = work()
    del kept
    return sum(event.self_cpu_memory_usage for event in profile.events())


@pytest.mark.parametrize("checkpointing", [False, True], ids=["whole", "checkpoints"])
@pytest.mark.parametrize("weights", ["float32", "bfloat16"])
def test_a_step_takes_what_was_told(weights: str, checkpointing: bool) -> None:
    given = settings(weights=weights, gradient_checkpointing=checkpointing)
    told = training_memory(CONFIG, given, tokens=TOKENS)
    model = LlamaForCausalLM._from_config(CONFIG, dtype=getattr(torch, weights)).train()
    if checkpointing:
        renamed = getattr(model, "activation_checkpointing_enable", None)  # in younger releases
        (renamed or model.gradient_checkpointing_enable)()
    ids = torch.zeros(ROWS, TOKENS, dtype=torch.long)

    def forward() -> Any:
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=True):
            return model.model(input_ids=ids, use_cache=False).last_hidden_state

    held = net_allocated(forward)
    block = told.activations if not checkpointing else told.activations - _block(given)
    assert held == pytest.approx(block, rel=0.15)
    optimizer = torch.optim.AdamW(model.parameters())
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    parameters = list(model.parameters())
    assert size(parameters) == told.weights
    assert size(one.grad for one in parameters) == told.gradients
    states = [
        one for state in optimizer.state.values() for one in state.values() if one.numel() > 1
    ]
    assert size(states) == told.states


def _block(given: SftSettings) -> float:
    """What is computed again in the backward pass, and not held after the forward pass."""
    whole = given.model_copy(update={"gradient_checkpointing": False})
    longer, shorter = (LlamaConfig(**{**CONFIG.to_dict(), "num_hidden_layers": n}) for n in (4, 3))
    return (
        training_memory(longer, whole, tokens=TOKENS).activations
        - training_memory(shorter, whole, tokens=TOKENS).activations
    )


def test_choices_take_less() -> None:
    full = training_memory(CONFIG, settings(), tokens=TOKENS)
    small = training_memory(CONFIG, settings(optimizer="adamw_8bit"), tokens=TOKENS)
    lora = training_memory(CONFIG, settings(lora=LoraSettings(rank=4)), tokens=TOKENS)
    qlora = training_memory(
        CONFIG, settings(lora=LoraSettings(rank=4, quantize=True)), tokens=TOKENS
    )
    factored = training_memory(CONFIG, settings(optimizer="adafactor"), tokens=TOKENS)
    sharded = training_memory(CONFIG, settings(), tokens=TOKENS, shards=8)
    assert full.trained == full.parameters == lora.parameters
    assert full.states == 4 * small.states
    assert factored.states < full.states / 50
    per_block = 128 * (2 * 128 + 2 * 64) + 3 * 128 * 320  # its linear layers
    ranks = 4 * (2 * (128 + 128) + 2 * (128 + 64) + 3 * (128 + 320))
    assert lora.trained == 4 * ranks
    assert lora.gradients == 4 * lora.trained  # in float32
    assert lora.weights == 2 * full.parameters + 4 * lora.trained
    assert lora.weights - qlora.weights == pytest.approx(4 * per_block * 1.484, rel=0.01)
    assert (sharded.weights, sharded.states) == (full.weights / 8, full.states / 8)
    assert sharded.activations == full.activations
