"""The examples that need nothing run as they are."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.support.tiny_nano import needs_model

from deemster import Judge

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(name: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_model
@pytest.mark.slow
def test_voting_shows_a_verdict_outcomes_and_the_curve() -> None:
    out = run("voting.py")
    for part in ("principles", "critiques", "is best", "/12", "accuracy at k votes", "meta-guided"):
        assert part in out


async def test_voting_runs_on_any_model(
    tiny_nano: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With random weights nothing is judged; every part of it still shows."""
    judge = partial(Judge, max_tokens=8, threads=1)
    voting = runpy.run_path(str(EXAMPLES / "voting.py"))
    monkeypatch.setitem(voting["main"].__globals__, "Judge", judge)
    await voting["main"]()
    out = capsys.readouterr().out
    for part in ("No verdict: 0 of 32 votes valid", "0/12", "accuracy at k votes", "32      0.0%"):
        assert part in out


def asked(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py"), *arguments], capture_output=True, text=True,
        check=False, env={**os.environ, "DEEMSTER_CACHE": os.devnull},
    )  # fmt: skip
    assert done.returncode == 2
    return done.stderr.splitlines()[-1]


def test_the_demo_judges_what_the_user_asks(
    tiny_smol: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With random weights nothing is judged; the questions and answers still show."""
    demo = runpy.run_path(str(EXAMPLES / "demo.py"))
    judge = partial(Judge, max_tokens=4, threads=1)
    monkeypatch.setitem(demo["show"].__globals__, "Judge", judge)
    samples = demo["questions"](("What is 2 + 2?", ["4", "5"]))
    assert len(samples) == 13
    asyncio.run(demo["show"](samples[:1]))
    out = capsys.readouterr().out
    for part in ("What is 2 + 2?", "  A  4", "  B  5", "no verdict: 0 of 8 votes valid"):
        assert part in out


def test_the_demo_refuses_half_a_question() -> None:
    assert "give --ask with at least one --response" in asked("--ask", "What is 2 + 2?")
    assert "give --ask with at least one --response" in asked("--response", "4")


def test_the_questions_of_the_demo_are_nowhere_else() -> None:
    """Neither trained on nor among the held-out pairs."""
    text = (EXAMPLES / "data" / "everyday.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 12
    held_out = (ROOT / "lab" / "smol" / "heldout.jsonl").read_text("utf-8").lower()
    assert not [row["id"] for row in rows if row["query"].lower() in held_out]


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
