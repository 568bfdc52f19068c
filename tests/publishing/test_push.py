"""What `deemster push` publishes of a judge and of a run, seen in a local folder and on a Hub."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.command_line import deemster, one_line
from tests.support.hub_stub import hub
from tests.support.small_suite import write_small_suite

from deemster.backends.judge_file import JudgeFile
from deemster.judges import Judge
from deemster.publishing.card import ModelCard
from deemster.suites.metrics import CurvePoint, Estimate
from deemster.training.evaluation import Evaluation, ModelFigures
from deemster.training.manifest import Manifest

SECRET = "sk-very-secret-key-000"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def figures(value: float) -> ModelFigures:
    known = Estimate(value=value, low=value - 0.1, high=value + 0.1, n=100)
    point = CurvePoint(k=8, accuracy=known, ties=0.0, unscored=0.0)
    return ModelFigures(
        greedy=known, greedy_single=None, vote=(point,), meta=(point,), meta_gain=None,
        roc_auc=None, by={}, parse_failures=0.02,
    )  # fmt: skip


def manifest(folder: Path, stage: str, started: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "data": {"train": [{"path": f"{folder}/pairs.jsonl"}, {"dataset": "owner/pairs"}]}
    }
    Manifest(
        stage=stage, complete=True, engine="trl", seed=7, settings=settings, recipe="0" * 64,
        inputs={}, versions={"torch": "2.9"}, device="cpu", started=started,
    ).write(folder)  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose weights nobody reads."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def run(tmp_path: Path, model: Path) -> Path:
    """A training run, as `deemster train` leaves it."""
    return trained(tmp_path / "run", model)


def trained(out: Path, model: Path) -> Path:
    for number, stage in enumerate(("rl", "meta")):
        manifest(out / stage, stage, f"2026-01-0{number + 1}T00:00:00+00:00")
        shutil.copytree(model, out / stage / "model")
        (out / stage / "model" / "optimizer.pt").write_bytes(b"pickle")
    JudgeFile(dialect="nano").write(out / "rl" / "model")
    JudgeFile(dialect="nano", base="owner/base", model="rl/model", meta_rm="meta/model", k=8).write(
        out
    )
    manifest(out / "eval", "eval", "2026-01-03T00:00:00+00:00")
    found = Evaluation(
        n=100, k=8, models={"base": figures(0.5), "rl": figures(0.75)},
        greedy_gain=None, vote_gain=None,
    )  # fmt: skip
    (out / "eval" / "evaluation.json").write_text(found.model_dump_json())
    return out


def front(card: str) -> Any:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_trained_judge_as_a_folder_that_judges_by_itself(run: Path, tmp_path: Path) -> None:
    done = deemster("push", "run", "--to", "out", "--licence", "apache-2.0")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    model = {path.name for path in (run / "rl" / "model").iterdir()} - {"optimizer.pt"}
    assert names == {
        *model, *(f"meta/{name}" for name in model - {"deemster.json"}),
        "README.md", "training.json", "evaluation.json",
    }  # fmt: skip
    assert "left out: meta/optimizer.pt, optimizer.pt" in done.stderr
    judge = Judge("hf:out")
    assert (judge.k, judge.dialect.name, judge.backend.name) == (8, "nano", "hf:out")
    assert judge.meta_rm is not None
    assert judge.meta_rm.name == "hf:out/meta"
    for path in out.rglob("*"):
        if path.suffix in (".json", ".md"):
            assert str(tmp_path) not in path.read_text()


def test_the_card_says_what_is_known(run: Path, tmp_path: Path) -> None:
    assert deemster("push", "run", "--to", "out", "--licence", "mit").returncode == 0
    card = (tmp_path / "out" / "README.md").read_text()
    said = front(card)
    assert (said["license"], said["base_model"]) == ("mit", "owner/base")
    assert said["base_model_relation"] == "finetune"
    assert "reward-model" in said["tags"]
    assert "| rl | 75.0% [65.0%, 85.0%] | – | 75.0% [65.0%, 85.0%]" in card
    assert "100 samples" in card
    assert "`pairs.jsonl`, `owner/pairs`" in card
    assert "| rl | GRPO with the rule-based reward | 7 | cpu |" in card
    assert "| dialect | `nano` |" in card
    assert 'deemster score --model hf:out -q "QUERY"' in card


def test_a_model_alone_says_what_is_not_known(model: Path, tmp_path: Path) -> None:
    JudgeFile(dialect="pairwise").write(model)
    assert deemster("push", "model", "--to", "out").returncode == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license" not in front(card)
    assert "nothing is known" in card
    assert "## Training\n\nNot by this package" in card


def test_a_dry_run_shows_all_and_writes_nothing(run: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    done = deemster("push", "run", "me/judge", "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert set(tmp_path.rglob("*")) == before
    assert told["kind"] == "model"
    assert told["files"]["model.safetensors"] == (run / "rl/model/model.safetensors").stat().st_size
    assert told["left_out"] == ["meta/optimizer.pt", "optimizer.pt"]


def adapter(run: Path) -> None:
    place = run / "rl" / "model"
    (place / "model.safetensors").rename(place / "adapter_model.safetensors")
    config = {"base_model_name_or_path": str(run), "peft_type": "LORA"}
    (place / "adapter_config.json").write_text(json.dumps(config))


def test_an_adapter_names_the_base_that_others_have(run: Path, tmp_path: Path) -> None:
    adapter(run)
    done = deemster("push", "run", "--to", "out", "--base", "smollm2")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config == {"base_model_name_or_path": "smollm2", "peft_type": "LORA"}
    said = front((tmp_path / "out" / "README.md").read_text())
    assert said["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert said["base_model_relation"] == "adapter"


def no_base(run: Path) -> None:
    adapter(run)
    JudgeFile(dialect="nano", model="rl/model").write(run)


def secret(run: Path) -> None:
    (run / "rl" / "model" / "notes.txt").write_text(f"key = {SECRET}")


def link(run: Path) -> None:
    (run / "rl" / "model" / "vocabulary.txt").symlink_to("/etc/hostname")


def no_weights(run: Path) -> None:
    (run / "meta" / "model" / "model.safetensors").unlink()


def no_file(run: Path) -> None:
    (run / "deemster.json").unlink()


def nothing(run: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        pytest.param(no_base, ["--to", "x"], "say with --base", id="adapter-over-own-folder"),
        pytest.param(secret, ["--to", "x"], r"'notes.txt' has the secret ${MY_API_KEY}", id="key"),
        pytest.param(link, ["--to", "x"], "a link that leads out", id="link"),
        pytest.param(no_weights, ["--to", "x"], "no safetensors weights", id="no-weights"),
        pytest.param(no_file, ["--to", "x"], "is no run and no judge", id="no-judge-file"),
        pytest.param(nothing, ["--to", "run"], "is not empty", id="not-empty"),
        pytest.param(nothing, [], "REPO is missing", id="no-repository"),
        pytest.param(nothing, ["judge"], "'judge'; write OWNER/NAME", id="no-owner"),
    ],
)
def test_what_is_not_published(
    change: Any, arguments: list[str], message: str, run: Path, tmp_path: Path
) -> None:
    change(run)
    done = deemster("push", "run", *arguments, env={"MY_API_KEY": SECRET})
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert SECRET not in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """A suite's run whose judge was reached at an address."""
    suite = write_small_suite(tmp_path)
    assert deemster("run", str(suite), "--out", "judged").returncode == 0
    path = tmp_path / "judged" / "suite.json"
    written = json.loads(path.read_text())
    written["judges"][0]["options"] = {"api_base": "http://inside.example", "api_key": "${KEY}"}
    written["judges"][0]["template"] = f"{tmp_path}/prompt.j2"
    path.write_text(json.dumps(written))
    return path.parent


def test_a_run_as_a_data_set(judged: Path, tmp_path: Path) -> None:
    done = deemster("push", "judged", "--to", "out")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "README.md", "report.html", "report.json", "summary.json", "suite.json",
        "samples.jsonl", "verdicts.jsonl", "votes.jsonl",
    }  # fmt: skip
    assert "look whether you may publish them" in done.stderr
    assert len((out / "votes.jsonl").read_text().splitlines()) == 24
    said = front((out / "README.md").read_text())
    assert {one["data_files"] for one in said["configs"]} == {
        "samples.jsonl", "verdicts.jsonl", "votes.jsonl"
    }  # fmt: skip
    assert "6 of 6 | 100.0% [54.1%, 100.0%]" in (out / "README.md").read_text()
    for path in out.iterdir():
        text = path.read_text()
        assert "inside.example" not in text
        assert str(tmp_path) not in text
    told = one_line(deemster("push", "judged", "--to", "y", "--licence", "mit"))
    assert "goes with a model" in told


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the Hub's client reads the environment when it is imported."""
    return subprocess.run(
        [sys.executable, "-m", "deemster", *arguments],
        env={**os.environ, "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1", **env},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_to_a_hub_and_back(tmp_path: Path, tiny_model: Path) -> None:
    """With the Hub's own client: what was pushed judges by its name alone."""
    run = trained(tmp_path / "run", tiny_model)
    with hub() as server:
        env = {
            "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": server.token
        }  # fmt: skip
        done = command("push", "run", "me/judge", "--revision", "v1", **env)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().startswith(f"{server.url}/me/judge/commit/")
        assert server.made == [
            {"name": "judge", "organization": "me", "visibility": "private", "type": "model"}
        ]
        assert server.branches == ["v1"]
        sent = server.files["me/judge"]
        weights = (run / "rl" / "model" / "model.safetensors").read_bytes()
        assert sent["model.safetensors"] == weights
        assert "optimizer.pt" not in sent
        words = ("score", "-q", "q", "-r", "a", "-r", "b", "--model", "hf:me/judge", "--json")
        scored = command(*words, "--max-tokens", "16", "--allow-unscored", "100%", **env)
        assert scored.returncode == 0, scored.stderr
        judge = json.loads(scored.stdout)["judge"]
        assert (judge["model"], judge["dialect"], judge["k"]) == ("hf:me/judge", "nano", 8)
        assert judge["from_file"] == ["k", "dialect", "meta_rm"]
        again = command(*words, "--allow-unscored", "100%", **{**env, "HF_HUB_OFFLINE": "1"})
        assert json.loads(again.stdout)["judge"]["meta_rm"] == judge["meta_rm"]
        refused = command("push", "run", "me/judge", **{**env, "HF_TOKEN": "hf_reader"})
        assert refused.returncode == 2
        assert "answered 401; log in with 'hf auth login'" in refused.stderr
    gone = command("push", "run", "me/judge", **env)
    assert gone.returncode == 2
    assert "cannot reach the Hub" in gone.stderr


def test_a_card_shows_commands_that_name_the_model_and_do_nothing_else() -> None:
    where = 'x"; touch y; `z` $(id)\n```'
    file = JudgeFile.model_validate({"dialect": "grm"})
    text = ModelCard(file, where, "", adapter=False, manifests={}, evaluation=None).text()
    (command,) = re.findall(r"^deemster score.*$", text, re.MULTILINE)
    words = shlex.split(command)
    assert words[:3] == ["deemster", "score", "--model"]
    assert words[3].startswith('hf:x"; touch y; ')
    assert words[4:] == ["-q", "QUERY", "-r", "RESPONSE", "-r", "RESPONSE"]
    (python,) = re.findall(r"`Judge\((.*?)\)\.score_sync", text)
    assert json.loads(python) == words[3]
