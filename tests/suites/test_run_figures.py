"""What a run says about itself: why votes failed, judges side by side, thresholds, changes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deemster.cli.summary import show_judges, show_summary, show_thresholds
from deemster.errors import InputError
from deemster.schemas import Failure, JudgeInfo, Judgment, Sample, Verdict, Vote
from deemster.suites.loading import load_suite
from deemster.suites.metrics import FailureReasons, Item, Standing, standings, summarise
from deemster.suites.overrides import parse_override
from deemster.suites.runner import run_suite

INFO = JudgeInfo(name="j", model="fake:m", k=2)


def failed(*messages: str, sample: str = "s", raw: str = "") -> tuple[Sample, Verdict]:
    votes: tuple[Vote, ...] = tuple(
        Failure(status="parse_error", message=message, draw=draw, raw=raw)
        for draw, message in enumerate(messages)
    )
    verdict = Verdict(
        rewards=None, best=None, ranking=None, votes=votes, k=len(votes), n_valid=0, judge=INFO
    )
    return Sample(id=sample, query="q", responses=("a", "b")), verdict


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("no score in 'x'", "no score in 'a longer text'", True, id="quoted"),
        pytest.param('no score in "it\'s"', "no score in 'x'", True, id="either-quote"),
        pytest.param(r"text ending 'don\'t'", "text ending 'y'", True, id="escaped-quote"),
        pytest.param("3 scores for 2 responses", "1 scores for 2 responses", True, id="numbers"),
        pytest.param("the provider's limit", "the provider's fault", False, id="apostrophes"),
        pytest.param("no score", "no principle", False, id="words"),
    ],
)
def test_reasons_that_differ_in_values_are_one(one: str, other: str, same: bool) -> None:
    reasons = FailureReasons()
    reasons.add(*failed(one, other))
    assert len(reasons.commonest()) == (1 if same else 2)


def test_the_commonest_reasons_with_a_vote_each_whatever_the_order() -> None:
    rows = [
        failed("a 1", "b", sample="2", raw="two"),
        failed("a 2", "c", "d", sample="1", raw="one"),
        failed("d", "d", "c", sample="3", raw="three"),
    ]
    forth, back = FailureReasons(), FailureReasons()
    for row in rows:
        forth.add(*row)
    for row in reversed(rows):
        back.add(*row)
    found = forth.commonest()
    assert found == back.commonest()
    assert [(one.message, one.count, one.sample, one.draw, one.raw) for one in found] == [
        ("d", 3, "1", 2, "one"),
        ("a 2", 2, "1", 0, "one"),
        ("c", 2, "1", 1, "one"),
    ]


def items(rights: list[int | None]) -> list[Item]:
    nan = float("nan")
    return [
        Item.from_scores(
            str(i),
            [[nan, nan] if right is None else [right, 0.5]],
            ground_truth=(1, 0),
        )
        for i, right in enumerate(rights)
    ]


def ranked(**runs: list[Item]) -> list[Standing]:
    return list(standings(runs, {name: summarise(run) for name, run in runs.items()}))


def test_leaving_items_out_does_not_win() -> None:
    picky, steady = items([1, None, None, None]), items([1, 1, 1, 0])
    best, second = ranked(picky=picky, steady=steady)
    assert (best.judge, second.judge) == ("steady", "picky")
    assert best.figure is not None
    assert second.figure is not None
    assert (best.figure.value, second.figure.value) == (0.75, 0.25)
    assert best.against_best is None
    assert second.against_best is not None
    assert second.against_best.difference.n == 1  # only what both scored


def test_judges_without_truth_have_no_standings() -> None:
    run = [Item.from_scores("1", [[1, 2]])]
    assert ranked(a=run, b=run) == []


def test_the_cap_of_kendall() -> None:
    def one(truth: tuple[float, ...]) -> list[Item]:
        return [Item.from_scores("1", [[4, 3, 2, 1]], ground_truth=truth)]

    tied = summarise(one((1, 0, 0, 0)))
    assert tied.kendall is not None
    assert tied.kendall.value == pytest.approx(0.5**0.5)
    assert tied.kendall_cap == tied.kendall.value  # a perfect ranking reaches the cap
    assert summarise(one((4, 3, 2, 1))).kendall_cap is None


def test_a_macro_accuracy_over_single_items_has_no_interval() -> None:
    run = [
        Item.from_scores(name, [[1, 0]], ground_truth=(1, 0), subset=name) for name in ("a", "b")
    ]
    macro = summarise(run).macro
    assert macro is not None
    assert (macro.value, macro.low, macro.high) == (1.0, None, None)


SUITE = r"""
name: s
data:
  samples:
    - {query: "${HOME} costs $${x}", responses: [a, b], ground_truth: [1, 0]}
    - {query: q, responses: [a, b], ground_truth: [0, 1]}
judges:
  - {name: good, model: 'fake:Scores: \boxed{7, 3}', orders: fixed}
  - {name: bad, model: 'fake:no scores', orders: fixed, k: 2}
  - {name: both, type: panel, members: [good, bad]}
matrix: {temperature: [0.5]}
thresholds: {accuracy: ">= 50%"}
"""


def written(tmp_path: Path, text: str = SUITE) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_summary_json_explains_itself(tmp_path: Path) -> None:
    result = await run_suite(load_suite(written(tmp_path)), tmp_path / "run")
    found = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    bad = found["judges"]["bad temperature=0.5"]
    (reason,) = bad["failure_reasons"]
    assert (reason["count"], reason["raw"], reason["sample"]) == (4, "no scores", "0")
    assert [one["judge"] for one in found["standings"]][-1] == "bad temperature=0.5"
    assert [(one["judge"], one["passed"]) for one in found["thresholds"]] == [
        ("good temperature=0.5", True), ("bad temperature=0.5", False), ("both", True),
    ]  # fmt: skip
    assert len(result.broken) == 1
    assert "accuracy does not exist" in result.broken[0]


def test_variables_stay_out_of_the_data(tmp_path: Path) -> None:
    text = SUITE.replace("name: s", "name: n $${NAME}")
    suite = load_suite(written(tmp_path, text), environment={"NAME": "n"})
    assert suite.spec.name == "n ${NAME}"
    assert next(suite.samples()).query[0].text == "${HOME} costs $${x}"


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        pytest.param("judge.k=3", "judges.0.k", 3, id="judges"),
        pytest.param("judge.model=fake:x", "judges.1.model", "fake:x", id="a-text"),
        pytest.param("judge.options.rate=5", "judges.0.options.rate", 5, id="nested"),
        pytest.param("judge.temperature=0", "matrix", {}, id="out-of-the-matrix"),
        pytest.param("data.limit=1", "data.limit", 1, id="data"),
        pytest.param("seed=7", "seed", 7, id="top"),
        pytest.param("budget.calls=9", "budget.calls", 9, id="new-mapping"),
    ],
)
def test_changes(change: str, path: str, value: object, tmp_path: Path) -> None:
    suite = load_suite(written(tmp_path), overrides=[parse_override(change)])
    found: Any = suite.written
    for key in path.split("."):
        found = found[int(key) if key.isdigit() else key]
    assert found == value
    assert len(list(suite.samples())) == (1 if change == "data.limit=1" else 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param("judge.k", "not KEY=VALUE", id="no-value"),
        pytest.param(
            "judge.k=0", r"greater than or equal to 1, got 0 .*with judge.k=0", id="wrong"
        ),
        pytest.param("judge.votes=3", "no judge .* setting 'judge.votes'; known: ", id="no-key"),
        pytest.param("judge=3", "no judge of the suite has a setting", id="no-setting"),
        pytest.param("name.x=3", "'name' holds no settings", id="through-a-text"),
        pytest.param("data=3", "name a setting in it", id="whole"),
        pytest.param("judge.k=[", "--set judge.k:1: not YAML", id="not-yaml"),
        pytest.param("beauty=3", "unknown key 'beauty'", id="unknown"),
    ],
)
def test_wrong_changes(change: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        load_suite(written(tmp_path), overrides=[parse_override(change)])


@pytest.mark.parametrize("asked", [">= 80", "<= 1.5", "> 100%", "< 0%", "== 250%"])
def test_a_threshold_that_no_figure_meets_is_refused(asked: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"suite.yaml:\d+: thresholds.accuracy: .*from 0 to 1"):
        load_suite(written(tmp_path, SUITE.replace(">= 50%", asked)))


def test_a_terminal_says_what_figures_rest_on() -> None:
    rows = [
        Item.from_scores(
            str(i), [[1, 0] if i % 3 else [float("nan")] * 2], ground_truth=(1, 0),
            subset="small" if i < 9 else "large",
        )
        for i in range(60)
    ]  # fmt: skip
    out = Console(file=io.StringIO(), width=100, force_terminal=True)
    show_summary(summarise(rows), out)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    for part in ("of 40 scored items", "66.67%", "of all 60 items", "fewer than 20 items"):
        assert part in text
    grey = "\x1b[2m"
    lines = {line.split()[0]: line for line in text.splitlines() if "%" in line and "small" in line}
    assert any(grey in line for line in lines.values())
    (large,) = [line for line in text.splitlines() if "large" in line]
    assert grey not in large


@pytest.mark.parametrize(("width", "below"), [(120, False), (70, True)])
def test_names_of_judges_are_never_broken(width: int, below: bool) -> None:
    names = ("a careful judge", "a careless one")
    items = [Item.from_scores(str(i), [[1, 0]], ground_truth=(1, 0)) for i in range(40)]
    summaries = {name: summarise(items) for name in names}
    out = Console(file=io.StringIO(), width=width)
    show_judges(standings(dict.fromkeys(names, items), summaries), summaries, out)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    for place, name in enumerate(names, 1):
        assert name in text
        assert (f"{place}: {name}" in text) is below


def test_no_empty_tables() -> None:
    out = Console(file=io.StringIO(), width=100)
    show_summary(summarise([]), out)
    show_thresholds((), out)
    show_judges((), {}, out)
    assert isinstance(out.file, io.StringIO)
    assert "─" not in out.file.getvalue()


def test_judgments_are_no_failures() -> None:
    vote = Judgment(scores=(1.0, 2.0))
    verdict = Verdict(
        rewards=(1, 2), best=1, ranking=(1, 0), votes=(vote,), k=1, n_valid=1, judge=INFO
    )
    reasons = FailureReasons()
    reasons.add(Sample(id="s", query="q", responses=("a", "b")), verdict)
    assert reasons.commonest() == ()
