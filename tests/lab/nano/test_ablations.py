"""Ablations train what differs, from copies of the stages before it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from deemster.errors import InputError
from deemster.training.loading import load_recipe
from deemster.training.manifest import read_manifest
from deemster.training.runner import run_recipe
from deemster.training.stage import StageContext
from lab.nano import stages, study
from lab.nano.ablations import ABLATIONS, ablated, train_ablation
from lab.nano.recipe import NanoRecipe
from lab.nano.study import ABLATED, MODELS, trained_ablations

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "nano.yaml"
ENGINE = ROOT / "lab" / "nano" / "engine.py"


def main_recipe() -> NanoRecipe:
    recipe = load_recipe(RECIPE)
    assert isinstance(recipe, NanoRecipe)
    return recipe


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Stages that write a file and are recorded as (name of the recipe, stage)."""
    ran: list[tuple[str, str]] = []

    def stage(context: StageContext[NanoRecipe]) -> Mapping[str, JsonValue]:
        ran.append((context.recipe.name, context.name))
        (context.folder / "model").mkdir()
        (context.folder / "model" / "weights").write_text(context.recipe.name, encoding="utf-8")
        return {}

    monkeypatch.setattr(stages, "STAGES", dict.fromkeys(("distil", "rft", "rl"), stage))
    return ran


@pytest.mark.parametrize("name", ABLATIONS)
def test_only_one_setting_differs(name: str) -> None:
    recipe = main_recipe()
    with_it, without = recipe.nano, ablated(recipe, name).nano
    stage = ABLATIONS[name].stage
    assert without != with_it
    assert without.model_copy(update={stage: getattr(with_it, stage)}) == with_it
    changed = {
        field
        for field, value in getattr(without, stage)
        if value != getattr(getattr(with_it, stage), field)
    }
    assert changed == set(ABLATIONS[name].settings)


def test_an_unknown_ablation_is_told() -> None:
    with pytest.raises(InputError, match=r"unknown ablation 'no-luck'; known: no-kl"):
        ablated(main_recipe(), "no-luck")


def test_earlier_stages_are_shared_and_later_ones_trained(
    tmp_path: Path, recorded: list[tuple[str, str]]
) -> None:
    recipe = NanoRecipe.model_validate({"name": "toy", "engine": str(ENGINE)})
    run_recipe(recipe, tmp_path / "run", stages=("distil", "rft", "rl"))
    recorded.clear()
    for _ in range(2):  # the second time there is nothing to do
        folder = train_ablation(recipe, "no-kl", run=tmp_path / "run", out=tmp_path / "out")
        train_ablation(recipe, "no-hints", run=tmp_path / "run", out=tmp_path / "out")
    assert recorded == [("toy-no-kl", "rl"), ("toy-no-hints", "rft")]
    assert (folder / "rft" / "model" / "weights").read_text() == "toy"
    manifest = read_manifest(folder / "rl")
    assert manifest is not None
    assert manifest.complete
    assert trained_ablations(tmp_path / "out") == ["no-kl", "rft-no-hints"]


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    recipe = NanoRecipe.model_validate({"name": "toy", "engine": str(ENGINE)})
    with pytest.raises(InputError, match="does not exist; train 'toy' first"):
        train_ablation(recipe, "no-kl", run=tmp_path / "run", out=tmp_path / "out")


def test_a_study_without_a_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        study.main(["--run", str(tmp_path), "--out", str(tmp_path / "votes")])
    assert "holds no model; make one with: deemster train" in capsys.readouterr().err
    assert not list((tmp_path / "votes").glob("*"))


def test_an_ablation_leaves_what_the_main_training_reported(
    tmp_path: Path, recorded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = NanoRecipe.model_validate({"name": "toy", "engine": str(ENGINE)})
    run_recipe(recipe, tmp_path, stages=("distil",))
    assert recorded
    monkeypatch.setattr(study, "draw_study", lambda *_, **__: None)
    for model, reported in (("no-kl", False), ("base", True)):
        study.main(["--run", str(tmp_path), "--out", str(tmp_path), "--models", model])
        assert (tmp_path / "training.json").exists() is reported


def test_the_study_knows_every_ablation() -> None:
    assert set(ABLATED) == {
        "no-kl", "no-rejection", "rft-no-rejection", "rft-no-hints", "rft-no-instruction",
        "no-principles", "rft-no-principles",
    }  # fmt: skip
    assert not set(ABLATED) & set(MODELS)
