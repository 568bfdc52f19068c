"""Training in FP8: rounded as FP8 rounds on any device, in eight bits on a GPU, saved plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from tests.support.tiny_trainers import FAST, save_base, sft, single, verdict
from transformers import AutoModelForCausalLM

from deemster.backends._local.quantization import lacks_fp8
from deemster.extras import missing
from deemster.training.float8 import convert
from deemster.training.modeling import load_judge
from deemster.training.settings import GrpoSettings, LoraSettings, SftSettings
from deemster.training.sft import train_sft

needs_torchao = pytest.mark.skipif(
    bool(missing("quantization")), reason="needs torchao and compressed-tensors"
)
EXAMPLES = [verdict(single(i), "1") for i in range(8)]


def train(base: Path, out: Path, **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines: list[dict[str, Any]] = []
    figures = train_sft(
        EXAMPLES,
        model=base,
        out=out,
        settings=sft(max_steps=2, **settings),
        log=lambda **line: lines.append(line),
    )
    return figures, lines


def test_without_a_gpu_it_is_said_and_trained_all_the_same(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    figures, lines = train(base, tmp_path / "fp8", precision="fp8")
    assert figures["fp8"] is False
    assert lines[0]["note"].startswith("precision 'fp8': it needs a GPU that multiplies in FP8, g")
    plain, more = train(base, tmp_path / "plain")
    assert "fp8" not in plain
    assert [line["loss"] for line in lines[1:]] == [line["loss"] for line in more]


@needs_torchao
def test_a_model_that_learnt_in_fp8_is_saved_as_a_plain_one(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    tokenizer, model = load_judge(base, sft())
    ids = torch.tensor([tokenizer("The answer to that is 17, or 18.")["input_ids"]])
    assert ids.shape[1] % 16  # any number of tokens
    whole = model(input_ids=ids, labels=ids).loss
    convert(model, emulate=True)
    learnt = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = model(input_ids=ids, labels=ids).loss
    assert 0 < abs(loss.item() - whole.item()) < 0.02 * whole.item()
    loss.backward()
    optimizer.step()
    assert all(not torch.equal(weight, learnt[name]) for name, weight in model.state_dict().items())
    assert model(input_ids=ids, labels=ids).loss < loss
    model.save_pretrained(tmp_path / "trained")
    before, after = (load_file(tmp_path / f / "model.safetensors") for f in ("base", "trained"))
    assert {name: (one.shape, one.dtype) for name, one in after.items()} == {
        name: (one.shape, torch.float32) for name, one in before.items()
    }
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "trained")
    assert all(torch.equal(one, model.state_dict()[n]) for n, one in plain.state_dict().items())


@needs_torchao
@pytest.mark.gpu
@pytest.mark.parametrize("lora", [None, LoraSettings(rank=2)], ids=["full", "lora"])
def test_a_stage_trains_in_fp8_on_a_gpu(lora: LoraSettings | None, tmp_path: Path) -> None:
    reason = lacks_fp8(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if reason is not None:
        pytest.skip(reason)
    base = save_base(tmp_path / "base")
    figures, lines = train(base, tmp_path / "fp8", precision="fp8", cpu=False, lora=lora)
    _, plain = train(base, tmp_path / "plain", cpu=False, bf16=True, lora=lora)
    assert figures["fp8"] is True
    assert lines[0]["loss"] == pytest.approx(plain[0]["loss"], rel=0.02)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"bf16": False}, "within mixed precision, got bf16 false", id="float32"),
        pytest.param({"lora": LoraSettings(quantize=True)}, "got lora.quantize", id="qlora"),
    ],
)
def test_what_fp8_does_not_go_with(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SftSettings(**{**FAST, "learning_rate": 1e-3, "precision": "fp8", **fields})


def test_rollouts_are_drawn_in_full() -> None:
    with pytest.raises(ValidationError, match="fp8 is for distil, rft and meta"):
        GrpoSettings(**{**FAST, "max_length": 2048, "learning_rate": 1e-3, "precision": "fp8"})
