"""The stages that make the embedded model, at toy size, and what they leave behind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from deemster import Judge
from deemster.backends.domain import Domain
from deemster.backends.nano import assets
from deemster.judges.meta_hf import HfMetaRM
from deemster.training.stage import StageContext, StageError
from lab.nano import card, rl, stages
from lab.nano.judging import Trajectory
from lab.nano.recipe import NanoRecipe
from lab.nano.stages import STAGES
from lab.nano.study import main as draw_study

pytestmark = pytest.mark.timeout(900)  # processors differ tenfold

TOY = {
    "model": {"vocabulary": 400, "hidden": 32, "feed_forward": 64, "layers": 2, "heads": 2,
              "kv_heads": 1},
    "distil": {"warm_items": 20, "items": 60, "drills": 8, "drill_items": 4},
    "rft": {"items": 12, "epochs": 1},
    "rl": {"steps": 2, "prompts": 3, "group": 4, "lr": 1e-5},
    "meta": {"items": 5, "samples": 3, "checks": 2},
    "eval": {"items": 2, "samples": 2},
}  # fmt: skip


def run(name: str, out: Path, **sections: Mapping[str, object]) -> Mapping[str, object]:
    recipe = NanoRecipe.model_validate({"name": "toy", "nano": {**TOY, **sections}})
    (out / name).mkdir(parents=True, exist_ok=True)
    earlier = {stage: out / stage for stage in recipe.before(name)}
    return STAGES[name](StageContext(name, out / name, earlier, recipe, resume=False))


def with_base(out: Path) -> Path:
    """A run whose base model is the embedded one: a toy could not write what can be parsed."""
    shutil.copytree(assets() / "judge", out / "distil" / "model")
    shutil.copy(assets() / "domain.json", out / "distil" / "domain.json")
    return out


def test_the_base_model_comes_from_nothing(tmp_path: Path) -> None:
    figures = run("distil", tmp_path)
    assert figures["examples"] == 92
    assert (tmp_path / "distil" / "model" / "model.safetensors").is_file()
    assert Domain.load(tmp_path / "distil" / "domain.json").measured
    again = run("distil", tmp_path / "again")
    assert again["loss"] == pytest.approx(figures["loss"], rel=1e-3)


def test_from_rejective_fine_tuning_to_what_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stages, card):
        monkeypatch.setattr(module, "SPLITS", ("train", "words"))
    out = with_base(tmp_path)
    assert run("rft", out)["kept"]
    assert -1 <= float(str(run("rl", out)["reward"])) <= 1
    assert run("meta", out)["trajectories"] == 45
    figures = run("eval", out)
    assert {f"{model} words greedy" for model in ("base", "rft", "rl")} <= set(figures)

    shipped = out / "eval" / "nano"
    sample = ("What is 2 + 11?", ["13", "12"])
    judge = Judge(
        f"hf:{shipped / 'judge'}", dialect="nano", k=4, meta_rm=HfMetaRM(str(shipped / "meta"))
    )
    verdict = judge.score_sync(*sample)
    assert verdict.n_valid == 4
    assert all(vote.meta_reward is not None for vote in verdict.judgments)

    study = ["--run", str(out), "--out", str(out / "study"), "--items", "3", "--samples", "2",
             "--seeds", "1", "--models", "grpo", "--splits", "numbers"]  # fmt: skip
    path = out / "study" / "grpo-numbers-seed1.npz"
    draw_study(study)
    drawn = path.stat().st_mtime_ns
    draw_study(study)
    assert path.stat().st_mtime_ns == drawn  # the same weights and items: not drawn again
    shutil.copy(out / "distil" / "model" / "model.safetensors", out / "rl" / "model")
    draw_study(study)
    assert path.stat().st_mtime_ns != drawn
    arrays = np.load(out / "study" / "grpo-numbers-seed1.npz")
    assert arrays["scores"].shape == (3, 2, 4)
    assert np.isfinite(arrays["meta"]).all()
    assert set(arrays["n"]) <= {2, 3, 4}


def test_nothing_parseable_ends_fine_tuning_with_the_reason(tmp_path: Path) -> None:
    run("distil", tmp_path)
    with pytest.raises(StageError, match="train it longer"):
        run("rft", tmp_path, rft={"items": 3, "reject": False})


def test_a_collapsed_run_keeps_the_last_good_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = with_base(tmp_path)
    shutil.copytree(out / "distil" / "model", out / "rft" / "model")
    monkeypatch.setattr(Trajectory, "correct", property(lambda _: False))
    with pytest.raises(StageError, match=r"collapsed at step 3: mean reward -1\.00"):
        run("rl", out, rl={"steps": 9, "prompts": 2, "group": 2})


def test_a_batch_of_one_mind_moves_nothing(tmp_path: Path) -> None:
    advantages, mixed = rl.group_advantages(torch.ones(3, 4))
    assert not mixed
    assert not advantages.any()
