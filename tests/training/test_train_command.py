"""`deemster train`: what it says, what it refuses, and how it ends. Nothing is trained here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import JsonValue
from tests.support.command_line import deemster, one_line
from tests.support.toy_training import (
    pairs,
    toy_recipe,
    trainer,
    write_recipe,
    write_rows,
    write_toy,
)

from deemster.training import runner
from deemster.training.stage import StageContext, StageError
from deemster.training.trl_recipe import STAGES


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    write_toy(folder)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and stages that do nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "stage_functions", lambda _: dict.fromkeys(STAGES, nothing))
    return tmp_path


def nothing(context: StageContext[Any]) -> Mapping[str, JsonValue]:
    context.progress("sampling", 1, 1)
    if context.name in {"rl", "meta"}:
        (context.folder / "model").mkdir()
    return {"sft": {"steps": 3, "loss": 0.25, "stopped": None}}


def test_a_run_with_its_figures(toy: Path) -> None:
    done = deemster("train", str(toy / "recipe.yaml"))
    assert done.returncode == 0, done.stderr
    assert "rft      complete   steps 3, loss 0.25" in done.stdout
    assert "distil: sampling, 1 of 1" in done.stderr
    assert "run written to runs/toy" in done.stderr
    assert done.stderr.endswith("-r RESPONSE --model hf:runs/toy\n")
    own = json.loads(Path("runs/toy/deemster.json").read_text())
    assert own["model"] == "rl/model"
    assert own["meta_rm"] == "meta/model"
    assert (own["dialect"], own["k"], own["temperature"]) == ("nano", 4, 0.3)
    assert json.loads(Path("runs/toy/rl/model/deemster.json").read_text()) == {
        "version": 1,
        "dialect": "nano",
    }
    assert Path("runs/toy/eval/manifest.json").is_file()


def test_json_and_out(toy: Path) -> None:
    recipe = str(toy / "recipe.yaml")
    done = deemster("train", recipe, "--stage", "distil, rft", "--out", "here", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["out"] == "here"
    assert list(told["stages"]) == ["distil", "rft"]


def test_a_dry_run_checks_and_writes_nothing(toy: Path) -> None:
    done = deemster("train", str(toy / "recipe.yaml"), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "training items         16" in done.stdout
    assert "longest of 16 prompts" in done.stdout
    assert "distil   begin" in done.stdout
    assert not Path("runs").exists()
    deemster("train", str(toy / "recipe.yaml"), "--stage", "distil")
    again = deemster("train", str(toy / "recipe.yaml"), "--dry-run", "--resume")
    assert "distil   be skipped: finished" in again.stdout
    assert "rft      begin" in again.stdout


def tied() -> list[dict[str, Any]]:
    return [{**row, "ground_truth": [1, 1]} for row in pairs(2, "train")]


def single() -> list[dict[str, Any]]:
    return [{"id": "s", "query": "q", "responses": ["a"], "ground_truth": [1]}]


def rft(**settings: Any) -> dict[str, Any]:
    section: dict[str, Any] = toy_recipe()["rft"]
    return {**section, "train": {**section["train"], **settings}}


@pytest.mark.parametrize(
    ("sections", "rows", "message"),
    [
        pytest.param({}, tied(), "train.jsonl line 1: ", id="two-maxima"),
        pytest.param({}, pairs(6, "evaluation"), "all 6 training items share 13 words", id="same"),
        pytest.param(
            {"model": {"base": "data", "dialect": "nano"}},
            None,
            "cannot load the tokenizer",
            id="m",
        ),
        pytest.param({"rft": {}}, None, "rft.hinted: the prompt of dialect 'nano'", id="hint"),
        pytest.param({"distil": {"judges": {"model": "hf:"}}}, None, "judge 'hf:': ", id="judge"),
        pytest.param(
            {"distil": {"judges": {"model": "fake:x"}, "n": 2}},
            None,
            "judge 'fake:x' has temperature 0",
            id="greedy-teacher",
        ),
        pytest.param(
            {"distil": {"judges": {"model": "fake:x", "dialect": "flow-judge"}}},
            None,
            "sample 'train0', judge 'fake:x': dialect 'flow-judge' judges 1",
            id="teacher-of-single-responses",
        ),
        pytest.param(
            {"model": {"base": "base", "dialect": "mt-bench-single"}},
            None,
            "sample 'train0': dialect 'mt-bench-single' judges 1 responses at once, got 2",
            id="too-many-responses",
        ),
        pytest.param(
            {"model": {"base": "base", "dialect": "mt-bench-single"}},
            single(),
            "sample 's': dialect 'mt-bench-single' scores a single response from 1 to 10",
            id="scale",
        ),
        pytest.param(
            {"rft": rft(moe={"freeze": ["experts"]})},
            None,
            "rft.train: LlamaForCausalLM has no routed experts; leave out the section moe",
            id="experts-of-a-dense-model",
        ),
        pytest.param(
            {"rft": rft(lora={"target_modules": ["c_attn"]})},
            None,
            "rft.train: lora.target_modules: LlamaForCausalLM has no layers ('c_attn',)",
            id="no-such-layers",
        ),
        pytest.param(
            {"rft": rft(lora={"target_modules": ["q_proj"], "layers": [7]})},
            None,
            "has no layers ('q_proj',) in layers [7]",
            id="no-such-block",
        ),
        pytest.param(
            {"rl": {"train": {**toy_recipe()["rl"]["train"], "vllm": {}}}},
            None,
            "drawing by vLLM needs vllm",
            id="no-vllm",
        ),
    ],
)
@pytest.mark.parametrize("dry", [True, False], ids=["dry-run", "run"])
def test_nothing_begins_if_a_stage_would_refuse(
    toy: Path,
    home: Path,
    sections: dict[str, Any],
    rows: list[dict[str, Any]] | None,
    message: str,
    *,
    dry: bool,
) -> None:
    """What only data, files or the model's architecture show."""
    recipe = toy_recipe(**sections)
    for name in ("base", "train.jsonl", "instructions.jsonl", "evaluation.jsonl"):
        (home / name).symlink_to(toy / name)
    (home / "data").mkdir()
    if rows is not None:
        (home / "train.jsonl").unlink()
        write_rows(home / "train.jsonl", rows)
    write_recipe(home, recipe)
    assert message in one_line(deemster("train", "recipe.yaml", *["--dry-run"] * dry))
    assert not (home / "runs").exists()


def test_batches_that_do_not_divide_among_processes_are_refused_at_once(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    said = one_line(deemster("train", str(toy / "recipe.yaml"), "--dry-run"))
    assert "batch_size 8 is not a multiple of micro_batch_size 8 times 3 processes" in said


def test_a_base_without_a_block_drafts_nothing(toy: Path) -> None:
    recipe = toy_recipe()
    options = {"speculate": "mtp"}
    kept = {key: recipe[key] for key in ("name", "data")}
    only = {"model": {**recipe["model"], "options": options}, "eval": {"models": ["base"]}}
    path = write_recipe(toy, {**kept, **only}, "drafts.yaml")
    assert "which is sampled from, has no block" in one_line(deemster("train", str(path)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "RECIPE is missing; give a YAML file", id="nothing"),
        pytest.param(["none.yaml"], "cannot read recipe 'none.yaml'", id="no-file"),
        pytest.param(["RECIPE", "--stage", "sft"], "unknown stage 'sft'; known: distil", id="name"),
        pytest.param(["RECIPE", "--stage", ","], "--stage names no stage", id="no-stage"),
        pytest.param(["RECIPE", "--stage", "rl"], "needs stage 'distil', which was", id="early"),
        pytest.param(["meta-rm"], "Missing option '--from'", id="no-from"),
        pytest.param(["meta-rm", "--from", "none"], "no run in 'none'", id="no-run"),
    ],
)
def test_refusals(toy: Path, arguments: list[str], message: str) -> None:
    given = [str(toy / "recipe.yaml") if one == "RECIPE" else one for one in arguments]
    assert message in one_line(deemster("train", *given))
    assert not Path("runs").exists()


def judge_some(home: Path, truths: Sequence[list[int] | None], *, k: int = 2) -> None:
    """The directory `run`: what is shown first is always taken for the best."""
    samples = [
        {"query": f"q{i}", "responses": ["a", "b"], **({"ground_truth": one} if one else {})}
        for i, one in enumerate(truths)
    ]
    judge = {"model": "fake:Scores: \\boxed{7, 3}", "k": k, "orders": "balanced"}
    suite = {"name": "s", "data": {"samples": samples}, "judges": judge}
    (home / "suite.yaml").write_text(yaml.safe_dump(suite), encoding="utf-8")
    assert deemster("run", "suite.yaml", "--out", "run").returncode == 0


@pytest.mark.parametrize(
    ("truths", "k", "message"),
    [
        ([None, None], 2, "meta.run: no labelled judgment in "),
        ([[1, 0]], 2, "meta.run: a meta RM needs judgments of 2 or more items, got 1"),
        ([[1, 0], [1, 0], [1, 0]], 1, "meta.run: all 2 judgments to train the meta RM on are "),
        ([[1, 0], [0, 1]], 2, ""),
    ],
    ids=["no-labels", "one-item", "all-alike", "both-kinds"],
)
def test_a_run_that_no_meta_rm_can_learn_from_is_refused_before_all_stages(
    toy: Path, home: Path, truths: Sequence[list[int] | None], k: int, message: str
) -> None:
    judge_some(home, truths, k=k)
    kept = {key: value for key, value in toy_recipe().items() if key != "distil"}
    recipe = {**kept, "meta": {"run": str(home / "run"), "train": trainer(2)}}
    for alone in (False, True):
        left = {"name": "m", "model": recipe["model"], "meta": recipe["meta"]} if alone else recipe
        done = deemster("train", str(write_recipe(toy, left, "meta.yaml")), "--dry-run")
        if message:
            assert message in one_line(done)
        else:
            assert done.returncode == 0, done.stderr
            assert re.search(r"judgments of meta.run +4 *\n", done.stdout)


def test_a_meta_rm_needs_a_model(toy: Path, home: Path) -> None:
    judge_some(home, [[1, 0], [0, 1]])
    done = deemster("train", "meta-rm", "--from", "run")
    assert "no local model judged 'run'; give --model" in one_line(done)
    done = deemster("train", "meta-rm", "--from", "run", "--model", str(toy / "base"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["out"] == "runs/meta-rm-run"
    settings = json.loads(Path("runs/meta-rm-run/meta/manifest.json").read_text("utf-8"))[
        "settings"
    ]
    assert settings["meta"]["run"] == "run"


def test_interrupted(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: StageContext[Any]) -> Mapping[str, JsonValue]:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "stage_functions", lambda _: dict.fromkeys(STAGES, interrupt))
    done = deemster("train", str(toy / "recipe.yaml"))
    assert done.returncode == 130
    assert "runs/toy is kept; give --resume to continue it" in done.stderr
    assert done.stdout == ""


def test_a_stage_that_stops(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: StageContext[Any]) -> Mapping[str, JsonValue]:
        raise StageError("every reward is -1 for 20 steps; last good checkpoint: 40")

    monkeypatch.setattr(runner, "stage_functions", lambda _: dict.fromkeys(STAGES, stop))
    done = deemster("train", str(toy / "recipe.yaml"))
    assert done.returncode == 3
    assert done.stderr == (
        "deemster: stage 'distil': every reward is -1 for 20 steps; last good checkpoint: 40\n"
    )


def test_help_is_for_recipes_and_loads_no_torch() -> None:
    script = (
        "import sys; from deemster.cli import app; import deemster.cli.train;"
        "sys.argv = ['deemster', 'train', '--help'];"
        "import contextlib;\n"
        "with contextlib.suppress(SystemExit): app.main()\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "--stage" in done.stdout
    assert "meta-rm --help" in done.stdout
    assert done.stdout.strip().endswith("False False")
