"""The whole pipeline through the command line, with the real trainers, and what ends it early."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.command_line import Done, deemster, one_line
from tests.support.toy_training import TEACHER, toy_recipe, trainer, write_recipe, write_toy

from deemster.suites.store import RunStore
from deemster.training.evaluation import Evaluation
from deemster.training.manifest import Manifest, read_manifest
from deemster.training.plots import read_metrics
from deemster.training.trl_recipe import STAGES

pytest.importorskip("trl", reason="the extra `train` is not installed")
pytestmark = [
    # Of libraries, about themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of the toy recipe, and the working directory."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other most of the time in a model so small
    folder = tmp_path_factory.mktemp("toy")
    write_toy(folder)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def finished(toy: Path) -> Done:
    """A whole run in `run`."""
    return deemster("train", "recipe.yaml", "--out", "run", "--json")


def manifest(stage: str, out: str = "run") -> Manifest:
    found = read_manifest(Path(out) / stage)
    assert found is not None
    return found


def test_the_pipeline_from_end_to_end(finished: Done) -> None:
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert list(told["stages"]) == list(STAGES)
    assert all(manifest(stage).complete for stage in STAGES)
    for stage in ("distil", "rft", "rl"):
        assert Path(f"run/{stage}/model/model.safetensors").is_file()
        assert Path(f"run/{stage}/metrics.png").is_file()
        assert not list(Path(f"run/{stage}/model").glob("*.bin"))
    # The teacher is right in one of the two orders of each pair.
    assert told["stages"]["distil"]["rejection"]["kept"] == 16
    losses = [line["loss"] for line in read_metrics(Path("run/distil")) if "loss" in line]
    assert float(str(losses[-1])) < 0.2 * float(str(losses[0]))
    found = Evaluation.model_validate_json(json.dumps(told["stages"]["eval"]))
    assert list(found.models) == ["base", "rl"]
    # A model of noise writes no verdicts; the trained one writes its teacher's.
    assert found.models["base"].parse_failures == 1
    assert found.models["base"].greedy.value == 0
    trained = found.models["rl"]
    assert trained.parse_failures is not None
    assert trained.parse_failures < 0.5
    assert [point.k for point in trained.vote] == [1, 2, 4]
    assert trained.meta
    assert set(trained.by) == {"a", "b"}
    assert found.greedy_gain is not None
    with RunStore("run/eval/rl/vote") as store:
        assert store.count_samples() == 6


def test_a_finished_run_is_shown_again(finished: Done) -> None:
    done = deemster("train", "recipe.yaml", "--out", "run", "--resume")
    assert done.returncode == 0, done.stderr
    assert "vote@4" in done.stdout
    assert "rl minus base" in done.stdout
    assert all(manifest(stage).attempts == 1 for stage in STAGES)


def test_the_run_is_a_judge_by_one_word(finished: Done) -> None:
    """It judges as the stage `eval` did: dialect, votes, sampling and meta RM."""
    done = deemster(
        "score", "-q", "train 1 + 1?", "-r", "it is 2", "-r", "maybe 3",
        "--model", "hf:run", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["n_valid"] > 0
    judge = verdict["judge"]
    assert (judge["model"], judge["dialect"], judge["k"]) == ("hf:run/rl/model", "nano", 4)
    assert (judge["sampling"]["max_tokens"], judge["sampling"]["temperature"]) == (32, 0.3)
    assert judge["meta_rm"] == "hf:run/meta/model"
    assert "deemster.json" in done.stderr
    assert any(vote.get("meta_reward") is not None for vote in verdict["votes"])


def test_a_meta_rm_from_a_stored_run(finished: Done) -> None:
    source = "run/eval/rl/vote"
    done = deemster("train", "meta-rm", "--from", source, "--out", "meta", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stages"]["meta"]["meta"]["examples"] > 0
    assert Path("meta/meta/model/model.safetensors").is_file()
    again = deemster("train", "meta-rm", "--from", source, "--out", "meta")
    assert "holds a finished stage; give --resume" in one_line(again)
    nowhere = deemster("train", "meta-rm", "--from", "nowhere", "--model", "base")
    assert "'nowhere' does not exist" in one_line(nowhere)


LOG = "".join(
    f"{json.dumps(row)}\n"
    for i in range(12)
    for row in [
        {
            "id": i, "query": f"Which of {i}?", "response_a": f"good {i}", "response_b": f"bad {i}",
            "label": "A", "swapped": swapped, "judge_output": text,
        }
        # In the second order the judge is right, in the first now and then.
        for swapped, text in ((False, "[[A]]" if i % 3 else "[[B]]"), (True, "[[B]]"))
    ]
)  # fmt: skip


def test_distil_from_a_log_that_was_imported(toy: Path) -> None:
    (toy / "log.jsonl").write_text(LOG, encoding="utf-8")
    done = deemster(
        "import", "--format", "columns", "--traces", "log.jsonl", "--out", "log", "--judge", "gpt",
        "--dialect", "mt-bench-pair",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recipe = {
        "name": "stored",
        "model": {"base": "base", "dialect": "nano"},
        "distil": {"run": "log", "holdout": 0.25, "train": trainer(3)},
        "eval": {"k": 2, "max_tokens": 16, "temperature": 0.3},
    }
    write_recipe(toy, recipe, "stored.yaml")
    dry = deemster("train", "stored.yaml", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "stored judgments of" in dry.stdout + dry.stderr
    done = deemster("train", "stored.yaml", "--out", "stored", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["stages"]
    figures = told["distil"]
    assert figures["data"]["run"] == {
        "items": 12, "without_texts": 0, "other_shape": 0, "held_out": 3, "not_measurable": 0,
    }  # fmt: skip
    counts = figures["rejection"]
    assert counts["kept"] + counts["incorrect"] == figures["stored"]["votes"] == 18
    assert counts["incorrect"] in {2, 3, 4}  # as some of the wrong ones are held out
    assert figures["run"]["teachers"][0]["judge"] == "gpt"
    assert "distil.run" in manifest("distil", "stored").inputs
    found = Evaluation.model_validate_json(json.dumps(told["eval"]))
    teacher = found.agreement["gpt"]
    assert found.n == 3
    assert teacher.models.keys() == {"base", "distil"}
    shown = deemster("train", "stored.yaml", "--out", "stored", "--resume")
    assert "agreement with gpt" in shown.stdout
    with RunStore("log", write=True) as store:
        store.set_value("note", "changed")
    again = deemster("train", "stored.yaml", "--out", "stored", "--resume")
    assert "distil.run has changed since" in one_line(again)


def test_an_rft_set_that_is_all_rejected(toy: Path) -> None:
    wrong = TEACHER.replace("7, 3", "5, 5")
    write_recipe(toy, toy_recipe(wrong), "wrong.yaml")
    done = deemster("train", "wrong.yaml", "--stage", "distil", "--out", "wrong")
    assert done.returncode == 2
    assert done.stdout == ""
    told = "stage 'distil': rejection left nothing of 32 trajectories: 32 incorrect"
    assert told in done.stderr.splitlines()[-1]
    assert not manifest("distil", "wrong").complete


def test_a_collapsed_rl_run_ends_with_its_reason(finished: Done, toy: Path) -> None:
    collapsed = toy_recipe()
    collapsed["rl"]["train"] = trainer(
        12, learning_rate=0.5, group_size=4, max_completion_length=32, save_steps=1,
        collapse={"patience": 2},
    )  # fmt: skip
    write_recipe(toy, collapsed, "collapsed.yaml")
    shutil.copytree("run", "collapsed", ignore=shutil.ignore_patterns("rl", "meta", "eval"))
    done = deemster("train", "collapsed.yaml", "--stage", "rl", "--out", "collapsed", "--resume")
    assert done.returncode == 3
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert "training stopped at step" in last
    assert "last good checkpoint" in last
    assert not manifest("rl", "collapsed").complete


def test_a_full_disk(toy: Path) -> None:
    short = toy_recipe()
    short["distil"]["train"] = trainer(6, instruction_share=0.05)
    write_recipe(toy, short, "short.yaml")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for all but the first checkpoint.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        done = deemster("train", "short.yaml", "--stage", "distil", "--out", "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.returncode == 2
    assert "the disk is full" in done.stderr.splitlines()[-1]
    assert "resume" in done.stderr.splitlines()[-1]
    done = deemster("train", "short.yaml", "--stage", "distil", "--out", "full", "--resume")
    assert done.returncode == 0, done.stderr
    assert manifest("distil", "full").attempts == 2


STARTED = {
    "distil": "distil/checkpoints/*/complete.json",
    "rft": "rft/checkpoints/*/complete.json",
    "rl": "rl/checkpoints/*/complete.json",
    "meta": "meta/checkpoints/*/complete.json",
    "eval": "eval/base/greedy/run.sqlite",
}
"""What shows that a stage is in the middle of its work."""


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_killed_in_the_middle_and_resumed(finished: Done, toy: Path, stage: str) -> None:
    out = Path(f"killed-{stage}")
    later = STAGES[STAGES.index(stage) :]
    shutil.copytree("run", out, ignore=shutil.ignore_patterns(*later) if later else None)
    command = [sys.executable, "-m", "deemster", "train", "recipe.yaml", "--out", str(out)]
    with subprocess.Popen([*command, "--resume"], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not list(out.glob(STARTED[stage])):
            assert process.poll() is None, process.stderr
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not manifest(stage, str(out)).complete
    refused = deemster("train", "recipe.yaml", "--out", str(out), "--stage", stage)
    assert "holds an unfinished stage; give --resume" in one_line(refused)
    done = deemster("train", "recipe.yaml", "--out", str(out), "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert manifest(stage, str(out)).attempts == 2
    assert all(manifest(one, str(out)).complete for one in STAGES)
    steps = [line["step"] for line in read_metrics(out / stage) if "step" in line]
    assert steps == sorted(
        set(map(str, steps)), key=lambda step: int(str(step))
    ) or steps == sorted({int(str(step)) for step in steps})
