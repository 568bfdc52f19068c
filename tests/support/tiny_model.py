"""A small Llama-type model and its tokenizer, built from nothing in about a second.

The weights are random, so its text is noise; everything around the weights is real: config,
safetensors file, byte-level BPE tokenizer with control tokens, chat template.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHATML_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML_WORDS = ("<tool_call>", "</tool_call>", "<think>", "</think>")
"""Added tokens that are not special, as Qwen3 has them."""


def corpus(seed: int = 0) -> list[str]:
    """Made-up text with words, digits and JSON, from which tokenizers learn."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(800)]
    lines = [" ".join(rng.choices(words, k=40)).capitalize() + "." for _ in range(120)]
    records = [
        json.dumps({"name": rng.choice(words), "weight": rng.randint(1, 100), "scores": [1, 10]})
        for _ in range(60)
    ]
    return lines + records


def train_bpe(
    special: tuple[str, ...] = CHATML_TOKENS,
    words: tuple[str, ...] = CHATML_WORDS,
    vocab_size: int = 1024,
) -> Any:
    """A byte-level BPE tokenizer with `special` and other added tokens (`tokenizers.Tokenizer`)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in words])
    return tokenizer


def chat_tokenizer(
    template: str | None = CHATML,
    special: tuple[str, ...] = CHATML_TOKENS,
    words: tuple[str, ...] = CHATML_WORDS,
    *,
    eos: str = "<|im_end|>",
    bos: str | None = None,
) -> Any:
    """The same as a transformers tokenizer with a chat template."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_bpe(special, words), eos_token=eos, bos_token=bos
    )
    tokenizer.chat_template = template
    return tokenizer


def save_tiny_model(
    folder: Path,
    *,
    template: str | None = CHATML,
    layers: int = 2,
    hidden: int = 64,
    context: int = 4096,
    seed: int = 0,
    spread: float = 0.2,
    **config: Any,
) -> Path:
    """Save model and tokenizer; returns the folder.

    Args:
        folder: made if it is not there.
        template: Jinja chat template; None for a base model.
        layers: of the transformer.
        hidden: width; heads are 16 wide, two query heads to a key-value head.
        context: longest sequence.
        seed: of the weights.
        spread: standard deviation of the weights; larger gives more peaked choices.
        **config: further fields of `LlamaConfig`.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = chat_tokenizer(template)
    fields: dict[str, Any] = {
        # More than the tokenizer has, as real models do for alignment.
        "vocab_size": (len(tokenizer) // 64 + 1) * 64,
        "hidden_size": hidden,
        "intermediate_size": 3 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 16,
        "num_key_value_heads": max(1, hidden // 32),
        "max_position_embeddings": context,
        "initializer_range": spread,
        "bos_token_id": None,
        "eos_token_id": tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]),
        "pad_token_id": None,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**{**fields, **config}))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""All linear layers of a block."""


def save_tiny_adapter(
    base: Path, folder: Path, *, layers: Sequence[int], alpha: int = 2, spread: float = 0.2
) -> Path:
    """Save a PEFT adapter of rank 2 over all linear layers of some blocks; returns the folder.

    Args:
        base: folder of the model.
        folder: of the adapter.
        layers: the blocks.
        alpha: the change is the factors' product times alpha / 2.
        spread: standard deviation of both factors.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from deemster.training.modeling import quiet

    config = LoraConfig(
        r=2, lora_alpha=alpha, target_modules=LINEAR, layers_to_transform=list(layers),
        task_type="CAUSAL_LM",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with quiet():
            model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        for name, one in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(one, std=spread)
    model.save_pretrained(folder)
    return folder


def save_windowed_model(folder: Path, *, seed: int = 0) -> Path:
    """Save a Qwen2-type model whose second layer sees 16 tokens back, and its tokenizer."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = chat_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                use_sliding_window=True,
                sliding_window=16,
                max_window_layers=1,
                bos_token_id=None,
                eos_token_id=1,
                initializer_range=0.2,
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_unplugged_model(folder: Path, *, seed: int = 0) -> Path:
    """Save a BLOOM-type model, which does not use the attention interface, and its tokenizer."""
    import torch
    from transformers import BloomConfig, BloomForCausalLM

    tokenizer = chat_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BloomForCausalLM(
            BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=2, n_head=2,
                        bos_token_id=None, eos_token_id=1, initializer_range=0.2)
        )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tiny_classifier(folder: Path, *, seed: int = 0, context: int = 2048) -> Path:
    """Save a sequence-classification model with one label and its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    tokenizer = chat_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForSequenceClassification(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=context,
                initializer_range=0.2,
                num_labels=1,
                bos_token_id=None,
                eos_token_id=None,
                pad_token_id=None,
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
