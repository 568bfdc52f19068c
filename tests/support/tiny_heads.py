"""Tiny reward models with random weights, in the layouts of released ones.

Tensor names and fields of config.json are those of the released checkpoints; sizes are small.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.tiny_model import CHATML, chat_tokenizer

WIDTH = 32
LLAMA3 = (
    "<|begin_of_text|>"
    "{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
)
LLAMA3_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
GEMMA = (
    "<bos>{% for message in messages %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
)
GEMMA_TOKENS = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
PAIR_TOKENS = (
    "[PAD]", "[CLS]", "[SEP]", "[UNK]",
    "<|source|>", "<|candidate1|>", "<|candidate2|>", "<|candidate|>",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """What is saved: the type of transformer, the head's tensors, fields of config.json."""

    trunk: str = "llama"
    head: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes by name."""
    config: dict[str, Any] = field(default_factory=dict)
    prefix: str = "model."
    """Of the transformer's tensors."""
    dropped: tuple[str, ...] = ()
    """Fields that this config.json does not have."""


def _mlp(prefix: str, *sizes: int, step: int = 2) -> dict[str, tuple[int, ...]]:
    """Linear layers numbered 0, step, …"""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (size, wider) in enumerate(zip(sizes[1:], sizes, strict=False)):
        shapes |= {
            f"{prefix}.{i * step}.weight": (size, wider),
            f"{prefix}.{i * step}.bias": (size,),
        }
    return shapes


def _normed_gate(*, dropout: bool) -> dict[str, tuple[int, ...]]:
    """Linear (no bias), ReLU, batch norm, and dropout after all but the last; twice; linear."""
    step = 4 if dropout else 3
    shapes: dict[str, tuple[int, ...]] = {}
    for i, wide in enumerate((WIDTH, 12)):
        shapes[f"gating.layers.{i * step}.weight"] = (12, wide)
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"gating.layers.{i * step + 2}.{name}"] = (12,)
    last = step + 3
    return shapes | {f"gating.layers.{last}.weight": (5, 12), f"gating.layers.{last}.bias": (5,)}


LAYOUTS: dict[str, Layout] = {
    "armorm": Layout(
        head={
            "regression_layer.weight": (5, WIDTH),
            "reward_transform_matrix": (5, 5),
            "gating.logit_scale": (1,),
            **_mlp("gating.layers", WIDTH, 12, 12, 5, step=1),
        },
        config={"architectures": ["LlamaForRewardModelWithGating"], "num_objectives": 5},
    ),
    "qrm-llama": Layout(
        head={
            "regression_layer.weight": (5 * 7, WIDTH),
            "reward_transform_matrix": (5, 5),
            "gating.logit_scale": (1,),
            **_normed_gate(dropout=False),
        },
        config={
            "architectures": ["LlamaForRewardModelWithGating"],
            "num_objectives": 5,
            "num_quantiles": 7,
            "gating_temperature": 3,
        },
    ),
    "qrm-gemma": Layout(
        trunk="gemma2",
        head={
            "regression_layer.weight": (5 * 7, WIDTH),
            "gating.logit_scale": (1,),
            **_normed_gate(dropout=True),
        },
        config={"num_objectives": 5, "num_quantiles": 7, "gating_temperature": 1},
    ),
    "ldl": Layout(
        trunk="gemma2",
        head={
            **_mlp("regression_layer.network", WIDTH, 16, 16, 40),
            **_mlp("gating_layer.network", WIDTH, 16, 16, 4, step=3),
        },
        config={"architectures": ["LDLRewardModel27B"], "num_objectives": 40},
    ),
    "inf-orm": Layout(
        head=_mlp("score", WIDTH, WIDTH, 1),
        config={"architectures": ["INFORMForSequenceClassification"]},
    ),
    "worldpm": Layout(
        trunk="qwen2",
        head=_mlp("score", WIDTH, WIDTH, 1),
        config={
            "architectures": ["Qwen2ForRewardModel"],
            "auto_map": {"AutoModel": "modeling_qwen2_rm.Qwen2ForRewardModel"},
        },
    ),
    "grm": Layout(
        trunk="gemma2",
        head=_mlp("v_head.summary", WIDTH, 24, 1),
        config={"vhead_layer_type": "mlp", "vhead_num_neurons": 24},
    ),
    "grm-linear": Layout(
        head={"v_head.summary.weight": (1, WIDTH), "v_head.summary.bias": (1,)},
        config={"vhead_layer_type": "linear"},
    ),
    "cloud": Layout(
        head={
            "reward_head.dense.weight": (WIDTH, WIDTH),
            "reward_head.dense.bias": (WIDTH,),
            "reward_head.out_proj.weight": (1, WIDTH),
            "reward_head.out_proj.bias": (1,),
            "reward_base_model.lm_head.weight": (8, WIDTH),
        },
        config={"feedback_method": "teacher"},
        prefix="reward_base_model.model.",
    ),
    "pairrm": Layout(
        trunk="deberta-v2",
        head={
            "head_layer.1.weight": (WIDTH, 2 * WIDTH),
            "head_layer.1.bias": (WIDTH,),
            "head_layer.4.weight": (3, WIDTH),
            "head_layer.4.bias": (3,),
        },
        config={"architectures": ["DebertaV2PairRM"], "n_tasks": 3, "drop_out": 0.05},
        prefix="pretrained_model.",
    ),
}


def save_tiny_head(folder: Path, kind: str, *, seed: int = 0) -> Path:
    """Save a reward model of a layout with random weights, and its tokenizer; returns the folder.

    Args:
        folder: made if it is not there.
        kind: one of `LAYOUTS`.
        seed: of the weights.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModel

    layout = LAYOUTS[kind]
    tokenizer = _tokenizer(layout.trunk)
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(_config(layout.trunk, len(tokenizer)))
        weights = {f"{layout.prefix}{name}": one for name, one in model.state_dict().items()}
        for name, shape in layout.head.items():
            # Running variances are above 0; the rest is anything.
            weights[name] = torch.rand(shape) + 0.5 if "var" in name else torch.randn(shape) / 2
    save_file(
        {name: one.contiguous() for name, one in weights.items()}, folder / "model.safetensors"
    )
    config = model.config.to_dict() | layout.config | {"dtype": "float32"}
    if layout.trunk == "deberta-v2":
        names = {"source": "<|source|>", "cand1": "<|candidate1|>", "cand2": "<|candidate2|>"}
        for name, token in names.items():
            config[f"{name}_prefix_id"] = tokenizer.convert_tokens_to_ids(token)
    if kind == "cloud":  # its config.json names the base, and says nothing of the transformer
        base = folder / "base"
        model.config.save_pretrained(base)
        config = layout.config | {"base_model_name_or_path": str(base)}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer.save_pretrained(folder)
    return folder


@cache
def _tokenizer(trunk: str) -> Any:
    if trunk == "llama":
        begin = "<|begin_of_text|>"
        return _around(
            chat_tokenizer(LLAMA3, LLAMA3_TOKENS, (), eos="<|eot_id|>", bos=begin), begin
        )
    if trunk == "gemma2":
        return chat_tokenizer(GEMMA, GEMMA_TOKENS, (), eos="<eos>", bos="<bos>")
    if trunk == "qwen2":
        return chat_tokenizer(CHATML)
    return _around(chat_tokenizer(None, PAIR_TOKENS, (), eos="[SEP]"), "[CLS]", "[SEP]")


def _around(tokenizer: Any, before: str, after: str = "") -> Any:
    """The tokenizer, which from now on puts tokens around what it encodes."""
    from tokenizers.processors import TemplateProcessing

    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (before, after) if token]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{before} $A {after}".strip(), special_tokens=ids
    )
    return tokenizer


def _config(trunk: str, vocabulary: int) -> Any:
    from transformers import AutoConfig

    fields: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": WIDTH, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512,
        "initializer_range": 0.3, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
    }  # fmt: skip
    if trunk == "gemma2":
        fields |= {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 64}
    if trunk == "deberta-v2":
        fields |= {
            "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 32,
            "position_biased_input": False, "type_vocab_size": 0, "norm_rel_ebd": "layer_norm",
            "share_att_key": True, "pad_token_id": 0, "max_relative_positions": -1,
        }  # fmt: skip
    else:
        fields["num_key_value_heads"] = 2
    return AutoConfig.for_model(trunk, **fields)
