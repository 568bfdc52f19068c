"""Writes the table of docs/training.md that says what training takes in memory, by model size.

python docs/training_memory.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from transformers import DeepseekV2Config, Gemma2Config, Qwen2Config

from deemster.errors import InputError
from deemster.training.memory import TrainingMemory, training_memory
from deemster.training.settings import LoraSettings, SftSettings

PAGE = Path(__file__).parent / "training.md"
TOKENS = 4096
BEGIN, END = "<!-- memory: docs/training_memory.py -->", "<!-- end of memory -->"


def qwen(hidden: int, inner: int, layers: int, heads: int, groups: int, **more: Any) -> Qwen2Config:
    """A configuration of Qwen2.5."""
    return Qwen2Config(
        hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, **more,
    )  # fmt: skip


MODELS = {
    "Qwen2.5-0.5B": qwen(896, 4864, 24, 14, 2, vocab_size=151936, tie_word_embeddings=True),
    "Qwen2.5-1.5B": qwen(1536, 8960, 28, 12, 2, vocab_size=151936, tie_word_embeddings=True),
    "Qwen2.5-7B": qwen(3584, 18944, 28, 28, 4, vocab_size=152064, tie_word_embeddings=False),
    "DeepSeek-V2-Lite, 16B (MoE)": DeepseekV2Config(
        hidden_size=2048, intermediate_size=10944, moe_intermediate_size=1408,
        num_hidden_layers=27, num_attention_heads=16, num_key_value_heads=16,
        n_routed_experts=64, n_shared_experts=2, num_experts_per_tok=6,
        first_k_dense_replace=1, kv_lora_rank=512, q_lora_rank=None, qk_nope_head_dim=128,
        qk_rope_head_dim=64, v_head_dim=128, n_group=1, topk_group=1, vocab_size=102400,
    ),
    "Gemma-2-27B": Gemma2Config(
        hidden_size=4608, intermediate_size=36864, num_hidden_layers=46, num_attention_heads=32,
        num_key_value_heads=16, head_dim=128, query_pre_attn_scalar=144, vocab_size=256000,
    ),
}  # fmt: skip
WAYS: dict[str, tuple[dict[str, Any], int]] = {
    "all, float32, AdamW": ({}, 1),
    "the same on 8 GPUs (FSDP2, ZeRO 3)": ({}, 8),
    "all, float32, 8-bit AdamW": ({"optimizer": "adamw_8bit"}, 1),
    "all, bfloat16, 8-bit AdamW": ({"weights": "bfloat16", "optimizer": "adamw_8bit"}, 1),
    "LoRA": ({"lora": LoraSettings()}, 1),
    "QLoRA": ({"lora": LoraSettings(quantize=True)}, 1),
}


def told(config: Any, given: dict[str, Any], shards: int, **more: Any) -> TrainingMemory | None:
    """Of one sequence at a time; None where it is not known."""
    settings = SftSettings(micro_batch_size=1, **given, **more)
    try:
        return training_memory(config, settings, tokens=TOKENS, shards=shards)
    except InputError:
        return None


def table() -> str:
    """Rows of GB on each GPU."""
    lines = [
        f"| | {' | '.join(WAYS)} | activations, bfloat16 | without checkpointing |",
        "|---|" + "---:|" * (len(WAYS) + 2),
    ]
    for name, config in MODELS.items():
        print(line := row(name, config), flush=True)
        lines.append(line)
    return "\n".join(lines)


def row(name: str, config: Any) -> str:
    """Of a model; activations are those of training all weights in bfloat16."""
    found = [told(config, given, shards) for given, shards in WAYS.values()]
    half: dict[str, Any] = {"weights": "bfloat16"}
    whole = told(config, half, 1, gradient_checkpointing=False)
    sizes = [None if one is None else one.total for one in found]
    sizes += [None if one is None else one.activations for one in (found[3], whole)]
    cells = ("–" if size is None else f"{size / 1e9:.1f}" for size in sizes)
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Replace the table in the page."""
    text = PAGE.read_text(encoding="utf-8")
    whole = f"{BEGIN}\n{table()}\n{END}"
    text = re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: whole, text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
