"""Stored runs joined into a panel: the same verdicts as live, copies, weights, fewest members."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.support.command_line import deemster

from deemster.aggregators import Sum
from deemster.backends import FakeBackend, Request
from deemster.errors import InputError
from deemster.judges import Judge, Panel, PanelWeights, decide
from deemster.schemas import JudgeInfo, Judgment, Sample, Usage
from deemster.suites.diagnosing import diagnose_run, gain_of_answering
from deemster.suites.metrics import Bootstrap, Item, stable_errors
from deemster.suites.panel_report import conditional_logit, effective_number, report_panel
from deemster.suites.panels import load_panel
from deemster.suites.store import RunStore

FEW = Bootstrap(resamples=100)


def write(
    directory: Path,
    scores: Sequence[np.ndarray],
    *,
    name: str = "j",
    places: int = 0,
    usage: Usage | None = None,
) -> Path:
    """A run of pairs from (votes, 2) scores; the first response is better unless `places`."""
    info = JudgeInfo(name=name, model=name, k=len(scores[0]), aggregator="sum()")
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        with store.transaction():
            for i, table in enumerate(scores):
                votes = [
                    Judgment(
                        scores=tuple(map(float, row)), draw=d, judge=name, usage=usage or Usage()
                    )
                    for d, row in enumerate(table)
                ]
                truth = (0, 1) if places and i % places == 0 else (1, 0)
                sample = Sample(id=f"{i}", query="q", responses=("a", "b"), ground_truth=truth)
                store.add_in_transaction(i, sample)
                verdict = decide(votes, n=2, k=len(votes), reducer=Sum(), info=info)
                store.put_in_transaction(0, i, verdict)
    return directory


def leads(
    rng: np.random.Generator,
    own: np.ndarray,
    *,
    k: int = 4,
    noise: float = 0.5,
) -> list[np.ndarray]:
    """Votes of a judge that sees the first response ahead by `own` (items,)."""
    drawn = own[:, None] + noise * rng.standard_normal((len(own), k))
    return [np.stack([5 + row, 5 - row], axis=1) for row in drawn]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two independent judges, a copy of the first, and a poor one."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    one, two, poor = (rng.standard_normal(300) + shift for shift in (1.0, 1.0, 0.1))
    made = {"one": one, "two": two, "copy": one, "poor": poor}
    return {name: write(folder / name, leads(rng, own), name=name) for name, own in made.items()}


def test_copies_are_found_and_count_as_one(runs: dict[str, Path]) -> None:
    panel = load_panel([runs["one"], runs["copy"], runs["two"]])
    report = report_panel(panel, bootstrap=FEW)
    assert {(one.first, one.second) for one in report.pairs if one.copies} == {("one", "copy")}
    assert report.effective.value is not None
    assert report.effective.value < 2.1
    assert "copy" not in report.smallest or "one" not in report.smallest


def test_labels_take_weight_from_a_poor_judge(runs: dict[str, Path]) -> None:
    report = report_panel(load_panel([runs["one"], runs["two"], runs["poor"]]), bootstrap=FEW)
    weights = report.weights.weights
    assert weights["poor"] < 0.7 < weights["one"]
    assert report.gain.n == 300
    assert "poor" not in report.smallest


@pytest.mark.parametrize("penalty", [1.0, 1e6], ids=["labels", "shrunk"])
def test_weights_shrink_to_equal(penalty: float) -> None:
    rng = np.random.default_rng(1)
    table = rng.standard_normal((200, 2, 3))
    table[:, 0, 0] += 1.5
    weights = conditional_logit(table, penalty)
    equal = bool(abs(weights[0] - weights[1]) < 0.05 * weights.mean())
    assert equal is (penalty > 1)


def test_effective_number_of_independent_and_of_equal_judges() -> None:
    rng = np.random.default_rng(2)
    apart = (rng.random((4000, 4)) < 0.2).astype(float)
    same = np.repeat(apart[:, :1], 4, axis=1)
    assert effective_number(apart, bootstrap=FEW).value == pytest.approx(4, abs=0.25)
    assert effective_number(same, bootstrap=FEW).value == pytest.approx(1)


async def test_a_joined_run_is_what_the_live_panel_says(tmp_path: Path) -> None:
    """The same answers, bought once by two judges and once by the panel of both."""

    def judge(name: str, better: str) -> Judge:
        def script(request: Request, _draw: int) -> str:
            text = request.messages[-1].text
            order = sorted(("alpha", "beta"), key=text.index)
            scores = ", ".join("8" if answer == better else "5" for answer in order)
            return f"Specific Criteria:\n1. X (weight: 100%): y\n\nScores: \\boxed{{{scores}}}"

        return Judge(FakeBackend(script, name=name), k=2, name=name)

    members = [judge("x", "alpha"), judge("y", "alpha"), judge("z", "beta")]
    sample = Sample(id="s", query="q", responses=("alpha", "beta"), ground_truth=(1, 0))
    for member in members:
        with RunStore(tmp_path / member.name, write=True) as store:
            store.set_judges([member.info])
            store.add_samples([sample])
            store.put(0, 0, await member.score("q", ["alpha", "beta"]))
    weights = PanelWeights(method="logistic", weights={"x": 1.0, "y": 1.0, "z": 5.0}, items=9)
    for given in (None, weights):
        live = await Panel(members, weights=given).score("q", ["alpha", "beta"])
        panel = load_panel([tmp_path / name for name in "xyz"])
        info, rows = panel.verdicts(weights=given)
        ((_, joined),) = rows
        assert joined.rewards == pytest.approx(live.rewards)
        assert joined.best == live.best == (0 if given is None else 1)
        assert info == live.judge


def test_the_command(runs: dict[str, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    sided = write(tmp_path / "sided", leads(rng, np.full(300, 3.0)), name="sided", places=2)
    one = write(tmp_path / "other", leads(rng, rng.standard_normal(300)), places=2)
    out, weights = tmp_path / "joined", tmp_path / "w.json"
    done = deemster(
        "panel", str(sided), str(one), "--votes", "2", "-o", str(out), "--weights", str(weights)
    )
    assert done.returncode == 0, done.stderr
    assert (
        "sided is one-sided: it finds the best far more often where that is response 1 of the data"
        in done.stderr
    )
    assert PanelWeights.load(weights).items == 300
    with RunStore(out) as store:
        assert store.judges()[0].model == "panel"
        assert len(list(store.verdicts(0))) == 300
    again = deemster("panel", str(runs["one"]), str(runs["one"]))
    assert "is given twice; a copy adds nothing" in again.stderr


@pytest.mark.parametrize(
    ("usage", "cost", "shown"),
    [
        pytest.param(Usage(calls=1, cost=0.0), 0.0, "$0", id="local"),
        pytest.param(Usage(calls=1, cost=0.25), 0.5, "$0.5", id="paid"),
        pytest.param(Usage(cost=0.25), 0.5, "$0.5", id="paid-elsewhere"),
        pytest.param(Usage(calls=1, cost=None), None, "unknown", id="no-price"),
        pytest.param(Usage(), None, "unknown", id="no-call-on-record"),
    ],
)
def test_what_an_item_cost(
    usage: Usage, cost: float | None, shown: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    run = write(tmp_path / "run", [np.array(RIGHT)] * 300, name="known", usage=usage)
    panel = load_panel([run, runs["two"]])
    assert panel.members[0].cost_per_item(panel.keys) == cost
    done = deemster("panel", str(run), str(runs["two"]))
    row = next(line.split() for line in done.stdout.splitlines() if "known" in line.split())
    assert row[2] == shown


def test_what_would_help_a_judge(runs: dict[str, Path]) -> None:
    found = diagnose_run(runs["one"], [runs["two"], runs["copy"]], bootstrap=FEW)
    gains = {one.what: one.gain.value or 0.0 for one in found.remedies}
    assert gains["two too, all votes of both"] > 0.03 > gains["copy too, all votes of both"]
    assert abs(gains["twice the votes: 8"]) < 0.03
    assert [one.gain.value for one in found.remedies] == sorted(gains.values(), reverse=True)
    assert {one.what: one.votes for one in found.remedies}["two too, half of the votes"] == 4
    assert found.effective_votes is not None
    assert found.effective_votes.value is not None
    assert 1 <= found.effective_votes.value < 4
    done = deemster("diagnose", str(runs["one"]), str(runs["two"]))
    assert done.returncode == 0, done.stderr
    assert "two too, half of the votes" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("ks", "votes"),
    [
        pytest.param((4, 4), {"all votes of both": 8, "half of the votes": 4}, id="as-many"),
        pytest.param((8, 2), {"all votes of both": 10, "half of the votes": 5}, id="fewer-beside"),
        pytest.param((2, 9), {"all votes of both": 11, "half of the votes": 5}, id="more-beside"),
        pytest.param((8, 1), {"all votes of both": 9}, id="a-single-one-beside"),
        pytest.param((1, 8), {"all votes of both": 9}, id="beside-a-single-one"),
    ],
)
def test_another_judge_is_tried_with_the_votes_that_are_said(
    ks: tuple[int, int], votes: dict[str, int], tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    scores = [leads(rng, rng.standard_normal(200) + 0.5, k=k, noise=2) for k in ks]

    def runs(kept: Sequence[int]) -> list[Path]:
        return [
            write(
                tmp_path / f"{name}-{n}", [one[:n] for one in given], name=name,
                usage=Usage(calls=1, cost=0.5),
            )
            for name, given, n in zip(("own", "other"), scores, kept, strict=True)
        ]  # fmt: skip

    every = runs(ks)
    found = diagnose_run(every[0], every[1:], bootstrap=FEW).remedies
    tried = {one.what.removeprefix("other too, "): one for one in found if "too," in one.what}
    assert {what: one.votes for what, one in tried.items()} == votes
    assert {what: one.cost for what, one in tried.items()} == {
        what: 0.5 * n for what, n in votes.items()
    }
    panels = {"all votes of both": every}
    if min(ks) > 1:
        panels["half of the votes"] = runs([k // 2 for k in ks])
    assert {what: one.accuracy for what, one in tried.items()} == {
        what: report_panel(load_panel(panel), bootstrap=FEW).equal for what, panel in panels.items()
    }


def test_doubling_that_changes_nothing_may_help_or_harm(tmp_path: Path) -> None:
    found = diagnose_run(write(tmp_path / "run", [np.array([[9, 1]] * 4)] * 30), bootstrap=FEW)
    (twice,) = (one for one in found.remedies if one.what == "twice the votes: 8")
    unseen = 1 - 0.025 ** (1 / 30)
    assert twice.gain.value == 0
    assert (twice.gain.low, twice.gain.high) == pytest.approx((-unseen, unseen))


@pytest.mark.parametrize("share", [0.95, 0.9, 0.7])
def test_answering_a_part_that_is_no_better_gains_nothing_for_sure(share: float) -> None:
    """The interval of a difference of shares, one of which is within the other."""
    right, answered = np.zeros(1000), np.zeros(1000)
    right[: round(1000 * share)] = 1
    answered[np.arange(1000) % 5 > 0] = 1
    found = gain_of_answering(right, answered, Bootstrap(resamples=4000))
    width = 2 * 1.96 * (share * (1 - share) * (1 / 800 - 1 / 1000)) ** 0.5
    assert found.value == 0
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(width, rel=0.1)


RIGHT, WRONG, TIED = ([[8, 2], [8, 2]], [[2, 8], [2, 8]], [[5, 5], [5, 5]])
ALIKE = "all verdicts look alike; nothing tells a sure one from an unsure one"
TOLD_APART = "nothing in the votes tells the labelled best response from the others"
LEARNED, ABSTAIN = "labels: aggregator learned", "labels: abstain on the least sure 20%"


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        pytest.param([RIGHT, WRONG, RIGHT] * 30, {ABSTAIN: ALIKE}, id="same-margin"),
        pytest.param([[[8, 2]], [[2, 8]]] * 30, {ABSTAIN: ALIKE, LEARNED: TOLD_APART}, id="chance"),
        pytest.param(
            [[[9, 1], [7, 3]], *[RIGHT, WRONG, RIGHT] * 30], {ABSTAIN: ALIKE}, id="but-for-one"
        ),
        pytest.param(
            [TIED] * 60,
            {ABSTAIN: "the judge got 0 of 60 right", LEARNED: TOLD_APART},
            id="all-tied",
        ),
        pytest.param([RIGHT] * 60, {ABSTAIN: "the judge got 60 of 60 right"}, id="all-right"),
    ],
)
def test_what_cannot_be_tried_says_why(
    scores: list[list[list[int]]], why: dict[str, str], tmp_path: Path
) -> None:
    run = write(tmp_path / "run", [np.array(one) for one in scores])
    found = diagnose_run(run, bootstrap=FEW)
    assert found.accuracy.n == len(scores)
    untried = {one.what: one.note for one in found.remedies if one.gain.value is None}
    assert untried.keys() == why.keys()
    assert all(untried[what].startswith(text) for what, text in why.items())
    assert [one.what in why for one in found.remedies] == sorted(
        one.what in why for one in found.remedies
    )
    done = deemster("diagnose", str(run), env={"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert ABSTAIN in " ".join(done.stdout.split())


def test_runs_of_other_samples_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    with RunStore(tmp_path, write=True) as store:
        store.set_judges([JudgeInfo(name="x", model="x")])
    with pytest.raises(InputError, match="share no sample"):
        load_panel([runs["one"], tmp_path])


# --- stable errors ------------------------------------------------------------------------------


def test_stable_errors_are_those_that_votes_would_repeat() -> None:
    def item(key: str, *pairs: tuple[int, int]) -> Item:
        return Item.from_scores(key, pairs, ground_truth=(1, 0))

    items = [
        item("right", (9, 2), (9, 2)),
        item("stable", (2, 9), (2, 9), (3, 8), (1, 9)),
        item("wavering", (2, 9), (8, 4), (7, 3), (1, 9), (5, 6)),
        item("tied", (2, 9), (9, 2)),
        item("one vote", (2, 9)),
    ]
    found = stable_errors(items)
    assert found is not None
    assert (found.value, found.n) == (0.5, 2)
    assert stable_errors(items[:1]) is None
