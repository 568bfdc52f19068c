"""Samples/s of the `hf:` backend against `model.generate(num_return_sequences=k)`, in one run.

Both draw k completions from one prompt with the same weights (random), the same
temperature and the same number of threads. The end token is taken out of play, so both do the
same work. Run: `python benchmarks/transformers_backend.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deemster.backends import Request
from deemster.backends._local.loading import LocalModel
from deemster.backends.transformers import TransformersBackend
from deemster.schemas import Completion, Message, Sampling

_RUNS = 3
"""Of ours; the median counts. `generate` takes so long that its noise averages out in one."""


def main(
    *,
    prompt: int = 1500,
    k: int = 32,
    new: int = 64,
    hidden: int = 512,
    layers: int = 8,
    kind: str = "llama",
) -> dict[str, Any]:
    """Measure both ways in one run, after a warm-up.

    Args:
        prompt: its tokens, about.
        k: completions drawn.
        new: tokens of each.
        hidden: width of the model.
        layers: of the model.
        kind: llama, gemma2 or deepseek-v2.

    Returns:
        Seconds, samples/s and tokens/s of both, and their ratio.
    """
    from tests.support.tiny_model import corpus

    with tempfile.TemporaryDirectory() as folder:
        backend = TransformersBackend(str(_saved(Path(folder), kind, hidden, layers)))
        text = " ".join(corpus(1) * (1 + prompt // 4000))
        return asyncio.run(_measure(backend, text, prompt, k, new))


def _saved(folder: Path, kind: str, hidden: int, layers: int) -> Path:
    """A random model of about the proportions that its kind has."""
    from tests.support.tiny_grm import save_tiny_grm
    from tests.support.tiny_model import save_tiny_model

    if kind == "llama":
        return save_tiny_model(
            folder, hidden=hidden, layers=layers, spread=0.02, num_attention_heads=hidden // 64,
            num_key_value_heads=hidden // 128, vocab_size=8192, eos_token_id=None,
        )  # fmt: skip
    sizes: dict[str, Any] = {
        "hidden_size": hidden, "num_hidden_layers": layers, "initializer_range": 0.02,
        "vocab_size": 8192, "eos_token_id": None, "num_attention_heads": hidden // 64,
    }  # fmt: skip
    own: dict[str, dict[str, Any]] = {
        "gemma2": {
            "head_dim": 64, "num_key_value_heads": hidden // 128, "intermediate_size": 8 * hidden,
            "sliding_window": 4096, "attn_logit_softcapping": 50.0,
        },
        "deepseek-v2": {
            "num_key_value_heads": hidden // 64, "kv_lora_rank": hidden // 4,
            "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64,
            "n_routed_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": hidden,
            "intermediate_size": 5 * hidden,
        },
    }  # fmt: skip
    return save_tiny_grm(folder, kind, **sizes, **own[kind])


async def _measure(
    backend: TransformersBackend, text: str, prompt: int, k: int, new: int
) -> dict[str, Any]:
    def request(content: str, n: int, tokens: int, seed: int = 0) -> Request:
        return Request(
            messages=(Message(role="user", content=content),),
            sampling=Sampling(temperature=1.0, max_tokens=tokens),
            n=n,
            seeds=tuple(range(seed, seed + n)),
        )

    await backend.generate(request("warm up", k, 4))
    loaded = backend._model  # noqa: SLF001 - to take the end token out of play
    assert loaded is not None
    backend._model = model = replace(loaded, eos=frozenset())  # noqa: SLF001
    ids = model.tokenizer.encode(text)
    ours = []
    for run in range(_RUNS):  # each with a prompt of its own, so that none is read from memory
        content = model.tokenizer.decode(ids[run : run + prompt - 10])
        started = time.perf_counter()
        outcomes = await backend.generate(request(content, k, new))
        ours.append(time.perf_counter() - started)
        for outcome in outcomes:
            assert isinstance(outcome, Completion)
            assert outcome.usage.tokens_out == new
    prompt_ids = model.chat.encode(request(content, 1, 1).messages)
    theirs = await asyncio.to_thread(_generate, model, prompt_ids, k, new)
    parameters = sum(p.numel() for p in model.runner.model.parameters())
    shared = model.runner.shares_prefix
    await backend.aclose()
    median = sorted(ours)[_RUNS // 2]
    return {
        "parameters": parameters,
        "prompt_tokens": len(prompt_ids),
        "k": k,
        "new_tokens": new,
        "shares_prefix": shared,
        "ours_s": [round(seconds, 2) for seconds in ours],
        "generate_s": round(theirs, 2),
        "ours_samples_per_s": round(k / median, 3),
        "generate_samples_per_s": round(k / theirs, 3),
        "ours_tokens_per_s": round(k * new / median, 1),
        "generate_tokens_per_s": round(k * new / theirs, 1),
        "ratio": round(theirs / median, 2),
    }


def _generate(model: LocalModel, ids: list[int], k: int, new: int) -> float:
    """Seconds that transformers takes for the same, with its own attention and cache."""
    import torch

    network = model.runner.model
    before = network.config._attn_implementation  # noqa: SLF001 - transformers' own name for it
    network.set_attn_implementation(model.runner._own_implementation)  # noqa: SLF001
    inputs = torch.tensor([ids])
    started = time.perf_counter()
    with torch.inference_mode():
        output = network.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            num_return_sequences=k,
            max_new_tokens=new,
            min_new_tokens=new,
            eos_token_id=None,
            pad_token_id=0,
        )
    seconds = time.perf_counter() - started
    assert output.shape == (k, len(ids) + new)
    network.set_attn_implementation(before)
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option, parameter in inspect.signature(main).parameters.items():
        parser.add_argument(f"--{option}", type=type(parameter.default), default=parameter.default)
    print(json.dumps(main(**vars(parser.parse_args())), indent=2))
