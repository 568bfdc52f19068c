"""The verl recipe: its data, its reward function, its dry run; verl itself is not needed."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.support.tiny_trainers import single

from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.grpo import shuffled_rows
from deemster.training.verl import compute_score, export_prompts
from deemster.training.verl_check import dry_run

RECIPES = Path(__file__).parents[2] / "recipes" / "verl"
GRM = open_dialect("grm")
PAIR = Sample(id="p", query="Which?", responses=["a", "b"], ground_truth=(1, 0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory in which the recipe that ships can run."""
    shutil.copytree(RECIPES, tmp_path / "recipes" / "verl")
    (tmp_path / "runs/spct/rft/model").mkdir(parents=True)
    samples = [PAIR, single(0, truth=0), single(1)]
    export_prompts(samples, tmp_path / "data/train.parquet", dialect=GRM, epochs=50)
    export_prompts(samples, tmp_path / "data/validation.parquet", dialect=GRM)
    return tmp_path


def test_exported_prompts_are_those_of_the_other_trainer(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "train.parquet"
    assert export_prompts([PAIR], path, dialect=GRM, epochs=8, seed=2) == 8
    table = pd.read_parquet(path)
    rows = shuffled_rows([PAIR], GRM, epochs=8, seed=2)
    for (_, exported), row in zip(table.iterrows(), rows, strict=True):
        assert list(exported["prompt"]) == row["prompt"]
        known = json.loads(exported["reward_model"]["ground_truth"])
        assert known == {"truth": [1, 0], "order": row["order"], "dialect": "grm"}
        assert exported["extra_info"]["sample_id"] == "p"
    with pytest.raises(InputError, match="no items to export"):
        export_prompts([], path, dialect=GRM)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("Scores: \\boxed{8, 2}", [0, 1], {"score": 1, "correct": 1, "parsed": 1}),
        ("Scores: \\boxed{8, 2}", [1, 0], {"score": -1, "correct": 0, "parsed": 1}),
        ("nothing", [0, 1], {"score": -1, "correct": 0, "parsed": 0}),
    ],
    ids=["right", "wrong", "unparseable"],
)
def test_the_score_that_verl_gets(text: str, order: list[int], expected: dict[str, float]) -> None:
    truth = json.dumps({"truth": [1, 0], "order": order, "dialect": "grm"})
    assert compute_score("deemster", text, truth, extra_info={"index": 0}) == expected


KNOWN: dict[str, Any] = {"truth": [1, 0], "order": [0, 1], "dialect": "grm"}


def test_a_mapping_is_a_ground_truth_and_no_completion_an_empty_one() -> None:
    right = "Scores: \\boxed{7, 3}"
    assert compute_score("deemster", right, KNOWN)["score"] == 1
    assert compute_score("deemster", None, KNOWN) == {"score": -1, "correct": 0, "parsed": 0}


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        pytest.param("4", "'4' is not JSON with truth, order, dialect; give verl", id="number"),
        pytest.param("four", "'four' is not JSON with truth", id="text"),
        pytest.param('{"truth": [1, 0]}', "is not JSON with truth, order, dialect", id="part"),
        pytest.param({**KNOWN, "order": [0]}, r"order \[0\] does not name each of 2", id="order"),
    ],
)
def test_the_ground_truth_of_other_data_is_refused(truth: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        compute_score("gsm8k", "7", truth)


def test_the_recipe_that_ships_passes(folder: Path) -> None:
    found = dry_run(folder / "recipes/verl/grpo.yaml", folder=folder)
    assert found == {"rows": 150, "steps": 1, "rewards": [-1, 1]}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kl_loss_coef: 0.08", "kl_los_coef: 0.08", r"grpo.yaml:\d+: .*kl_loss_coef is missing"),
        ("adv_estimator: grpo", "adv_estimator: gae", r"adv_estimator: .*'grpo', got 'gae'"),
        ("n: 4 ", "n: 1 ", r"rollout.n: .*greater than or equal to 2, got 1"),
        ("use_kl_loss: true", "use_kl_loss: false", "use_kl_loss"),
        ("train_batch_size: 128", "train_batch_size: 100", "100, is not a multiple of 128"),
        ("n_gpus_per_node: 8", "n_gpus_per_node: 7", "512, is not a multiple of 28"),
        ("data/train.parquet", "data/gone.parquet", "cannot read '.*gone.parquet'"),
        ("runs/spct/rft/model", "runs/spct/rft/none", "neither a folder nor OWNER/REPOSITORY"),
        ("recipes/verl/reward.py", "reward.py", "is not a Python file"),
        ("name: compute_score", "name: score", "has no function 'score'"),
        ("data:", "data: [", "not YAML"),
    ],
    ids=[
        "typo", "algorithm", "group", "kl", "mini-batch", "gpus", "data", "model", "file",
        "function", "yaml",
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_told_what_is_wrong(
    folder: Path, old: str, new: str, message: str
) -> None:
    recipe = folder / "recipes/verl/grpo.yaml"
    text = recipe.read_text(encoding="utf-8")
    assert old in text
    recipe.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        dry_run(recipe, folder=folder)
    assert "\n" not in str(caught.value)


def test_a_reward_function_that_rewards_anything_is_found(folder: Path) -> None:
    (folder / "recipes/verl/reward.py").write_text(
        "def compute_score(*_, **__):\n    return {'score': 1.0}\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match="gives 1 for an empty completion"):
        dry_run(folder / "recipes/verl/grpo.yaml", folder=folder)


def test_the_scripts_prepare_and_check(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        json.dumps({"id": str(i), "query": "q", "responses": ["a", "b"], "ground_truth": [1, 0]})
        for i in range(2)
    ]
    (folder / "prefs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(folder)
    prepare = "prepare.py --train prefs.jsonl --validation prefs.jsonl --epochs 64"
    monkeypatch.setattr("sys.argv", prepare.split())
    runpy.run_path(str(RECIPES / "prepare.py"), run_name="prepare")["main"]()
    assert "data/train.parquet: 128 prompts" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["check.py"])
    check = runpy.run_path(str(RECIPES / "check.py"), run_name="check")["main"]
    assert check() == 0
    told = capsys.readouterr().out
    assert told == "128 prompts, 1 steps an epoch; the reward function works\n"
    shutil.rmtree("data")
    assert check() == 2
    assert "cannot read" in capsys.readouterr().err
