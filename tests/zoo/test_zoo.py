"""The table of released models: its rows hold, and model strings find the right one or none."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line

from deemster.backends import FakeBackend
from deemster.dialects import DIALECTS, open_dialect
from deemster.errors import InputError
from deemster.judges import Judge
from deemster.zoo import ZooEntry, find_model, find_name, zoo_entries

ROOT = Path(__file__).parents[2]
R3 = "rubricreward/R3-Qwen3-8B-14k"


@pytest.mark.parametrize("entry", zoo_entries(), ids=lambda entry: entry.name)
def test_a_row_holds(entry: ZooEntry) -> None:
    assert (entry.kind == "scalar") is (entry.dialect == "")
    for spec in (entry.dialect, *entry.other_dialects):
        if spec:
            open_dialect(spec)
    for pattern in entry.models:
        owner, _, name = pattern.partition("/")
        assert owner
        assert name.strip("*")
        assert "*" not in owner
        assert find_model(pattern.replace("*", "x")) == entry, "two rows claim it"
    officials = DIALECTS.get(entry.dialect).officials if entry.dialect else {}
    digests = {official.digest for official in officials.values()}
    if entry.prompt_hash:
        assert entry.prompt_hash in digests


def test_names_are_unique() -> None:
    names = [entry.name.lower() for entry in zoo_entries()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "model",
    [
        R3,
        f"hf:{R3}",
        f"hosted_vllm/{R3}",
        f"openai/{R3}",
        f"litellm:hosted_vllm/{R3}",
        f"api:hosted_vllm/{R3.lower()}",
        f"ollama_chat/hf.co/{R3}:Q4_K_M",
        "hf:/data/hub/models--rubricreward--R3-Qwen3-8B-14k/snapshots/0a1b2c",
    ],
)
def test_found(model: str) -> None:
    entry = find_model(model)
    assert entry is not None
    assert entry.name == "R3"


@pytest.mark.parametrize(
    "model",
    [
        "R3-Qwen3-8B-14k",
        "openai/R3-Qwen3-8B-14k",
        "ollama_chat/r3-qwen3-8b:latest",
        "somebody/R3-Qwen3-8B-14k",
        "hf:/data/R3-Qwen3-8B-14k",
        "hf:/data/models--rubricreward--R3-Qwen3-8B-14k-mine",
        "openai/gpt-5-mini",
        "nano",
        "",
        "fake:Scores: \\boxed{8, 2}",
    ],
)
def test_a_wrong_match_is_worse_than_none(model: str) -> None:
    assert find_model(model) is None


def test_a_trained_copy_is_not_the_released_model(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"_name_or_path": R3}))
    assert find_model(f"hf:{folder}") is None


async def test_a_judge_speaks_its_models_dialect(capsys: pytest.CaptureFixture[str]) -> None:
    backend = FakeBackend('{"explanation": "x", "score": "Response 1"}', name=f"hosted_vllm/{R3}")
    judge = Judge(backend, orders="fixed")
    assert judge.info.dialect == "r3"
    assert (await judge.score("q", ["a", "b"])).rewards == (1, 0)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "is R3 of the zoo: dialect r3; --dialect" in said.err
    Judge(FakeBackend("", name=f"hosted_vllm/{R3}"))
    assert capsys.readouterr().err == "", "once is enough"


def test_the_users_dialect_wins(capsys: pytest.CaptureFixture[str]) -> None:
    judge = Judge(FakeBackend("", name=f"hf:{R3}"), dialect="grm")
    assert judge.info.dialect == "grm"
    assert capsys.readouterr().err == ""


def test_a_scalar_model_is_no_generative_judge() -> None:
    model = "hosted_vllm/Skywork/Skywork-Reward-V2-Llama-3.1-8B"
    with pytest.raises(InputError, match=r"is Skywork-Reward-V2, .*: use judge type scalar"):
        Judge(FakeBackend("", name=model))
    assert Judge(FakeBackend("", name=model), dialect="grm").info.dialect == "grm"


def test_find_name() -> None:
    assert find_name("con-j") == find_name("ZiyiYe/Con-J-Qwen2-7B")
    with pytest.raises(InputError, match="no model 'klingon' in the zoo; give owner/name, or one"):
        find_name("klingon")


def test_the_docs_page_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "zoo.py"))["page"]()
    assert (ROOT / "docs" / "zoo.md").read_text("utf-8") == made


def test_command_line() -> None:
    listed = deemster("zoo", "list", "--json")
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [row["name"] for row in rows] == [entry.name for entry in zoo_entries()]
    assert "Selene" in deemster("zoo", "list").stdout
    shown = deemster("zoo", "show", "glider").stdout
    assert "licence: CC-BY-NC-4.0\n" in shown
    assert "prompt hash: unknown\n" in shown
    assert json.loads(deemster("zoo", "show", R3, "--json").stdout)["dialect"] == "r3"
    wrong = deemster("zoo", "show", "klingon")
    assert wrong.returncode == 2
    assert "no model 'klingon' in the zoo" in one_line(wrong)
