"""The summary of a run: the contract's fields, determinism, speed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from deemster.aggregators import Mean, Sum
from deemster.schemas import Failure, JudgeInfo, Judgment, Sample, Usage, Verdict, Vote
from deemster.suites.metrics import Bootstrap, Item, Summary, accuracy, is_binary, summarise
from deemster.suites.thresholds import figure_of

QUICK = Bootstrap(resamples=100)
JUDGE = JudgeInfo(name="j", model="fake/model", k=4)


def judged(number: int, rng: np.random.Generator, *, k: int = 4) -> Item:
    votes: list[Vote] = []
    for draw in range(k):
        order = (0, 1) if draw % 2 else (1, 0)
        if rng.random() < 0.1:
            votes.append(Failure(status="parse_error", message="?", draw=draw, order=order))
        else:
            scores = tuple(int(s) for s in rng.integers(1, 11, 2))
            meta = float(rng.random())
            votes.append(Judgment(scores=scores, draw=draw, order=order, meta_reward=meta))
    rewards = Sum()(votes)
    sample = Sample(
        id=f"{number:05d}", query="q", responses=("a", "b"), ground_truth=(1, 0),
        subset=f"part{number % 3}",
    )  # fmt: skip
    verdict = Verdict(
        rewards=rewards, best=None, ranking=None, votes=tuple(votes), k=k,
        confidence=None if rewards is None else float(rng.choice([0.5, 0.75, 1.0])),
        n_valid=sum(isinstance(vote, Judgment) for vote in votes),
        usage=Usage(calls=k, tokens_out=10 * k, cost=0.1), judge=JUDGE,
    )  # fmt: skip
    return Item.from_verdict(sample, verdict)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    rng = np.random.default_rng(0)
    return [judged(number, rng) for number in range(200)]


@pytest.fixture(scope="module")
def summary(items: list[Item]) -> Summary:
    return summarise(items, judge=JUDGE, bootstrap=QUICK)


def test_contract_fields(items: list[Item], summary: Summary) -> None:
    found = json.loads(summary.model_dump_json())
    assert found["n"] == 200
    assert found["n_scored"] == sum(item.scored for item in items)
    whole = accuracy(items, bootstrap=QUICK)
    assert found["accuracy"] == whole.scored.value
    assert found["ci95"] == [whole.scored.low, whole.scored.high]
    assert found["ties"] == whole.ties > 0
    assert list(found["curve"]) == ["vote", "meta"]
    assert list(found["curve"]["vote"]) == list(found["curve"]["meta"]) == ["1", "2", "4"]
    assert found["curve"]["vote"]["4"] == found["accuracy"]
    assert found["curve"]["vote"]["1"] == found["curve"]["meta"]["1"]
    part = [item for item in items if item.subset == "part1"]
    assert found["by"]["part1"] == accuracy(part, bootstrap=QUICK).scored.value
    assert list(found["by"]) == ["part0", "part1", "part2"]
    assert found["usage"]["calls"] == 800
    assert found["judge"]["model"] == "fake/model"


def test_further_fields(items: list[Item], summary: Summary) -> None:
    failed = sum(status is not None for item in items for status in item.statuses)
    assert summary.failures == {"parse_error": failed}
    assert failed > 0
    assert (summary.n_votes, summary.samples_per_item) == (800, 4.0)
    assert summary.position_consistency is not None
    assert summary.position_consistency.by_item.n > 150
    assert summary.calibration is not None
    assert sum(b.n for b in summary.calibration.curve) == summary.n_scored
    assert summary.macro is not None
    # Pairs have no lists, no single responses, no true ties.
    assert summary.pairwise is summary.kendall is summary.roc_auc is summary.with_ties is None


def test_same_votes_same_bytes(items: list[Item], summary: Summary) -> None:
    again = summarise(items[::-1], judge=JUDGE, bootstrap=QUICK)
    assert again.model_dump_json() == summary.model_dump_json()
    assert Summary.model_validate_json(summary.model_dump_json()) == summary


def test_single_responses() -> None:
    items = [Item.from_scores(str(i), [[i % 7]], ground_truth=(float(i % 2),)) for i in range(40)]
    found = summarise(items, bootstrap=QUICK)
    assert (found.n, found.n_scored, found.accuracy, found.ci95) == (40, 40, None, None)
    assert found.roc_auc is not None
    assert found.roc_auc.n == 40
    assert found.spearman is None
    assert found.curve == {"vote": {}, "meta": {}}
    graded = [Item.from_scores(str(i), [[i]], ground_truth=(i / 7,)) for i in range(40)]
    found = summarise(graded, bootstrap=QUICK)
    assert found.spearman is not None
    assert found.spearman.value == pytest.approx(1.0)
    assert found.roc_auc is None


def yes_or_no(number: int, reward: float, truth: float, subset: str = "") -> Item:
    return Item.from_scores(
        f"{number:02d}", [[reward]], ground_truth=(truth,), subset=subset, reducer=Mean()
    )


def test_single_yes_or_no_has_an_accuracy() -> None:
    cases = [(1, 1, "a"), (0, 1, "a"), (0, 0, "b"), (float("nan"), 0, "b")]
    items = [yes_or_no(i, *case) for i, case in enumerate(cases)]
    found = summarise(items, bootstrap=QUICK)
    assert (found.n, found.n_scored, found.ties) == (4, 3, 0)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.ci95 is not None
    assert found.ci95[0] < 2 / 3 < found.ci95[1]
    assert found.by == {"a": 0.5, "b": 1.0}
    assert (found.detail.n, found.detail.right, found.detail.unscored) == (4, 2, 1)
    assert found.detail.overall.value == 0.5
    assert found.detail.shuffled == found.detail.scored
    assert found.macro is None
    assert summarise(items[::-1], bootstrap=QUICK) == found


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(yes_or_no(9, 3, 1), id="a-rating"),
        pytest.param(yes_or_no(9, 1, 0.5), id="graded-truth"),
        pytest.param(Item.from_scores("9", [[1, 0]], ground_truth=(1, 0)), id="a-pair"),
    ],
)
def test_one_rating_or_pair_and_nothing_is_yes_or_no(other: Item) -> None:
    items = [yes_or_no(i, i % 2, 1) for i in range(8)]
    assert is_binary(items)
    assert not is_binary([*items, other])
    found = summarise([*items, other], bootstrap=QUICK)
    assert found.detail.n == (other.n_responses > 1)


def test_nothing_scored_is_not_yes_or_no() -> None:
    nan = float("nan")
    assert not is_binary([])
    assert not is_binary([yes_or_no(0, nan, 1)])
    assert summarise([yes_or_no(0, nan, 1)]).accuracy is None


def test_win_rates_share_ties_and_leave_out_the_uncontested() -> None:
    def match(number: int, scores: list[float], policies: tuple[str, ...]) -> Item:
        return replace(Item.from_scores(str(number), [scores]), policies=policies)

    nan = float("nan")
    found = summarise(
        [
            match(0, [9, 1], ("auk", "tern")),
            match(1, [5, 5], ("tern", "auk")),
            match(2, [2, 7, 7], ("gull", "auk", "tern")),
            match(3, [nan, nan], ("auk", "tern")),
            match(4, [9, 1], ("auk", "auk")),
            match(5, [9], ("auk",)),
        ],
        bootstrap=QUICK,
    ).win_rates
    assert list(found) == ["auk", "gull", "tern"]
    assert {name: one.n for name, one in found.items()} == {"auk": 3, "gull": 1, "tern": 3}
    assert found["auk"].value == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert found["gull"].value == 0
    assert found["tern"].value == pytest.approx((0 + 0.5 + 0.5) / 3)


def test_no_policies_no_win_rates(summary: Summary) -> None:
    assert summary.win_rates == {}
    assert summary.published == {}


def test_lists_and_true_ties() -> None:
    lists = [
        Item.from_scores("a", [[3, 2, 1]], ground_truth=(2, 1, 0)),
        Item.from_scores("b", [[3, 3, 1]], ground_truth=(1, 1, 0)),
    ]
    found = summarise(lists, bootstrap=QUICK)
    assert found.kendall is not None
    assert found.kendall.value == pytest.approx(1.0)
    assert found.pairwise is not None
    assert found.pairwise.value == 1.0
    assert found.with_ties is not None
    assert found.with_ties.value == 1.0
    assert found.accuracy == 1.0
    assert found.detail.n == 1


def test_no_items_at_all() -> None:
    found = summarise([])
    assert (found.n, found.accuracy, found.samples_per_item) == (0, None, None)
    assert found.curve == {"vote": {}, "meta": {}}


def test_nothing_scored() -> None:
    nan = float("nan")
    items = [Item.from_scores(str(i), [[nan, nan]], ground_truth=(1, 0)) for i in range(5)]
    found = summarise(items)
    assert (found.n_scored, found.accuracy) == (0, None)
    assert found.detail.overall.value == 0.0
    assert found.curve["vote"] == {"1": None}
    assert found.curves["vote"][0].unscored == 1.0


@pytest.mark.slow
def test_ten_thousand_items_take_seconds() -> None:
    rng = np.random.default_rng(0)
    items = []
    for number in range(10_000):
        scores = rng.integers(1, 11, (8, 2)).astype(float)
        items.append(
            Item.from_scores(
                f"{number:05d}", scores, ground_truth=(1, 0), meta=rng.random(8),
                orders=[(0, 1), (1, 0)] * 4, subset=f"s{number % 20}", confidence=0.8,
            )
        )  # fmt: skip
    start = time.process_time()
    summarise(items)
    assert time.process_time() - start < 10  # 2 s alone; slack for a busy machine


def test_importing_metrics_loads_no_statistics_library() -> None:
    code = (
        "import sys, deemster.suites.metrics; "
        "print([m for m in ('scipy', 'sklearn', 'statsmodels', 'pandas', 'torch', 'litellm') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_win_rates_are_corrected_where_some_items_carry_human_labels() -> None:
    rng = np.random.default_rng(5)
    items = []
    for number in range(400):
        wins = bool(rng.random() < 0.6)  # what humans would say of policy a
        seen = wins if rng.random() < 0.8 else True  # the judge errs in favour of a
        items.append(
            Item.from_scores(
                f"i{number}",
                np.array([[8.0, 3.0] if seen else [3.0, 8.0]]),
                ground_truth=((1.0, 0.0) if wins else (0.0, 1.0)) if number < 100 else None,
                reducer=Sum(),
            )
        )
    items = [replace(item, policies=("a", "b")) for item in items]
    found = summarise(items, bootstrap=QUICK)
    corrected = found.corrected["a"]
    judged = found.win_rates["a"].value
    assert judged is not None
    assert judged > 0.65
    assert corrected.judge_only == pytest.approx(judged)
    assert corrected.n_labelled == 100
    assert corrected.mean.low is not None
    assert corrected.mean.high is not None
    assert corrected.mean.low < 0.6 < corrected.mean.high
    assert not summarise(items[:100], bootstrap=QUICK).corrected  # all labelled: nothing to correct
    assert Summary.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("truths", "share"),
    [
        pytest.param([(1, 0)] * 4, 0.5, id="all-with-a-best"),
        pytest.param([(1, 0)] * 4 + [(1, 1)] * 6, 0.5, id="others-truly-tied"),
        pytest.param([(1, 0)] * 4 + [None] * 6, 0.5, id="others-without-truth"),
        pytest.param([None] * 4, None, id="no-truth"),
        pytest.param([(1, 1)] * 4, None, id="all-truly-tied"),
    ],
)
def test_ties_are_a_share_of_the_items_that_can_be_wrong(
    truths: list[tuple[float, ...] | None], share: float | None
) -> None:
    items = [
        Item.from_scores(str(i), [[5, 5] if i % 2 else [6, 4]], ground_truth=truth)
        for i, truth in enumerate(truths)
    ]
    assert figure_of(summarise(items, bootstrap=QUICK), "ties") == share
