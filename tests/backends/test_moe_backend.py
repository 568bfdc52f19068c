"""Mixtures of experts in the `hf:` backend: one text however experts are computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.tiny_grm import save_tiny_grm, tokenizer_of
from tests.support.tiny_model import save_tiny_model
from transformers import AutoModelForCausalLM, RwkvConfig, RwkvForCausalLM

from deemster.backends._local.experts import IMPLEMENTATIONS
from deemster.backends._local.loading import LocalModel, load
from deemster.errors import InputError

KINDS = [
    "mixtral",
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("qwen2-moe", "qwen3-moe")),
]
"""DeepSeek's and GPT-OSS are in `test_shared_prefix`, whose checks those of another cache share."""


def opened(path: Path, **options: Any) -> LocalModel:
    return load(
        str(path), device="cpu", dtype="float32", max_context=None, sanitize=True,
        template_args={}, **options,
    )  # fmt: skip


def greedy(model: LocalModel, prompt: list[int], length: int) -> tuple[list[int], torch.Tensor]:
    """Ids, and the logits they were chosen by."""
    with torch.inference_mode():
        before = model.runner.prefill(prompt)
        rows, ids, logits = model.runner.rows(before, 2, length), [], [before.logits]
        for _ in range(length):
            ids.append(int(logits[-1].argmax()))
            logits.append(rows.step([ids[-1], (ids[-1] + 1) % 900])[0])
    return ids, torch.stack(logits[:-1])


@pytest.mark.parametrize("kind", KINDS)
def test_votes_are_those_of_plain_transformers(kind: str, tmp_path: Path) -> None:
    model = opened(save_tiny_grm(tmp_path, kind))
    assert model.runner.shares_prefix
    prompt = np.random.default_rng(3).integers(6, 900, 30).tolist()
    ids, logits = greedy(model, prompt, 12)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.inference_mode():
        read = whole(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    assert read.argmax(-1).tolist() == ids
    assert torch.allclose(logits, read[:, : model.runner.vocabulary], atol=2e-4)
    model.runner.close()


@pytest.mark.parametrize(
    "kind",
    [
        "lfm2-moe",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("deepseek-v4", "mamba", "nemotron-h", "qwen3-next")
        ),
    ],
)
def test_rows_of_any_cache_go_on_from_one_prompt(kind: str, tmp_path: Path) -> None:
    """Recurrent states and compressed keys are kept in layers that not all can be repeated."""
    model = opened(save_tiny_grm(tmp_path, kind))
    assert not model.runner.shares_prefix
    ids = np.random.default_rng(3).integers(6, 900, (4, 30)).tolist()
    prompt, said = ids[0], ids[1:]
    found: list[list[torch.Tensor]] = [[], [], []]
    with torch.inference_mode():
        rows = model.runner.rows(model.runner.prefill(prompt), 3, 30)
        alive = [0, 1, 2]
        for i in range(30):
            if i == 20:
                alive = [0, 2]  # the second has ended
                rows.keep(alive)
            for row, logits in zip(alive, rows.step([said[row][i] for row in alive]), strict=True):
                found[row].append(logits)
        whole = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
        expected = whole(input_ids=torch.tensor([[*prompt, *row] for row in said])).logits
    for row, logits in enumerate(found):
        read = expected[row, len(prompt) : len(prompt) + len(logits), : model.runner.vocabulary]
        # A state sums up rounding; rows of another beginning are apart by some whole numbers.
        assert torch.allclose(torch.stack(logits), read, atol=5e-3)


def test_a_model_that_keeps_nothing_known_is_refused(tmp_path: Path) -> None:
    """RWKV has a state of its own shape, which votes could not share."""
    tokenizer = tokenizer_of("mixtral")
    config = RwkvConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, attention_hidden_size=32
    )
    RwkvForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="RwkvForCausalLM does not keep what it has read"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "kind",
    [
        "deepseek-v2",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("deepseek-v3", "mixtral", "qwen3-moe")),
    ],
)
def test_experts_give_the_same_however_they_are_computed(kind: str, tmp_path: Path) -> None:
    save_tiny_grm(tmp_path, kind)
    prompt = np.random.default_rng(4).integers(6, 900, 20).tolist()
    found = {}
    for name in IMPLEMENTATIONS:
        model = opened(tmp_path, experts_implementation=name)
        assert model.runner.model.config._experts_implementation == name
        found[name] = greedy(model, prompt, 10)
        model.runner.close()
    ids, logits = found["eager"]
    for name in IMPLEMENTATIONS[1:]:
        assert found[name][0] == ids, name
        assert torch.allclose(found[name][1], logits, atol=2e-4), name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("fast", "allowed: eager, batched_mm, grouped_mm", id="unknown"),
        pytest.param("eager", "LlamaForCausalLM has no experts", id="dense"),
    ],
)
def test_an_implementation_that_cannot_be_had(name: str, says: str, tmp_path: Path) -> None:
    save_tiny_model(tmp_path)
    with pytest.raises(InputError, match=says):
        opened(tmp_path, experts_implementation=name)
