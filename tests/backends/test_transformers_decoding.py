from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.tiny_model import chat_tokenizer, save_tiny_model, save_windowed_model

from deemster.backends._local.attention import attend
from deemster.backends._local.decoding import Runner, gap_filling_order
from deemster.backends._local.generation import TextStream
from deemster.backends._local.loading import load, pick_device, pick_dtype, usable_cpus
from deemster.backends._local.sampling import Noise, choose, log_probabilities
from deemster.backends.transformers import TransformersBackend
from deemster.errors import BackendError, InputError
from deemster.schemas import Sampling
from deemster.training.checks import check_device


def loaded(path: Path, *, dtype: str | None = None, exact: bool = False) -> Any:
    return load(
        str(path), device="cpu", dtype=dtype, max_context=None, sanitize=True, template_args={},
        exact=exact,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runner(tiny_model: Path) -> Runner:
    found: Runner = loaded(tiny_model).runner
    return found


def test_shared_prefix_attention_is_attention() -> None:
    generator = torch.Generator().manual_seed(0)
    B, H, K, D, E, P, T = 3, 6, 2, 8, 4, 17, 5

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    query, key, value = normal(B, H, 1, D), normal(B, K, T, D), normal(B, K, T, E)
    shared = (normal(1, K, P, D), normal(1, K, P, E))
    keys = torch.cat((shared[0].expand(B, -1, -1, -1), key), dim=2)
    values = torch.cat((shared[1].expand(B, -1, -1, -1), value), dim=2)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, keys, values, scale=0.3, enable_gqa=True
    )
    found = attend(query, key, value, shared=shared, scale=0.3)
    # attend weighs in float32, as transformers does
    torch.testing.assert_close(found, expected.transpose(1, 2), rtol=1e-5, atol=1e-6)


def test_steps_give_the_logits_of_a_whole_pass(runner: Runner) -> None:
    """Rows with different tokens, through growth of the buffers and finished rows."""
    rng = np.random.default_rng(0)
    prompt = rng.integers(0, 1000, 40).tolist()
    texts = rng.integers(0, 1000, (5, 150)).tolist()
    with torch.inference_mode():
        rows = runner.rows(runner.prefill(prompt), 5, 200)
        alive = [0, 1, 2, 3, 4]
        for step in range(150):
            logits = rows.step([texts[row][step] for row in alive])
            if step in {20, 70, 149}:
                for place, row in enumerate(alive):
                    ids = prompt + texts[row][: step + 1]
                    whole = runner.prefill(ids).logits
                    torch.testing.assert_close(logits[place], whole, rtol=1e-3, atol=1e-3)
            if step in {10, 65}:  # row 1, then what stands first, ends
                going = [row != (1 if step == 10 else alive[0]) for row in alive]
                order = gap_filling_order(going)
                rows.keep(order)
                alive = [alive[place] for place in order]
    assert runner.shares_prefix
    assert len(alive) == 3


@pytest.mark.parametrize("exact", [False, True], ids=["rounded", "exact"])
def test_prompts_that_step_together_give_what_each_gives_alone(
    exact: bool, tiny_model: Path
) -> None:
    """Although they began at different times and end at different times."""
    runner = loaded(tiny_model, exact=exact).runner
    rng = np.random.default_rng(1)
    prompts = [rng.integers(0, 1000, size).tolist() for size in (9, 40, 23)]
    counts, begins, steps = (3, 1, 6), (0, 5, 9), 90
    texts = rng.integers(0, 1000, (3, 6, steps)).tolist()

    def tokens(which: int, step: int) -> list[int]:
        return [texts[which][row][step] for row in range(counts[which])]

    with torch.inference_mode():
        read = [runner.prefill(prompt) for prompt in prompts]
        alone = []
        for which in range(3):
            rows = runner.rows(read[which], counts[which], steps)
            alone.append([rows.step(tokens(which, step)) for step in range(steps)])
        many = [runner.rows(read[which], counts[which], steps) for which in range(3)]
        for now in range(steps + max(begins)):
            going = [which for which in range(3) if 0 <= now - begins[which] < steps]
            given = [(many[which], tokens(which, now - begins[which])) for which in going]
            for which, logits in zip(going, runner.step(given), strict=True):
                expected = alone[which][now - begins[which]]
                if exact:
                    assert torch.equal(logits, expected)
                else:
                    # Their standard deviation is 1.6. Where products round by their number of
                    # rows, 2e-5 was the most seen.
                    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    runner.close()


@pytest.mark.parametrize(
    ("alive", "order"),
    [
        pytest.param([True, True], [0, 1], id="all"),
        pytest.param([False, True, True], [2, 1], id="first-ends"),
        pytest.param([True, False, True, False, True], [0, 4, 2], id="gap-in-the-middle"),
        pytest.param([False, False, True], [2], id="one-left"),
    ],
)
def test_gap_filling_order(alive: list[bool], order: list[int]) -> None:
    assert gap_filling_order(alive) == order


@pytest.mark.parametrize("kind", ["sliding-window", "gpt2"])
def test_models_of_other_kinds_decode_the_same(kind: str, tmp_path: Path) -> None:
    """Whichever attention is used, greedy text equals that of `generate`."""
    from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

    if kind == "gpt2":
        tokenizer = chat_tokenizer()
        torch.manual_seed(0)
        GPT2LMHeadModel(
            GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=256,
                       bos_token_id=None, eos_token_id=1, initializer_range=0.2)
        ).save_pretrained(tmp_path)  # fmt: skip
        tokenizer.save_pretrained(tmp_path)
    else:
        save_windowed_model(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    found = loaded(tmp_path)
    assert found.runner.shares_prefix
    prompt = list(range(20, 60))
    with torch.inference_mode():
        before = found.runner.prefill(prompt)
        rows = found.runner.rows(before, 3, 30)
        logits = before.logits.expand(3, -1)
        ids: list[int] = []
        for _ in range(30):
            tokens = choose(logits, Sampling(temperature=0), [])
            ids.append(tokens[0])
            logits = rows.step(tokens)
    expected = model.eval().generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, 40, dtype=torch.long),
        do_sample=False, max_new_tokens=30, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    assert ids == expected[0, 40:].tolist()
    found.runner.close()


def test_ties_at_temperature_0_take_the_lowest_id() -> None:
    logits = torch.tensor([[0.0, 3.0, 3.0]])
    assert choose(logits, Sampling(temperature=0), []) == [1]


@pytest.mark.parametrize("top_p", [1.0, 0.6], ids=["all", "top-p"])
def test_tokens_follow_the_distribution(top_p: float) -> None:
    shares = np.array([0.5, 0.0, 0.2, 0.3])
    draws = 4000
    logits = torch.tensor(np.log(np.maximum(shares, 1e-30)), dtype=torch.float32)
    sampling = Sampling(temperature=1, top_p=top_p)
    tokens = choose(logits.expand(draws, -1), sampling, [Noise(seed) for seed in range(draws)])
    # 0.5 is below 0.6, so the second most likely is in the nucleus as well, and no other
    kept = shares if top_p == 1 else np.where(shares >= 0.3, shares, 0)
    expected = kept / kept.sum()
    counts = Counter(tokens)
    for token, share in enumerate(expected):
        error = 4 * math.sqrt(draws * share * (1 - share))
        assert abs(counts[token] - draws * share) <= error


def test_temperature_sharpens() -> None:
    logits = torch.tensor([0.0, 1.0]).expand(2000, -1)
    noise = [Noise(seed) for seed in range(2000)]
    share = np.mean(choose(logits, Sampling(temperature=0.5), noise))
    assert share == pytest.approx(1 / (1 + math.exp(-2)), abs=0.03)


def test_forbidden_tokens_are_never_chosen() -> None:
    logits = torch.full((500, 50), -torch.inf)
    logits[:, 49] = -80.0
    noise = [Noise(seed) for seed in range(500)]
    assert set(choose(logits, Sampling(temperature=2), noise)) == {49}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_an_error(temperature: float) -> None:
    logits = torch.full((1, 3), torch.nan)
    with pytest.raises(BackendError, match="not finite"):
        choose(logits, Sampling(temperature=temperature), [Noise(0)])


def test_noise_depends_on_the_seed_alone() -> None:
    one, again, other = Noise(7), Noise(7), Noise(8)
    drawn = [one.next() for _ in range(600)]
    assert drawn == [again.next() for _ in range(600)]
    assert drawn[:5] != [other.next() for _ in range(5)]
    assert all(0 <= value < 1 for value in drawn)
    assert Noise(-1).next() != Noise(1).next()


def test_log_probabilities_are_of_the_model() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [5.0, 0.0, 0.0]])
    (own, top), (sure, _) = log_probabilities(logits, [0, 0], top=2)
    logs = torch.log_softmax(logits, -1)
    assert own == pytest.approx(logs[0, 0].item())
    assert sure == pytest.approx(logs[1, 0].item())
    assert [token for token, _ in top] == [2, 1]


def test_stream_spells_what_decode_spells() -> None:
    tokenizer = chat_tokenizer()
    text = "naïve 🙂 你好 and <|im_end|> plain words, then 🙃!"
    ids = tokenizer.encode(text)
    stream = TextStream(tokenizer)
    pieces = [stream.extend(ids[: end + 1]) for end in range(len(ids))]
    assert "".join(pieces) == stream.text == tokenizer.decode(ids, skip_special_tokens=True)


def test_stream_does_not_wait_for_ever_on_broken_bytes() -> None:
    tokenizer = chat_tokenizer()
    half = tokenizer.encode("🙂")[:1]
    stream = TextStream(tokenizer)
    ids: list[int] = []
    for _ in range(40):
        ids += half
        stream.extend(ids)
    assert len(stream.text) >= 30


def test_context_and_eos_are_read_from_the_model(tiny_model: Path) -> None:
    model = loaded(tiny_model)
    wanted = model.tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert model.eos == frozenset(wanted)
    assert model.context == 4096
    assert model.runner.vocabulary == len(model.tokenizer)
    model.runner.close()


def test_unknown_device_and_dtype_are_input_errors() -> None:
    with pytest.raises(InputError, match="unknown device 'gpu9'"):
        pick_device("gpu9")
    with pytest.raises(InputError, match="unknown dtype 'int8'"):
        pick_dtype("int8", torch.device("cpu"))
    assert pick_dtype(None, torch.device("cpu")) == torch.float32
    assert pick_dtype(None, torch.device("cuda")) == torch.bfloat16
    assert pick_device("cpu:0").type == "cpu"


@pytest.mark.parametrize("device", ["cuda:99", "meta"])
async def test_a_device_that_cannot_be_used_here_ends_the_run(
    tiny_model: Path, device: str
) -> None:
    """Each vote would else read the model again and fail with torch's own error."""
    backend = TransformersBackend(str(tiny_model), device=device)
    with pytest.raises(InputError, match=f"device '{device}' cannot be used: .+; leave it out"):
        await backend.preload()
    await backend.aclose()
    with pytest.raises(InputError, match=f"model.options: device '{device}' cannot be used"):
        check_device({"device": device})


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "uint8", "complex64", "Tensor"])
def test_types_that_torch_does_not_compute_in_are_unknown(dtype: str) -> None:
    with pytest.raises(InputError, match=f"unknown dtype '{dtype}'"):
        pick_dtype(dtype, torch.device("cpu"))
    with pytest.raises(InputError, match=f"model.options: unknown dtype '{dtype}'"):
        check_device({"dtype": dtype})


def test_usable_cpus_is_at_least_one() -> None:
    assert usable_cpus() >= 1


def test_half_precision_model_shares_the_prefix(tmp_path: Path) -> None:
    path = save_tiny_model(tmp_path / "m", spread=0.05)
    model = loaded(path, dtype="bfloat16")
    assert model.runner.model.dtype == torch.bfloat16
    assert model.runner.shares_prefix
    model.runner.close()
