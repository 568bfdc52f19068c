"""Draws that share the prompt, in the architectures of the released DeepSeek-GRM models and kin.

Gemma-2 (27B) has sliding windows in every other layer and soft caps, DeepSeek-V2-Lite (16B) caches
latents and has experts. GPT-OSS has attention sinks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.support.tiny_grm import PAIRS, WINDOW, WORDS, save_tiny_grm
from torch import Tensor
from transformers import AutoModelForCausalLM

from deemster.backends._local.attention import LayerPrefix, attend, attend_latents
from deemster.backends._local.decoding import Prefilled, Runner, gap_filling_order
from deemster.backends._local.generation import Draw, Drawing, Plan
from deemster.backends._local.loading import LocalModel, load
from deemster.backends._local.own_cache import OwnCache
from deemster.backends._local.sampling import Noise, choose
from deemster.schemas import Sampling

GRM_KINDS = ("gemma2", "deepseek-v2")
KINDS = [
    *GRM_KINDS,
    *(pytest.param(kin, marks=pytest.mark.slow) for kin in ("gemma3", "deepseek-v3", "gpt-oss")),
]


def opened(path: Path, dtype: str = "float32") -> LocalModel:
    return load(
        str(path), device="cpu", dtype=dtype, max_context=None, sanitize=True, template_args={}
    )


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_grm(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[Runner]:
    found = opened(folder).runner
    yield found
    found.close()


@pytest.mark.parametrize("length", [3, 40], ids=["short", "beyond"])
def test_greedy_text_is_that_of_generate(length: int, folder: Path, runner: Runner) -> None:
    """From prompts shorter and longer than the window, and on until all of it is past."""
    steps = 2 * WINDOW + 8
    prompt = np.random.default_rng(length).integers(6, 900, length).tolist()
    ids = []
    with torch.inference_mode():
        before = runner.prefill(prompt)
        rows = runner.rows(before, 3, steps)
        logits = before.logits.expand(3, -1)
        for _ in range(steps):
            tokens = choose(logits, Sampling(temperature=0), [])
            ids.append(tokens[0])
            logits = rows.step(tokens)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    expected = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, length, dtype=torch.long),
        do_sample=False, max_new_tokens=steps, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    assert runner.shares_prefix
    assert ids == expected[0, length:].tolist()
    assert len(set(ids)) > 10  # it does not repeat itself, which would hide mistakes


def test_rows_of_several_prompts_step_together(runner: Runner) -> None:
    """Rows end, others go on; every logit is that of a whole pass."""
    rng = np.random.default_rng(0)
    prompts = [rng.integers(6, 900, length).tolist() for length in (5, 40)]
    texts = rng.integers(6, 900, (2, 4, 45)).tolist()
    alive = [[0, 1, 2, 3], [0, 1, 2]]
    with torch.inference_mode():
        rows = [runner.rows(runner.prefill(prompt), 4, 45) for prompt in prompts]
        for step in range(45):
            given = [
                (rows[i], [texts[i][row][step] for row in alive[i]]) for i in range(len(prompts))
            ]
            found = runner.step(given)
            if step in {1, WINDOW, 44}:
                for i, prompt in enumerate(prompts):
                    for place, row in enumerate(alive[i]):
                        whole = runner.prefill(prompt + texts[i][row][: step + 1]).logits
                        torch.testing.assert_close(found[i][place], whole, rtol=1e-3, atol=1e-3)
            if step == 10:  # the first row of the first prompt ends
                order = gap_filling_order([False, True, True, True])
                rows[0].keep(order)
                alive[0] = [alive[0][place] for place in order]
    assert alive[0] == [3, 1, 2]


@pytest.mark.parametrize(
    ("kind", "options", "reused"),
    [
        pytest.param("gemma2", {"sliding_window": 64}, 40, id="within-the-window"),
        pytest.param("gemma2", {}, 0, id="beyond-the-window"),
        pytest.param("deepseek-v2", {}, 40, id="latents"),
    ],
)
def test_what_prompts_begin_with_is_read_once(
    kind: str, options: dict[str, Any], reused: int, tmp_path: Path
) -> None:
    """Greedy texts after it are the same, also those of the prompt that lent it."""
    runner = opened(save_tiny_grm(tmp_path, kind, **options)).runner
    rng = np.random.default_rng(5)
    shared = rng.integers(6, 900, 40).tolist()
    first, second = ([*shared, *rng.integers(6, 900, more).tolist()] for more in (15, 10))

    def text(prompt: Prefilled) -> list[int]:
        rows, ids = runner.rows(prompt, 1, 24), [int(prompt.logits.argmax())]
        for _ in range(24):
            ids.append(int(rows.step(ids[-1:]).argmax()))
        return ids

    with torch.inference_mode():
        lender = runner.prefill(first)
        before = text(lender)
        read, alone = runner.prefill(second, lender), runner.prefill(second)
        torch.testing.assert_close(read.logits, alone.logits, rtol=1e-4, atol=1e-4)
        assert text(read) == text(alone)
        assert text(lender) == before
    assert (read.reused, alone.reused) == (reused, 0)
    runner.close()


@pytest.mark.parametrize("kind", GRM_KINDS)
def test_draws_follow_the_distribution(kind: str, tmp_path: Path) -> None:
    """Which scores follow the same judgment: a chi-square test against the model's own shares."""
    model = opened(save_tiny_grm(tmp_path, kind, says=True))
    prompt = model.tokenizer.encode("Which is better? " * 6, add_special_tokens=False)
    text = model.tokenizer.convert_tokens_to_ids(list(WORDS[:3]))
    plan = Plan(Sampling(temperature=1.0), 2, model.eos, model.tokenizer)
    draws = [Draw(Noise(seed)) for seed in range(400)]
    with torch.inference_mode():
        lender = model.runner.prefill([*prompt, text[-1]])  # deepseek-v2 reads on from it
        before = model.runner.prefill([*prompt, *text[:-1]], lender)
        assert (before.reused > 0) == (kind == "deepseek-v2")
        drawing = Drawing(model.runner, before, draws, plan)
        assert drawing.rows is not None
        drawing.take(model.runner.step([(drawing.rows, drawing.tokens)])[0])
        whole = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
        logits = whole(input_ids=torch.tensor([[*prompt, *text]])).logits[0, -1]
    pairs = model.tokenizer.convert_tokens_to_ids(list(PAIRS))
    shares = torch.softmax(logits[: model.runner.vocabulary].double(), -1)[pairs].tolist()
    said = Counter(tuple(draw.ids[1:]) for draw in draws if draw.ids[:1] == [text[-1]])
    n = said.total()
    observed = [said[pair,] for pair in pairs]
    observed.append(n - sum(observed))
    assert n > 300
    assert min(shares) > 0.1
    assert chisquare(observed, [n * share for share in (*shares, 1 - sum(shares))]).pvalue > 0.01
    model.runner.close()


@pytest.mark.parametrize("kind", GRM_KINDS)
def test_half_precision_shares_the_prefix(kind: str, tmp_path: Path) -> None:
    """Through many layers, whose rounding adds up (experts change by it)."""
    sizes: dict[str, Any] = {"num_hidden_layers": 24, "initializer_range": 0.06}
    model = opened(save_tiny_grm(tmp_path, kind, **sizes), dtype="bfloat16")
    assert model.runner.shares_prefix
    model.runner.close()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_attention_that_does_not_fit_is_not_used(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the trial's tokens are fewer than the window: here one that is not heeded."""
    monkeypatch.setattr(LayerPrefix, "seen_with", lambda self, _: (self.key, self.value))
    model = opened(save_tiny_grm(tmp_path, "gemma2", sliding_window=4096), dtype=dtype)
    assert not model.runner.shares_prefix
    assert model.runner.model.config.sliding_window == 4096
    assert model.runner.model.config._attn_implementation == "eager"


def normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_a_soft_cap_bounds_the_scores() -> None:
    query, key, value = (normal(2, 2, 1, 8, seed=seed) for seed in range(3))
    shared = (normal(1, 2, 5, 8, seed=3), normal(1, 2, 5, 8, seed=4))
    keys, values = (
        torch.cat((prefix.expand(2, -1, -1, -1), own), dim=2)
        for prefix, own in zip(shared, (key, value), strict=True)
    )
    scores = 0.7 * torch.tanh(query @ keys.transpose(2, 3) * 3 / 0.7)
    expected = (torch.softmax(scores, -1) @ values).transpose(1, 2)
    found = attend(query, key, value, shared=shared, scale=3.0, softcap=0.7)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_latents_are_attended_to_as_the_keys_they_stand_for() -> None:
    B, H, N, M, E, R, P, T = 3, 2, 6, 4, 5, 7, 9, 3
    query, up = normal(B, H, 1, N + M, seed=0), normal(H, N + E, R, seed=1)
    latent, rotated = normal(B, 1, T, R, seed=2), normal(B, 1, T, M, seed=3)
    shared = (normal(1, 1, P, R, seed=4), normal(1, 1, P, M, seed=5))
    latents, rotations = (
        torch.cat((prefix.expand(B, -1, -1, -1), own), dim=2)
        for prefix, own in zip(shared, (latent, rotated), strict=True)
    )
    made = latents @ up.transpose(1, 2)  # [B, H, P + T, N + E]
    keys = torch.cat((made[..., :N], rotations.expand(-1, H, -1, -1)), dim=-1)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, keys, made[..., N:], scale=0.3
    )
    found = attend_latents(query, latent, rotated, shared=shared, up=up, scale=0.3)
    torch.testing.assert_close(found, expected.transpose(1, 2), rtol=1e-5, atol=1e-6)


def test_a_window_bounds_what_is_kept() -> None:
    """However long the rows get, no more than two windows of them; the last one is seen."""
    layer: Any = OwnCache([5], room=1000).layers[0]
    for step in range(40):
        key = torch.full((2, 1, 1, 3), float(step))
        keys, values = layer.update(key, key)
        assert keys[0, 0, :, 0].tolist() == [float(i) for i in range(max(0, step - 4), step + 1)]
        assert torch.equal(keys, values)
    assert layer.keys.shape[2] == 10
