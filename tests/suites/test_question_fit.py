"""`deemster decision fit`: weights out of a run or a file, and their use by a judge."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.decision_server import DecisionServer

from deemster.backends import FakeBackend
from deemster.backends.decision_file import DecisionFile, read_questions
from deemster.errors import InputError
from deemster.judges import DecisionJudge
from deemster.suites.loading import load_suite
from deemster.suites.question_fit import fit_questions
from deemster.suites.store import RunStore

N = 24
SUITE = """
name: asked
data: {{path: samples.jsonl}}
judges:
  - {{name: fast, type: decision, model: "decisions:hosted_vllm/small", {what},
     options: {{api_base: "{url}", prices: {{tokens_in: 0.1, tokens_out: 0}}}}}}
"""
BOTH = "ask: predicate, principles: [{name: Right, description: it is so}, {name: Loud}]"


def answer(text: str, question: dict[str, Any]) -> list[float]:
    """Knows what is right, and hears a din that says nothing."""
    place = int(question["instructions"].split("response ")[1].split()[0])
    shown = text.split("BEGIN RESPONSE")[place]
    if "Right" in question["instructions"]:
        yes = 0.8 if "good" in shown else 0.6
    else:
        yes = random.Random(shown.split(">>>")[1].split("<<<")[0]).random()
    return [yes, 1 - yes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {
            "id": str(i), "query": f"Query {i}",
            "responses": [f"{'good' if (i + r) % 2 else 'bad'} {i} {r}" for r in range(2)],
        }
        for i in range(N)
    ]  # fmt: skip
    labels = [{"id": str(i), "best": (i + 1) % 2} for i in range(N)]
    for name, lines in (("samples", rows), ("labels", labels)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text)
    return tmp_path


def judged(folder: Path, what: str, out: str) -> dict[str, Any]:
    with DecisionServer(answer) as server:
        suite = folder / f"{out}.yaml"
        suite.write_text(SUITE.format(what=what, url=server.url))
        done = deemster("run", str(suite), "--out", str(folder / out), "--trust-suite")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / out / "summary.json").read_text())
    return found


def test_from_a_run_to_the_judge_that_weighs_its_questions(folder: Path) -> None:
    judged(folder, BOTH, "first")
    file = folder / "fitted" / "decision.json"
    done = deemster(
        "decision", "fit", str(folder / "first"), "--labels", str(folder / "labels.jsonl"),
        "-o", str(file), "--folds", "6",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{N} items, {N} comparisons, 6 folds" in done.stderr
    assert "fitted weights order responses better than equal ones" in done.stderr
    assert "fitted less equal" in done.stdout
    weighed = read_questions(file)
    assert weighed.ask == "predicate"
    assert [one.name for one in weighed.principles] == ["Right", "Loud"]
    assert weighed.principles[0].description == "it is so"
    right, loud = (one.weight for one in weighed.principles)
    assert right > 0.8
    assert right + loud == pytest.approx(1)
    again = judged(folder, "questions: fitted/decision.json", "second")
    assert again["per_item"]["cost"] > 0
    lines = (folder / "labels.jsonl").read_text().splitlines()
    labels = {row["id"]: row["best"] for row in map(json.loads, lines)}
    hits: dict[str, int] = {}
    for name in ("first", "second"):
        with RunStore(folder / name) as store:
            hits[name] = sum(v.best == labels[s.id] for s, v in store.verdicts(0))
    assert hits["second"] == N > hits["first"]


def write(tmp_path: Path, *rows: dict[str, Any], name: str = "rows") -> Path:
    path = tmp_path / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def noise(seed: int, *, n: int = 60) -> list[dict[str, Any]]:
    """Two questions that say the same of the better response, and stutter alike."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        best = rng.randrange(2)
        values = {
            name: [min(1.0, 0.3 * (r == best) + 0.7 * rng.random()) for r in range(2)]
            for name in ("a", "b")
        }
        rows.append({"id": i, "values": values, "best": best})
    return rows


def test_a_null_result_is_said_as_such(tmp_path: Path) -> None:
    found = fit_questions(write(tmp_path, *noise(0)), ask="choice")
    assert found.weighed.ask == "choice"
    assert found.gain.accuracy.low is not None
    assert found.gain.accuracy.low <= 0
    assert "not shown to be better" in found.finding or "picked equal weights" in found.finding


def test_a_question_without_weight_is_not_asked_any_more(tmp_path: Path) -> None:
    rows = noise(0)
    for row in rows:
        row["values"]["b"] = [1 - value for value in row["values"]["a"]]
    found = fit_questions(write(tmp_path, *rows))
    assert [one.weight for one in found.questions] == [1.0, 0.0]
    assert [one.name for one in found.weighed.principles] == ["a"]


def test_a_file_that_is_there_keeps_its_labels(tmp_path: Path) -> None:
    DecisionFile(labels={"choice": ("a", "b")}, temperature={"noul": 2.0}).write(tmp_path)
    file = tmp_path / "decision.json"
    rows = write(tmp_path, *noise(0))
    done = deemster("decision", "fit", str(rows), "-o", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["items"] == 60
    kept = DecisionFile.read(tmp_path)
    assert (kept.labels, kept.temperature) == ({"choice": ("a", "b")}, {"noul": 2.0})
    assert kept.questions is not None


GOOD = {"id": 1, "values": {"a": [0.1, 0.2]}, "best": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"values": {}}, "'values' must map each question", id="no questions"),
        pytest.param({"values": {"a": [0.1, 1.2]}}, "numbers from 0 to 1", id="over 1"),
        pytest.param({"values": {"a": [0.1, None]}}, "numbers from 0 to 1", id="missing"),
        pytest.param({"values": {"b": [0.1, 0.2]}}, "the first row to ['a']", id="another"),
        pytest.param(
            {"values": {"a": [0.1], "b": [1, 0]}}, "one answer for each response", id="uneven"
        ),
        pytest.param({"best": 2}, "best is 2, but there are 2 responses", id="no such response"),
        pytest.param({"best": -1}, "needs 'best', the index", id="negative"),
        pytest.param({"best": None, "ground_truth": [1]}, "1 labels for 2", id="few labels"),
    ],
)
def test_a_row_that_is_wrong_is_one_error(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, GOOD, {**GOOD, **change})
    assert message in one_line(deemster("decision", "fit", str(path)))


def test_what_is_no_decision_judge_has_no_questions(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\ndata: {path: d.jsonl}\njudges: [{name: j, model: 'fake:Scores: \\boxed{8, 2}'}]"
    )
    write(tmp_path, {"query": "q", "responses": ["a", "b"], "ground_truth": [1, 0]}, name="d")
    assert deemster("run", str(tmp_path / "s.yaml"), "-o", str(tmp_path / "r")).returncode == 0
    assert "judge 'j' of" in one_line(deemster("decision", "fit", str(tmp_path / "r")))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"questions": "none"}, "no decision.json at", id="no file"),
        pytest.param({"questions": ".", "ask": "choice"}, "not both", id="with ask"),
        pytest.param({"questions": ".", "principles": "helpfulness"}, "not both", id="principles"),
        pytest.param({"questions": "."}, "has no questions", id="no questions"),
    ],
)
def test_questions_that_cannot_be_asked_are_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    DecisionFile().write(tmp_path)
    with pytest.raises(InputError, match=message):
        DecisionJudge(FakeBackend(""), **given)


def test_a_suite_takes_questions_or_principles(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\ndata: {path: d.jsonl}\n"
        "judges: [{type: decision, model: nano, questions: x, ask: choice}]"
    )
    with pytest.raises(InputError, match="give questions, or ask and principles, not both"):
        load_suite(tmp_path / "s.yaml", environment={})
