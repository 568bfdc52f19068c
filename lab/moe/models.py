"""Fresh models of DeepSeek-V2's architecture, dense and with experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

Arm = Literal["dense", "moe"]
ARMS: tuple[Arm, ...] = get_args(Arm)

WIDTH = 64
ROUTED, ACTIVE, SHARED, EXPERT = 16, 4, 2, 32
"""Experts to choose from, chosen per token, always used, and the width of each: as in
DeepSeek-V2-Lite, a token's experts together are as wide as the dense layer."""
_LAYERS = 4


def new_base(arm: Arm, folder: Path, tokenizer: Any, *, seed: int) -> dict[str, int]:  # noqa: ANN401 - untyped
    """Save a model with fresh weights; returns its `parameters` and how many are `active`.

    Both have multi-head latent attention and a dense first layer; in the others the mixture has
    experts where the dense model has one layer of their active width.
    """
    import torch  # noqa: PLC0415 - heavy
    from transformers import DeepseekV2Config, DeepseekV2ForCausalLM  # noqa: PLC0415 - heavy

    config = DeepseekV2Config(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=EXPERT * (ACTIVE + SHARED),
        num_hidden_layers=_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        q_lora_rank=None,
        kv_lora_rank=32,
        qk_nope_head_dim=8,
        qk_rope_head_dim=8,
        v_head_dim=16,
        n_routed_experts=ROUTED,
        num_experts_per_tok=ACTIVE,
        n_shared_experts=SHARED,
        moe_intermediate_size=EXPERT,
        first_k_dense_replace=1 if arm == "moe" else _LAYERS,
        topk_method="greedy",
        n_group=1,
        topk_group=1,
        tie_word_embeddings=True,
        max_position_embeddings=1024,
        initializer_range=0.08,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        aux_loss_alpha=0.001,  # as DeepSeek-V2-Lite's config.json has it
        seq_aux=True,
    )
    torch.manual_seed(seed)
    model = DeepseekV2ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    total = model.num_parameters()
    idle = (_LAYERS - config.first_k_dense_replace) * (ROUTED - ACTIVE) * 3 * WIDTH * EXPERT
    return {"parameters": total, "active": total - idle}
