"""GRPO without padding: what is drawn, what it earns, and that what earns more becomes likelier."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from tests.support.tiny_model import save_tiny_adapter
from torch.distributed.run import get_args_parser
from transformers import AutoModelForCausalLM

from deemster.backends._local.decoding import Runner
from deemster.dialects import open_dialect
from deemster.schemas import Sample, as_query, as_responses
from deemster.training.meta_data import MetaExample
from deemster.training.modeling import quiet
from lab.smol import packed_grpo
from lab.smol.packed_grpo import Policy, advantages, draw, judged, options, pairs, train
from lab.smol.packed_llama import Packed

PROMPTS = [[5, 9, 21, 40], [7, 33]]


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return save_tiny_adapter(base, tmp_path / "adapter", layers=[0, 1], spread=0.3)


@pytest.fixture
def model(base: Path, adapter: Path) -> Packed:
    return Packed(base, adapter, dtype=torch.float32, compiled=False)


def test_the_policy_is_the_base_with_the_adapter_of_the_moment(
    base: Path, adapter: Path, model: Packed
) -> None:
    policy = Policy(base, model, dtype=torch.float32)
    with quiet():
        whole: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        reference: Any = PeftModel.from_pretrained(whole, adapter)
    assert policy.runner.shares_prefix
    with torch.inference_mode():
        before = policy.runner.prefill(PROMPTS[0]).logits
        policy.follow()
        after = policy.runner.prefill(PROMPTS[0]).logits
        expected = reference(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1]
        found = draw(
            policy.runner, PROMPTS, each=2, room=6, eos=-1, temperature=0.0,
            generator=torch.Generator(),
        )  # fmt: skip
    assert torch.allclose(after, expected[: len(after)], atol=1e-4)
    assert not torch.allclose(before, after, atol=1e-3)
    for prompt, group in zip(PROMPTS, found, strict=True):
        greedy = list(prompt)
        for _ in range(6):
            greedy.append(int(reference(input_ids=torch.tensor([greedy])).logits[0, -1].argmax()))
        assert group == [greedy[len(prompt) :]] * 2


def test_a_judgment_ends_at_its_end_token_and_the_others_go_on(base: Path, model: Packed) -> None:
    policy = Policy(base, model, dtype=torch.float32)

    def drawn(eos: int) -> list[list[list[int]]]:
        with torch.inference_mode():
            return draw(
                policy.runner, PROMPTS, each=8, room=12, eos=eos, temperature=5.0,
                generator=torch.Generator().manual_seed(1),
            )  # fmt: skip

    free = drawn(-1)
    assert all(len(text) == 12 for group in free for text in group)
    end = free[0][3][4]
    cut = drawn(end)
    texts = [text for group in cut for text in group]
    assert len(texts) == 16
    assert all(end not in text[:-1] for text in texts)
    assert all(text[-1] == end or len(text) == 12 for text in texts)
    assert any(text[-1] == end and len(text) < 12 for text in texts)
    assert drawn(end) == cut


@pytest.mark.parametrize("shared", [True, False])
def test_all_may_end_at_once(
    base: Path, model: Packed, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    if not shared:  # as for models whose layers are of another kind
        monkeypatch.setattr(Runner, "_shared_prefix_attention", lambda _: None)
    policy = Policy(base, model, dtype=torch.float32)
    assert policy.runner.shares_prefix is shared
    with torch.inference_mode():
        end = int(policy.runner.prefill(PROMPTS[0]).logits.argmax())
        found = draw(
            policy.runner, PROMPTS[:1], each=3, room=5, eos=end, temperature=0.0,
            generator=torch.Generator(),
        )  # fmt: skip
    assert found == [[[end]] * 3]


def test_rewards_and_how_far_they_are_from_their_group() -> None:
    sample = Sample(
        id="a", query=as_query("2 + 2?"), responses=as_responses(["4", "5"]), ground_truth=(1, 0)
    )
    smol = open_dialect("smol")
    text = "Principles:\n- right sum (80%)\nCritique:\nResponse 1: no\nResponse 2: yes\n"
    right = judged(f"{text}Scores: \\boxed{{3, 9}}", sample, (1, 0), smol)
    assert right is not None
    assert (right.item, right.correct) == ("a", True)
    shown = "# Request\n2 + 2?\n# Response 1\n5\n# Response 2\n4\n# Judgment\n"
    assert right.text.startswith(shown)
    for scores in ("3, 9", "9, 9"):
        wrong = judged(f"{text}Scores: \\boxed{{{scores}}}", sample, (0, 1), smol)
        assert wrong is not None
        assert not wrong.correct
    assert judged("I cannot say.", sample, (0, 1), smol) is None
    assert advantages([1, 1, -1, -1]) == pytest.approx([1, 1, -1, -1], abs=1e-3)
    assert advantages([1, -1, -1, -1])[0] == pytest.approx(3**0.5, abs=1e-3)
    assert advantages([-1, -1]) == [0, 0]


def settings(**changed: Any) -> argparse.Namespace:
    given = vars(options().parse_args([]))
    return argparse.Namespace(**{**given, "requests": 2, "room": 6, "steps": 2, **changed})


def test_groups_that_are_alike_change_nothing(
    base: Path, model: Packed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: one.detach().clone() for name, one in model.lora.items()}
    train(model, base, list(pairs(6, seed=1)), tmp_path / "out", settings())  # all unreadable
    assert all(torch.equal(one, before[name]) for name, one in model.lora.items())
    assert "0.0 % of 16 right, 0 requests of both kinds" in capsys.readouterr().out
    assert (tmp_path / "out" / "2" / "adapter_model.safetensors").is_file()


def test_what_earns_more_becomes_likelier(
    base: Path,
    model: Packed,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One token each, and half of those that the model prefers are rewarded."""

    def half(text: str, sample: Sample, *_: Any) -> MetaExample:
        return MetaExample(item=sample.id, text=text, correct=sum(map(ord, text)) % 2 == 1)

    monkeypatch.setattr(packed_grpo, "judged", half)
    given = settings(
        steps=25, room=1, requests=4, rate=0.02, temperature=0.1, warm=1, decay=1, save=25
    )
    train(model, base, list(pairs(12, seed=1)), tmp_path / "out", given)
    told = [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()]
    shares = [float(line.split(" %")[0]) for line in told]
    assert shares[0] < 85
    assert sum(shares[-5:]) / 5 > 95
    lines = (tmp_path / "out" / "judgments-0.jsonl").read_text("utf-8").splitlines()
    kept = [MetaExample.model_validate_json(line) for line in lines]
    assert len(kept) == 25 * 4 * 8
    assert sum(one.correct for one in kept[-160:]) > 150


def test_torchrun_takes_none_of_the_options_for_its_own() -> None:
    every = [one for action in options()._actions[1:] for one in (*action.option_strings, "1")]
    launched = ["--nproc-per-node", "2", "-m", "lab.smol.packed_grpo", *every]
    assert get_args_parser().parse_args(launched).training_script_args == every
