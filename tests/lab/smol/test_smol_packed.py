"""Training without padding does what transformers, PEFT and torch's loss do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tests.support.tiny_model import save_tiny_model
from torch.distributed.run import get_args_parser
from transformers import AutoModelForCausalLM

from deemster.training.modeling import quiet
from lab.smol import packed
from lab.smol.packed import MASTER, Packed, Row, options, passes, rate, rows_of, train

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ROWS: list[Row] = [
    ([5, 9, 21], [33, 40, 2]),
    ([7], [11, 12, 13, 14]),
    ([3, 4, 5, 6, 7, 8], [9]),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), hidden=32, tie_word_embeddings=True)


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    """Of rank 2 with alpha 6 over the upper block, all of it drawn at random."""
    torch.manual_seed(0)
    config = LoraConfig(
        r=2, lora_alpha=6, target_modules=MODULES, layers_to_transform=[1], task_type="CAUSAL_LM"
    )
    with quiet():
        model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, one in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(one, std=0.2)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def expected(base: Path, adapter: Path) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and slopes of transformers and PEFT, one row at a time."""
    with quiet():
        whole: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        model: Any = PeftModel.from_pretrained(whole, adapter, is_trainable=True)
    total = torch.zeros(())
    for prompt, completion in ROWS:
        labels = torch.tensor([[-100] * len(prompt) + completion])
        logits = model(input_ids=torch.tensor([prompt + completion])).logits
        total = total + torch.nn.functional.cross_entropy(
            logits[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum"
        )
    torch.autograd.backward(total)
    slopes = {
        name.replace(".default", ""): one.grad
        for name, one in model.named_parameters()
        if one.grad is not None
    }
    return float(total.detach()), slopes


def test_loss_and_slopes_are_those_of_transformers_and_peft(base: Path, adapter: Path) -> None:
    model = Packed(base, adapter, dtype=torch.float32, compiled=False)
    loss = model.loss(ROWS)
    torch.autograd.backward(loss)
    total, slopes = expected(base, adapter)
    assert float(loss.detach()) == pytest.approx(total, rel=1e-5)
    assert set(slopes) == set(model.lora)
    for name, one in model.lora.items():
        assert one.grad is not None
        # Here the factor alpha / r = 3 is in the upper matrix, there outside of both.
        factor = 3.0 if ".lora_B." in name else 1.0
        assert torch.allclose(one.grad * factor, slopes[name], rtol=1e-3, atol=1e-5), name


def settings(**changed: Any) -> argparse.Namespace:
    given = {"steps": 12, "batch": 2, "rate": 0.02, "warm": 2, "decay": 4, "save": 5}
    return argparse.Namespace(**{**given, **changed})


def test_training_lowers_the_loss_and_saves_what_it_goes_on_from(
    base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Packed(base, adapter, dtype=torch.float32, compiled=False)
    before = float(model.loss(ROWS).detach())
    train(model, ROWS, tmp_path / "out", settings())
    after = float(model.loss(ROWS).detach())
    assert after < 0.8 * before
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["10", "12", "5"]
    assert "step 12 of 12: loss" in capsys.readouterr().out
    again = Packed(base, tmp_path / "out" / "12", dtype=torch.float32, compiled=False)
    assert float(again.loss(ROWS).detach()) == pytest.approx(after, rel=1e-6)
    (tmp_path / "out" / "12" / MASTER).unlink()
    rounded = Packed(base, tmp_path / "out" / "12", dtype=torch.float32, compiled=False)
    assert float(rounded.loss(ROWS).detach()) == pytest.approx(after, rel=0.02)


def test_what_was_saved_is_an_adapter_that_peft_reads(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    model = Packed(base, adapter, dtype=torch.float32, compiled=False)
    model.save(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["lora_alpha"] == config["r"] == 2
    assert expected(base, tmp_path / "saved")[0] == pytest.approx(
        float(model.loss(ROWS).detach()), 0.02
    )


def test_the_rate_rises_stays_and_falls() -> None:
    found = [rate(step, 100, top=2.0, warm=10, decay=50) for step in (0, 9, 49, 50, 75, 99)]
    assert found == pytest.approx([0.2, 2.0, 2.0, 2.0, 1.0, 0.04])
    assert rate(0, 10, top=2.0, warm=0, decay=0) == 2.0


def test_passes_are_filled_and_a_long_row_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_PACKED", 7)
    rows: list[Row] = [([0] * n, [1]) for n in (9, 2, 2, 0, 5)]
    parts = [[len(prompt) for prompt, _ in rows[part]] for part in passes(rows)]
    assert parts == [[9], [2, 2, 0], [5]]


def test_what_the_teacher_writes_is_learned_after_its_prompt(base: Path) -> None:
    rows = rows_of(20, seed=1, base=base)
    assert 15 < len(rows) <= 20
    assert all(prompt and completion for prompt, completion in rows)
    assert rows == rows_of(20, seed=1, base=base)


def test_torchrun_takes_none_of_the_options_for_its_own() -> None:
    every = [one for action in options()._actions[1:] for one in (*action.option_strings, "1")]
    launched = ["--nproc-per-node", "2", "-m", "lab.smol.packed", *every]
    given = get_args_parser().parse_args(launched)
    assert given.training_script_args == every
    assert options().parse_args(given.training_script_args).batch == 1
