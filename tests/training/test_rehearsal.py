"""Settings are tried on a model's architecture before anything is drawn."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the extra `train` is not installed")

from tests.support.tiny_grm import config_of, tokenizer_of

from deemster.errors import InputError
from deemster.training.rehearsal import rehearse
from deemster.training.settings import MetaSettings, SftSettings


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of a DeepSeek-V2 without weights: nothing else is read."""
    folder = tmp_path_factory.mktemp("mixture")
    tokenizer = tokenizer_of("deepseek-v2")
    tokenizer.save_pretrained(folder)
    config_of("deepseek-v2", tokenizer).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="plain"),
        pytest.param({"moe": {"freeze": ["experts"], "router_aux_loss_coef": 0.1}}, id="moe"),
        pytest.param({"moe": {"experts_implementation": "grouped_mm"}}, id="implementation"),
        pytest.param({"lora": {"experts": True}}, id="adapters"),
        pytest.param({"mtp": {}}, id="blocks"),
        pytest.param({"precision": "fp8"}, id="fp8-where-there-is-none"),
    ],
)
def test_what_fits_passes(mixture: str, settings: dict[str, Any]) -> None:
    rehearse(mixture, SftSettings.model_validate({"cpu": True, **settings}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"moe": {"router_bias_rate": 0.1}}, "routers of .* have no bias", id="bias"),
        pytest.param(
            {"lora": {"target_modules": ["c_attn"]}}, "has no layers", id="no-such-layers"
        ),
        pytest.param(
            {"lora": {"experts": True, "target_modules": ["q_proj"], "layers": [0]}},
            r"no routed experts in layers \[0\]",
            id="layer-without-experts",
        ),
        pytest.param({"lora": {"dropout": 0.1}}, "lora.dropout: adapters on", id="dropout"),
        pytest.param({"lora": {"quantize": True}}, "needs bitsandbytes", id="qlora"),
    ],
)
def test_what_does_not_fit_is_refused(mixture: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rehearse(mixture, SftSettings.model_validate({"cpu": True, **settings}))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        pytest.param("llama4", {"mtp": {}}, None, id="norms-of-several-widths"),
        pytest.param("gemma4", {"mtp": {}}, "layers that need more than states", id="more-inputs"),
        pytest.param("nemotron-h", {"lora": {}}, None, id="all-but-what-peft-refuses"),
        pytest.param(
            "nemotron-h", {"lora": {"target_modules": ["out_proj"]}}, "lora: .*'out_proj' is inco",
            id="what-peft-refuses",
        ),
    ],
)  # fmt: skip
def test_other_architectures(
    kind: str, settings: dict[str, Any], message: str | None, tmp_path: Path
) -> None:
    tokenizer = tokenizer_of(kind)
    config_of(kind, tokenizer).save_pretrained(tmp_path)
    says = nullcontext() if message is None else pytest.raises(InputError, match=message)
    with says:
        rehearse(str(tmp_path), SftSettings.model_validate({"cpu": True, **settings}))


def test_a_model_with_one_output_is_tried_as_such(mixture: str) -> None:
    rehearse(mixture, MetaSettings.model_validate({"cpu": True, "lora": {}}))


def test_what_cannot_be_made_without_weights_is_left_to_its_stage(tmp_path: Path) -> None:
    rehearse(str(tmp_path), SftSettings(cpu=True))
