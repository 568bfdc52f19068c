"""Models that give numbers on the command line: here, and behind a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.classify_server import ClassifyServer
from tests.support.command_line import deemster, one_line
from tests.support.tiny_heads import save_tiny_head
from tests.support.tiny_model import save_tiny_classifier, save_tiny_model

from deemster.judges.classifier_type import classifier_type
from deemster.zoo import zoo_entries

ASKED = ("-q", "Is 91 prime?", "-r", "Yes.", "-r", "No, it is 7 times 13.")


@pytest.mark.parametrize(
    ("kind", "judge"),
    [
        ("inf-orm", "scalar-rm"),
        ("grm", "scalar-rm"),
        ("armorm", "scalar-rm"),
        ("pairrm", "pair-rm"),
    ],
)
def test_a_folder_says_by_itself_which_judge_it_is(kind: str, judge: str, tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path, kind)
    done = deemster("score", *ASKED, "-m", f"hf:{folder}", "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["judge"]["model"] == f"{judge}:hf:{folder}"
    assert len(set(verdict["rewards"])) == 2
    assert "gives numbers: judge type" in done.stderr


def test_a_server_is_asked_within_its_limits() -> None:
    with ClassifyServer() as server:
        model = f"vllm-classify:{server.root}"
        done = deemster("score", *ASKED, "-m", model, "--json", "--timeout", "5")
        assert json.loads(done.stdout)["ranking"] == [1, 0]
        over = deemster("score", *ASKED, "-m", model, "--json", "--budget", "1calls")
    assert over.returncode == 3
    assert json.loads(over.stdout)["votes"][0]["status"] == "over_budget"


def test_the_judge_option_takes_all_settings() -> None:
    with ClassifyServer(lambda text: [float(len(text)), 1.0]) as server:
        judge = json.dumps(
            {"type": "scalar", "model": f"tei-predict:{server.root}", "reduction": "LABEL_0=-1"}
        )
        done = deemster("score", *ASKED, "--judge", judge, "--json")
    assert json.loads(done.stdout)["ranking"] == [0, 1]


def test_settings_of_models_that_write_are_refused(tmp_path: Path) -> None:
    folder = save_tiny_classifier(tmp_path)
    done = deemster("score", *ASKED, "-m", f"hf:{folder}", "-k", "4")
    assert "--k 4 does not go with model" in one_line(done)
    assert "{type: scalar, model: …}" in one_line(done)


def test_which_models_give_numbers(tmp_path: Path) -> None:
    assert classifier_type(f"hf:{save_tiny_classifier(tmp_path / 'a')}") == "scalar"
    assert classifier_type(f"hf:{save_tiny_model(tmp_path / 'b')}") is None
    assert classifier_type("hf:llm-blender/PairRM-hf") == "pairwise"
    assert classifier_type("hf:BBQGOD/DeepSeek-GRM-27B-MetaRM") is None
    assert classifier_type("hf:gaotang/RM-R1-Qwen2.5-Instruct-7B") is None
    assert classifier_type("openai/gpt-5-mini") is None
    assert classifier_type("tei-predict:http://h") == "scalar"


def test_the_zoo_says_what_opens() -> None:
    for entry in zoo_entries():
        assert (entry.head != "") is (entry.kind == "scalar"), entry.name
        assert entry.opens == "hf" or entry.opening, entry.name
    shown = deemster("zoo", "show", "urm").stdout
    assert "opens: own code\nopening: the layers of its gate are published" in shown
    assert "dialect" not in shown
    assert "head:" not in deemster("zoo", "show", "glider").stdout
    assert "(does not open)" in deemster("zoo", "list", env={"COLUMNS": "300"}).stdout
