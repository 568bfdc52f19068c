"""The examples that need nothing run as they are."""

from __future__ import annotations

import json
import runpy
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.support.tiny_nano import needs_model

from deemster import Judge

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_model
@pytest.mark.slow
def test_demo_shows_a_verdict_outcomes_and_the_curve() -> None:
    out = run("demo.py")
    for part in ("principles", "critiques", "is best", "/12", "accuracy at k votes", "meta-guided"):
        assert part in out


async def test_demo_runs_on_any_model(
    tiny_nano: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With random weights nothing is judged; every part of the demo still shows."""
    judge = partial(Judge, max_tokens=8, threads=1)
    demo = runpy.run_path(str(EXAMPLES / "demo.py"))
    monkeypatch.setitem(demo["main"].__globals__, "Judge", judge)
    await demo["main"]()
    out = capsys.readouterr().out
    for part in ("No verdict: 0 of 32 votes valid", "0/12", "accuracy at k votes", "32      0.0%"):
        assert part in out


def test_own_parts() -> None:
    assert "topk(k_meta=2) >> best()" in run("own_parts.py")


@pytest.mark.parametrize("name", ["api_judge.py", "inspect_task.py", "local_judge.py"])
def test_the_others_compile(name: str) -> None:
    compile((EXAMPLES / name).read_text("utf-8"), name, "exec")


def test_the_data_of_the_training_example_are_what_its_script_writes(tmp_path: Path) -> None:
    runpy.run_path(str(EXAMPLES / "training" / "make_data.py"))["main"](tmp_path)
    for name in ("train.jsonl", "evaluation.jsonl"):
        assert (tmp_path / name).read_bytes() == (EXAMPLES / "training" / name).read_bytes()


@needs_model
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_training_example_from_the_recipe_to_a_verdict(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the extra `train` is not installed")
    out = tmp_path / "run"
    recipe = EXAMPLES / "training" / "everyday.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "deemster", "train", str(recipe), "--out", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "eval" / "manifest.json").read_text("utf-8"))
    models = manifest["figures"]["models"]
    # 12 points on one machine; another's arithmetic may train a slightly different model.
    assert models["rl"]["greedy"]["value"] > models["base"]["greedy"]["value"]
    told = done.stderr.partition("judge with it: ")[2].strip()
    words = {"QUERY": "What is 12 + 7?", "RESPONSE": "The answer is 19."}
    command = [words.get(word, word) for word in shlex.split(told)]
    command[command.index(words["RESPONSE"])] = "The answer is 21."
    verdict = subprocess.run(
        [sys.executable, "-m", *command, "--json"], capture_output=True, text=True, check=False
    )
    assert verdict.returncode == 0, verdict.stderr
    assert len(json.loads(verdict.stdout)["rewards"]) == 2
