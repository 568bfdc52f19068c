"""A `summary.json` that is of another run, changed, cut or missing is not believed, in one line."""

# ruff: noqa: E501 - a table of changes is easier to read in long lines

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import pytest
from tests.support.command_line import deemster

from deemster.suites.run_folder import FILE as STORE
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_run
from deemster.suites.summary_file import Told, read_told

VERDICT = "fake:Analysis: so\nScores: \\boxed{7, 3}"
Change = Callable[[Path, Path], object]


def run(folder: Path, name: str, samples: int) -> Path:
    rows = [
        {"query": f"{name} {i}", "responses": ["a", "b"], "ground_truth": [1, 0]}
        for i in range(samples)
    ]
    suite = {
        "name": name,
        "data": {"samples": rows},
        "judges": {"name": "j", "model": VERDICT},
        "thresholds": {"accuracy": ">= 0.5"},
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(suite), "utf-8")
    done = deemster("run", str(path), "--out", str(folder / name))
    assert done.returncode in (0, 3), done.stderr
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return run(folder, "own", 4), run(folder, "other", 5)


def text(change: Callable[[str], str]) -> Change:
    def changed(own: Path, _other: Path) -> None:
        own.write_text(change(own.read_text("utf-8")), "utf-8")

    return changed


def edit(change: Callable[[Any], object]) -> Change:
    def edited(whole: str) -> str:
        record = json.loads(whole)
        change(record)
        return json.dumps(record)

    return text(edited)


def threshold(**fields: object) -> Change:
    return edit(lambda record: record["thresholds"][0].update(fields))


def before(change: Callable[[Any], object] = lambda _: None) -> Change:
    """As versions before the seal wrote it."""
    return edit(lambda record: (record.pop("seal"), change(record)))


CHANGES: dict[str, tuple[Change, str]] = {
    "missing": (lambda own, _: own.unlink(), "is missing"),
    "empty": (text(lambda _: ""), "not JSON"),
    "cut": (text(lambda whole: whole[: len(whole) // 2]), "not JSON"),
    "no-object": (text(lambda _: "[1]"), "lacks figures"),
    "judges-no-object": (edit(lambda record: record.update(judges=[])), "lacks figures"),
    "no-judges": (edit(lambda record: record.pop("judges")), "lacks figures"),
    "of-another-run": (lambda own, other: copyfile(other, own), "its n is 5, that of the run is 4"),
    "another-judge": (
        edit(lambda record: record.update(judges={"k": record["judges"]["j"]})),
        "of the judges 'k'",
    ),
    "no-thresholds": (edit(lambda record: record.pop("thresholds")), "it was changed"),
    "threshold-lowered": (threshold(asked=">= 0.1"), "it was changed"),
    "threshold-holds": (threshold(passed=True), "it was changed"),
    "threshold-figure": (before(lambda record: record["thresholds"][0].update(found=0.99)), "its accuracy is 0.99"),
    "threshold-of-nothing": (before(lambda record: record["thresholds"][0].update(figure="beauty")), "no figure"),
    "threshold-of-nobody": (before(lambda record: record["thresholds"][0].update(judge="k")), "no judge of the run"),
    "threshold-shape": (before(lambda record: record.update(thresholds=[{"a": 1}])), "0.judge: Field required"),
    "published": (
        edit(lambda record: record["judges"]["j"].update(published={"accuracy": 0.99})),
        "it was changed",
    ),
    "note": (edit(lambda record: record["judges"]["j"].update(notes=["fine"])), "it was changed"),
    "accuracy": (edit(lambda record: record["judges"]["j"].update(accuracy=0.99)), "is 0.99"),
    "before-and-of-another-run": (
        before(lambda record: record["judges"]["j"].update(n=40)), "its n is 40"
    ),
    "seal-of-another-kind": (edit(lambda record: record.update(seal=[1])), "it was changed"),
}  # fmt: skip


def told_of(directory: Path) -> Told:
    with RunStore(directory) as store:
        return read_told(store, summarise_run(store)[0])


@pytest.mark.parametrize(("change", "why"), CHANGES.values(), ids=CHANGES)
def test_what_is_not_believed(
    tmp_path: Path, runs: tuple[Path, Path], change: Change, why: str
) -> None:
    own = copytree(runs[0], tmp_path / "own")
    change(own / "summary.json", runs[1] / "summary.json")
    told = told_of(own)
    assert why in told.problem
    assert len(told.problem.splitlines()) == 1
    assert (told.thresholds, told.noted) == ((), {})


@pytest.mark.parametrize("change", [lambda *_: None, before()], ids=["as-written", "before"])
def test_what_is_believed(tmp_path: Path, runs: tuple[Path, Path], change: Change) -> None:
    own = copytree(runs[0], tmp_path / "own")
    change(own / "summary.json", own)
    told = told_of(own)
    assert told.problem == ""
    assert [one.asked for one in told.thresholds] == [">= 0.5"]


def test_a_report_says_what_it_left_out(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    own = copytree(runs[0], tmp_path / "own")
    copyfile(runs[1] / "summary.json", own / "summary.json")
    done = deemster("report", str(own))
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if line.startswith("deemster: ")]
    assert len(told) == 1, done.stderr
    assert "its n is 5" in told[0]
    made = json.loads((own / "report.json").read_text("utf-8"))
    assert [f"deemster: {line}" for line in made["not_believed"]] == told
    assert made["not_believed"][0] in made["notes"]
    (judge,) = made["judges"]
    assert judge["thresholds"] == []
    assert judge["summary"]["n"] == 4


def test_an_unfinished_run_has_none_yet(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    with RunStore(runs[0]) as store, RunStore(tmp_path, write=True) as begun:
        begun.set_judges(store.judges())
        begun.add_samples(sample for _, sample in store.samples())
        begun.put(0, 0, next(store.verdicts(0))[1])
    assert told_of(tmp_path) == Told()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["compare", "gate", "diagnose", "calibrate", "plan"])
def test_commands_that_decide_read_the_store_alone(
    tmp_path: Path, runs: tuple[Path, Path], command: str
) -> None:
    """None of them says anything else of a run whose other files are gone or of another run."""
    said = []
    for name, other in (("whole", ()), ("foreign", ("summary.json", "suite.json"))):
        own = copytree(runs[0], tmp_path / name / "own")
        for file in other:
            copyfile(runs[1] / file, own / file)
        more = {"compare": [str(runs[0])], "gate": [str(runs[0])],
                "plan": ["--effect", "20%"]}.get(command, [])  # fmt: skip
        given = ["--judge", str(own)] if command == "plan" else [str(own)]
        done = deemster(command, *given, *more, "--json")
        said.append(
            (done.returncode, *(one.replace(name, "") for one in (done.stdout, done.stderr)))
        )
    assert said[0] == said[1]
    assert (tmp_path / "whole" / "own" / STORE).exists()
