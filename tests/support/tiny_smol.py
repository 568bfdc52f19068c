"""A stand-in for the small real judge: real files, random weights, and a base in the cache."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.tiny_model import chat_tokenizer, save_tiny_model

from deemster.backends.domain import Domain
from deemster.backends.judge_file import JudgeFile
from deemster.backends.shipped import WEIGHTS

QUERY, RESPONSES = "What is 4 + 3?", ("It is 6.", "I get 0.")
FOREIGN = "Who wrote the Icelandic sagas, and why does nobody know?"


def prompts() -> list[str]:
    """Prompts of its domain, in both orders."""
    made = []
    for i in range(40):
        answers = (f"It is {i % 9}.", f"I get {i % 8}.")
        for one, other in (answers, answers[::-1]):
            made.append(
                f"Request: What is {i % 10} + {i % 7}?\nResponse 1: {one}\nResponse 2: {other}"
            )
    return made


def save_tiny_base(cache: Path) -> Path:
    """The base, where `deemster models fetch smollm2` would put it."""
    folder = save_tiny_model(cache / "models" / "smollm2", hidden=32, tie_word_embeddings=True)
    (folder / "origin.json").write_text('{"origin": "a test"}', encoding="utf-8")
    return folder


def save_tiny_smol(folder: Path, *, seed: int = 0) -> Path:
    """Adapter, domain and judge file; returns the folder."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    stem = "base_model.model.model.layers.1.self_attn.q_proj"
    save_file(
        {
            f"{stem}.lora_A.weight": torch.randn(2, 32, generator=generator).bfloat16(),
            f"{stem}.lora_B.weight": torch.randn(32, 2, generator=generator).bfloat16(),
        },
        folder / WEIGHTS,
    )
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none", "r": 2, "lora_alpha": 4,
        "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "target_modules": ["q_proj"], "layers_to_transform": [1],
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = chat_tokenizer()

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    Domain.fit(encode, prompts(), prompts(), share=0.001).save(folder / "domain.json")
    JudgeFile(name="smol", dialect="smol", base="smollm2", max_tokens=16).write(folder)
    return folder
