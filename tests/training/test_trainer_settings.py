"""What trainers can be told."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from deemster.training.settings import (
    GrpoSettings,
    LoraSettings,
    MetaSettings,
    SftSettings,
    TrainerSettings,
    VllmSettings,
)


def test_numbers_are_read_as_yaml_writes_them() -> None:
    given = yaml.safe_load("learning_rate: 5e-6\nbeta: 1e-2")  # YAML 1.1 takes both for text
    settings = GrpoSettings(**given)
    assert (settings.learning_rate, settings.beta) == (5e-6, 0.01)


@pytest.mark.parametrize(
    ("kind", "rate"), [(SftSettings, 5e-6), (GrpoSettings, 4e-7), (MetaSettings, 1e-5)]
)
def test_learning_rates_are_the_papers(kind: type[TrainerSettings], rate: float) -> None:
    assert kind().learning_rate == rate  # type: ignore[call-arg]  # each has its default
    assert kind.model_validate_json(kind().model_dump_json()) == kind()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "given",
    [
        {"learning_rate": float("nan")},
        {"learning_rate": "fast"},
        {"learning_rate": 0},
        {"batch_size": 0},
        {"batch_size": True},
        {"keep_checkpoints": 1},
        {"group_size": 1},
        {"beta": -0.1},
        {"collapse": {"patience": 0}},
        {"lora": {"ranks": 3}},
        {"lora": {"layers": [1]}},
        {"schedule": "warmup_stable_decay"},
        {"learning_rates": 1e-3},
    ],
    ids=lambda given: "-".join(f"{name}" for name in given),
)
def test_nonsense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GrpoSettings(**given)


@pytest.mark.parametrize(
    ("kind", "younger"),
    [
        (SftSettings, {"optimizer": "adafactor", "mtp": {"depth": 1}, "precision": "fp8"}),
        (GrpoSettings, {"weights": "bfloat16", "moe": {"freeze": ["routers"]}}),
        (MetaSettings, {"optimizer": "adafactor", "precision": "fp8"}),
        (LoraSettings, {"experts": True}),
        (VllmSettings, {"sleep": True}),
    ],
    ids=["sft", "rl", "meta", "lora", "vllm"],
)
def test_younger_settings_make_no_other_stage(kind: Any, younger: dict[str, Any]) -> None:
    """A run is known by what is written of its settings: those of before them resume."""
    added = {"optimizer", "weights", "precision", "moe", "mtp", "experts", "sleep"}
    before = kind().model_dump(mode="json")
    assert not added & before.keys()
    given = kind(**younger)
    written = given.model_dump(mode="json")
    assert written.keys() == before.keys() | younger.keys()
    assert kind.model_validate(written) == given
