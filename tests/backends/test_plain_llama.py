"""The embedded model's own network gives what transformers' gives, to the last bit."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch

from deemster.backends._local import plain_llama
from deemster.backends._local.caches import cache_name
from deemster.backends.nano import part


@pytest.fixture(scope="module")
def both() -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM

    folder = str(part("judge"))
    _, own = plain_llama.read(folder, torch.float32)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return own.eval(), theirs.eval()


@torch.inference_mode()
@pytest.mark.parametrize("length", [1, 2, 7, 300])
def test_logits_and_caches_are_those_of_transformers(both: tuple[Any, Any], length: int) -> None:
    generator = torch.Generator().manual_seed(length)

    def ids(rows: int, tokens: int) -> torch.Tensor:
        return torch.randint(4, 1000, (rows, tokens), generator=generator)

    prompt = ids(1, length)
    found, expected = (model(input_ids=prompt, use_cache=True, logits_to_keep=1) for model in both)
    assert torch.equal(found.logits, expected.logits)
    caches = found[1], expected[1]
    for one, other in zip(*(cache.layers for cache in caches), strict=True):
        assert torch.equal(one.keys, other.keys)
        assert torch.equal(one.values, other.values)
    for cache in caches:
        cache.batch_repeat_interleave(3)
    places = torch.tensor([0, 3])
    names = [cache_name(model, signature(model.forward).parameters) for model in both]
    for more, options in ((ids(3, 1), {}), (ids(3, 5), {"logits_to_keep": places})):
        found, expected = (
            model(input_ids=more, **{name: cache}, **options)
            for model, name, cache in zip(both, names, caches, strict=True)
        )
        assert torch.equal(found.logits, expected.logits)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"attention_bias": True}, id="bias"),
        pytest.param({"rope_parameters": {"rope_type": "yarn"}}, id="positions"),
        pytest.param({"tie_word_embeddings": False}, id="head"),
        pytest.param({"model_type": "qwen3"}, id="another-model"),
    ],
)
def test_another_network_is_for_transformers(changed: dict[str, Any], tmp_path: Path) -> None:
    config = json.loads((part("judge") / "config.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | changed), encoding="utf-8")
    assert not plain_llama.fits(str(tmp_path))
    assert plain_llama.fits(str(part("judge")))
