"""Small random models of the architectures of the released DeepSeek-GRM models, and relatives.

Everything but the size and the weights is as there: windows, soft caps, latents, experts, control
tokens, chat templates, end tokens. The head can be taught to write a judgment (see `taught`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tiny_model import chat_tokenizer

GEMMA = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}User: {{ message['content'] }}\n\n"
    "{% elif message['role'] == 'assistant' %}Assistant: {{ message['content'] }}{{ eos_token }}"
    "{% else %}{{ message['content'] }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
GEMMA_TOKENS = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
DEEPSEEK_TOKENS = (
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)

CRITERIA = "Specific Criteria: 1. Accuracy (weight: 100%): the result is right.\n"
ANALYSIS = "Analysis: Response 1 is right, Response 2 is not.\n"
SCORES = "Scores: \\boxed{"
PAIRS = ("8, 3}", "6, 5}")
WORDS = (CRITERIA, ANALYSIS, SCORES, *PAIRS)
"""What a taught model says, each a token of its own."""

WINDOW = 16


def tokenizer_of(kind: str) -> Any:
    """Of the family: `gemma…` and GPT-OSS, or DeepSeek's, which other mixtures of experts share."""
    if not kind.startswith(("gemma", "gpt")):
        bos, eos = DEEPSEEK_TOKENS
        return chat_tokenizer(DEEPSEEK, DEEPSEEK_TOKENS, WORDS, bos=bos, eos=eos)
    return chat_tokenizer(GEMMA, GEMMA_TOKENS, WORDS, bos="<bos>", eos="<eos>")


def config_of(kind: str, tokenizer: Any, **fields: Any) -> Any:
    """A small configuration of one of `NAMES`."""
    import transformers

    common = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96,
        "num_hidden_layers": 4, "num_attention_heads": 4, "max_position_embeddings": 8192,
        "initializer_range": 0.2, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }  # fmt: skip
    if kind in {"gemma2", "gemma3"}:
        # Soft caps are so low that they matter.
        common |= {
            "num_key_value_heads": 2, "head_dim": 16, "query_pre_attn_scalar": 24,
            "sliding_window": WINDOW, "attn_logit_softcapping": 3.0,
            "final_logit_softcapping": 30.0,
        }  # fmt: skip
    elif kind == "gpt-oss":
        common |= {
            "num_key_value_heads": 2, "head_dim": 16, "sliding_window": WINDOW,
            "num_local_experts": 4, "num_experts_per_tok": 2, "max_position_embeddings": 131072,
        }  # fmt: skip
    elif kind not in {"deepseek-v2", "deepseek-v3"}:
        common |= {
            **OWN.get(kind, {}), "num_key_value_heads": 2, "head_dim": 16, "num_experts_per_tok": 2,
            "num_local_experts": 8, "moe_intermediate_size": 32,
            "shared_expert_intermediate_size": 32, "decoder_sparse_step": 1,
        }  # fmt: skip
    else:
        common |= {
            "max_position_embeddings": 163840, "num_key_value_heads": 4,
            "moe_intermediate_size": 32, "n_routed_experts": 8, "num_experts_per_tok": 2,
            "n_shared_experts": 1, "first_k_dense_replace": 1,
            "kv_lora_rank": 24, "q_lora_rank": None, "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 8, "v_head_dim": 12, "n_group": 1, "topk_group": 1,
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 10000.0, "factor": 40.0, "beta_fast": 32.0,
                "beta_slow": 1.0, "mscale": 0.707, "mscale_all_dim": 0.707,
                "original_max_position_embeddings": 4096,
            },
        }  # fmt: skip
    if kind == "gemma3":
        common |= {"sliding_window_pattern": 2, "attn_logit_softcapping": None}
    return getattr(transformers, NAMES[kind])(**{**common, **fields})


NAMES = {
    "gemma2": "Gemma2Config", "gemma3": "Gemma3TextConfig", "deepseek-v2": "DeepseekV2Config",
    "deepseek-v3": "DeepseekV3Config", "gpt-oss": "GptOssConfig", "mixtral": "MixtralConfig",
    "qwen2-moe": "Qwen2MoeConfig", "qwen3-moe": "Qwen3MoeConfig", "granite-moe": "GraniteMoeConfig",
    "phi-moe": "PhimoeConfig", "llama4": "Llama4TextConfig", "lfm2-moe": "Lfm2MoeConfig",
    "qwen3-next": "Qwen3NextConfig", "nemotron-h": "NemotronHConfig", "mamba": "MambaConfig",
    "deepseek-v4": "DeepseekV4Config", "gemma4": "Gemma4TextConfig",
}  # fmt: skip
"""Their classes of transformers."""

OWN: dict[str, dict[str, Any]] = {
    "qwen2-moe": {"num_experts": 8},
    "llama4": {"intermediate_size_mlp": 96, "interleave_moe_layer_step": 1},
    "lfm2-moe": {"layer_types": ["conv", "full_attention"] * 2, "num_experts": 8},
    "qwen3-next": {
        "layer_types": ["linear_attention", "full_attention"] * 2, "num_experts": 8,
        "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
    },
    "nemotron-h": {
        "layers_block_type": ["mamba", "attention", "moe", "mamba"], "n_routed_experts": 8,
        "moe_shared_expert_intermediate_size": 32, "mamba_num_heads": 4, "mamba_head_dim": 16,
        "ssm_state_size": 16, "n_groups": 1, "use_mamba_kernels": False,
    },
    "gemma4": {"global_head_dim": 16, "hidden_size_per_layer_input": 16},
    "deepseek-v4": {"q_lora_rank": 24, "sliding_window": WINDOW, "n_routed_experts": 8},
}  # fmt: skip
"""What they need besides."""


RELEASED: dict[str, dict[str, Any]] = {
    "DeepSeek-GRM-16B": {
        "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2",
        "auto_map": {"AutoModelForCausalLM": "modeling_deepseek.DeepseekV2ForCausalLM"},
        "hidden_size": 2048, "intermediate_size": 10944, "moe_intermediate_size": 1408,
        "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16,
        "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
        "first_k_dense_replace": 1, "kv_lora_rank": 512, "q_lora_rank": None,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_group": 1,
        "topk_group": 1, "topk_method": "greedy", "norm_topk_prob": False,
        "routed_scaling_factor": 1.0, "scoring_func": "softmax", "vocab_size": 102400,
        "max_position_embeddings": 163840, "rope_theta": 10000,
        "rope_scaling": {
            "type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1, "mscale": 0.707,
            "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096,
        },
    },
    "DeepSeek-GRM-27B": {
        "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "hidden_size": 4608,
        "intermediate_size": 36864, "num_hidden_layers": 46, "num_attention_heads": 32,
        "num_key_value_heads": 16, "head_dim": 128, "query_pre_attn_scalar": 144,
        "sliding_window": 4096, "vocab_size": 256000, "max_position_embeddings": 8192,
    },
}  # fmt: skip
"""Sizes in config.json of the models that they were trained from, DeepSeek-V2-Lite and Gemma-2."""


def save_tiny_grm(
    folder: Path, kind: str, *, seed: int = 0, says: bool = False, **fields: Any
) -> Path:
    """Save model and tokenizer; returns the folder.

    Args:
        folder: made if it is not there.
        kind: see `config_of`.
        seed: of the weights.
        says: whether its head is taught to write a judgment.
        **fields: of the configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = tokenizer_of(kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config_of(kind, tokenizer, **fields)).eval()
    if says:
        _teach(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _teach(model: Any, tokenizer: Any) -> None:
    """Make what follows the prompt, and each of `WORDS`, likely: a judgment in few tokens."""
    import torch

    turn = [{"role": "user", "content": "x"}]
    rendered = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    begin = tokenizer.encode(rendered, add_special_tokens=False)[-6:]
    (criteria, analysis, scores, *pairs) = tokenizer.convert_tokens_to_ids(list(WORDS))
    gemma = "<end_of_turn>" in tokenizer.get_vocab()
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>") if gemma else tokenizer.eos_token_id
    text = [*begin, criteria, analysis, scores]
    follows = [(begin, [criteria]), (text[:-2], [analysis]), (text[:-1], [scores]), (text, pairs)]
    follows += [([*text, pair], [end]) for pair in pairs]
    with torch.inference_mode():
        for name, weight in model.named_parameters():
            # The last token matters most, the others some.
            if gemma and "layernorm" in name and "post_" in name:
                weight.fill_(-0.8)  # they multiply by 1 + weight
            elif "o_proj" in name or "down_proj" in name:
                weight.mul_(0.04)
        head = model.get_output_embeddings().weight
        head.mul_(0.05)
        for context, nexts in follows:
            state = model.model(input_ids=torch.tensor([context])).last_hidden_state[0, -1]
            head[nexts] += 14 * state / state.square().sum()


def save_tiny_meta_rm(folder: Path, *, seed: int = 0) -> Path:
    """Save a Gemma-2 classifier with one output, the architecture of the MetaRM."""
    import torch
    from transformers import AutoModelForSequenceClassification

    tokenizer = tokenizer_of("gemma2")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = config_of("gemma2", tokenizer, num_labels=1)
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
