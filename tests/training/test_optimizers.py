"""Choices that make a model fit: optimizer, type of the weights, vLLM's sleep."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from tests.support.tiny_trainers import FAST, save_base, sft, single, verdict

from deemster.errors import InputError
from deemster.training.grpo_trainer import grpo_config
from deemster.training.optimizers import check_optimizer
from deemster.training.settings import GrpoSettings, SftSettings, VllmSettings
from deemster.training.sft import train_sft

EXAMPLES = [verdict(single(i), str(i % 2)) for i in range(8)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("optimizer-base"))


def states(checkpoint: Path) -> list[torch.Tensor]:
    """What an optimizer keeps of the parameters."""
    kept = torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"].values()
    return [value for state in kept for value in state.values() if torch.is_tensor(value)]


@pytest.mark.parametrize(
    ("given", "held", "per_parameter"),
    [
        pytest.param({}, torch.float32, 2, id="adamw"),
        pytest.param({"optimizer": "adafactor"}, torch.float32, 0, id="adafactor"),
        pytest.param({"weights": "bfloat16"}, torch.bfloat16, 2, id="bfloat16"),
    ],
)
def test_what_a_run_holds(
    given: dict[str, Any], held: torch.dtype, per_parameter: int, base: Path, tmp_path: Path
) -> None:
    settings = sft(max_steps=5, save_steps=4, **given)
    figures = train_sft(EXAMPLES, model=base, out=tmp_path, settings=settings)
    assert figures["steps"] == 5
    trained = load_file(tmp_path / "model" / "model.safetensors")
    assert {tensor.dtype for tensor in trained.values()} == {held}
    before = load_file(base / "model.safetensors")
    assert any((trained[name].float() - before[name]).abs().max() > 1e-3 for name in trained)
    kept = [one for one in states(tmp_path / "checkpoints" / "checkpoint-4") if one.numel() > 1]
    size = sum(one.numel() for one in kept) / sum(one.numel() for one in trained.values())
    assert round(size, 1) == pytest.approx(per_parameter, abs=0.2)
    assert not per_parameter or {one.dtype for one in kept} == {held}


@pytest.mark.parametrize("name", ["adamw_8bit", "paged_adamw_32bit", "lion_8bit"])
def test_an_optimizer_of_bitsandbytes_needs_it_and_a_gpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SftSettings.model_validate({**FAST, "cpu": False, "optimizer": name})
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match=f"'{name}' needs bitsandbytes: pip install .* or give"):
        check_optimizer(settings)
    there = ModuleType("bitsandbytes")
    there.__spec__ = ModuleSpec("bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes", there)
    with pytest.raises(InputError, match=f"'{name}' needs a GPU, and training is on the CPU"):
        check_optimizer(settings)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_optimizer(settings)
    with pytest.raises(ValidationError, match=f"'{name}' needs a GPU, got cpu true"):
        SftSettings.model_validate({**FAST, "optimizer": name})


def test_vllm_sleeps_between_steps(tmp_path: Path) -> None:
    settings = GrpoSettings.model_validate(
        {
            **FAST,
            "group_size": 4,
            "max_completion_length": 64,
            "vllm": {"sleep": True, "gpu_memory": 0.6},
        }
    )
    config = grpo_config(settings, tmp_path)
    assert (config.use_vllm, config.vllm_enable_sleep_mode) == (True, True)
    assert config.vllm_gpu_memory_utilization == 0.6
    with pytest.raises(ValidationError, match="sleep is for mode 'colocate'"):
        VllmSettings(mode="server", sleep=True)


def test_runs_from_before_these_choices_resume() -> None:
    """A stage is only continued with the settings that it was begun with."""
    plain = GrpoSettings(vllm=VllmSettings())
    assert not {"optimizer", "weights"} & plain.model_dump(mode="json").keys()
    assert "sleep" not in plain.model_dump(mode="json")["vllm"]
    given = GrpoSettings(optimizer="adafactor", weights="bfloat16", vllm=VllmSettings(sleep=True))
    assert GrpoSettings.model_validate_json(given.model_dump_json()) == given
