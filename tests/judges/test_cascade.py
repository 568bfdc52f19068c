from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deemster.aggregators import Ballot, Sum
from deemster.errors import BackendTimeout, InputError
from deemster.judges import BaseJudge, Cascade, CascadeRule, decide
from deemster.judges.cascade_fit import (
    StagedItems,
    fit_rule,
    lower_bound,
    run_rule,
    staged,
)
from deemster.judges.cascade_rule import FEATURES, Stage, stage_features
from deemster.judges.case import Case
from deemster.schemas import Failure, JudgeInfo, Judgment, Verdict, Vote


class Fixed(BaseJudge):
    """A judge with votes given beforehand."""

    def __init__(self, name: str, *scores: tuple[float, ...] | Exception) -> None:
        self.name = name
        self.scores = scores
        self.asked = 0
        self.closed = False

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name=self.name, model="fixed", k=max(len(self.scores), 1))

    async def _judge(self, case: Case) -> Verdict:
        self.asked += 1
        votes: list[Vote] = []
        for draw, scores in enumerate(self.scores):
            if isinstance(scores, Exception):
                raise scores
            if scores:
                votes.append(Judgment(scores=scores, draw=draw, judge="inner"))
            else:
                votes.append(Failure(status="parse_error", message="?", draw=draw))
        return decide(votes, n=case.n, k=len(votes), reducer=Sum(), info=self.info)

    async def aclose(self) -> None:
        self.closed = True


def rule(threshold: float = 0.8, *, abstain: bool = False) -> CascadeRule:
    """Sure where the margin is large: 0.5 at a margin of 0.5."""
    weights = (10.0, 0.0, 0.0, 0.0, 0.0)
    return CascadeRule(
        stages=(
            Stage(judge="cheap", weights=weights, intercept=-5.0),
            Stage(judge="dear", weights=weights, intercept=-5.0),
        ),
        thresholds=(threshold, threshold if abstain else 0.0),
        abstain=abstain,
        level=0.8,
        delta=0.1,
        n_tested=100,
        n_answered=100,
        n_agreed=90,
        bound=lower_bound(90, 100, 0.1),
    )


ANSWERS = ["a", "b", "c"]


async def test_the_dear_judge_is_asked_only_where_the_cheap_one_is_unsure() -> None:
    dear = Fixed("dear", (1, 9, 1))
    sure = Cascade([Fixed("cheap", (9, 1, 1), (9, 2, 1)), dear], rule())
    verdict = await sure.score("q", ANSWERS)
    assert (verdict.best, dear.asked, len(verdict.votes), verdict.k) == (0, 0, 2, 2)

    unsure = Cascade([Fixed("cheap", (5, 4, 4), (4, 5, 4)), dear], rule())
    verdict = await unsure.score("q", ANSWERS)
    assert (verdict.best, dear.asked, len(verdict.votes), verdict.k) == (1, 1, 3, 3)
    assert [vote.judge for vote in verdict.votes] == ["cheap", "cheap", "dear"]
    assert [vote.draw for vote in verdict.votes] == [0, 1, 2]
    assert verdict.rewards is not None
    # each judge half of the say, whatever it drew
    assert sum(verdict.rewards) == pytest.approx(1.0)
    assert verdict.rewards[1] > 0.5


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param((BackendTimeout("late"),), id="raises"),
        pytest.param((RuntimeError("bug"),), id="bug"),
        pytest.param(((), ()), id="garbage"),
        pytest.param((InputError("too long for me"),), id="refuses-input"),
    ],
)
async def test_a_judge_that_fails_leaves_the_verdict_to_the_others(broken: Any) -> None:
    after = await Cascade([Fixed("cheap", *broken), Fixed("dear", (9, 1, 1))], rule()).score(
        "q", ANSWERS
    )
    assert after.best == 0
    assert after.n_valid == 1
    before = await Cascade([Fixed("cheap", (6, 5, 1)), Fixed("dear", *broken)], rule()).score(
        "q", ANSWERS
    )
    assert before.best == 0
    assert before.failures
    if not isinstance(broken[0], InputError):
        none = await Cascade([Fixed("cheap", *broken), Fixed("dear", *broken)], rule()).score(
            "q", ANSWERS
        )
        assert none.rewards is None
        assert none.n_valid == 0
    else:
        with pytest.raises(InputError, match="too long for me"):
            await Cascade([Fixed("cheap", *broken), Fixed("dear", *broken)], rule()).score(
                "q", ANSWERS
            )


async def test_it_abstains_rather_than_guess() -> None:
    cascade = Cascade([Fixed("cheap", (5, 4, 4)), Fixed("dear", (4, 5, 4))], rule(abstain=True))
    verdict = await cascade.score("q", ANSWERS)
    assert verdict.rewards is None
    assert verdict.best is None
    assert verdict.n_valid == 2
    answered = Cascade([Fixed("cheap", (5, 4, 4)), Fixed("dear", (1, 9, 1), (1, 9, 1))],
                       thresholds=(0.9, 0.6), abstain=True)  # fmt: skip
    assert (await answered.score("q", ANSWERS)).best == 1


async def test_without_a_rule_confidence_is_resampled_from_the_votes() -> None:
    dear = Fixed("dear", (1, 9, 1))
    agree = Cascade([Fixed("cheap", (9, 1, 1), (8, 1, 1)), dear], thresholds=0.9)
    assert (await agree.score("q", ANSWERS)).best == 0
    assert dear.asked == 0
    single = Cascade([Fixed("cheap", (9, 1, 1)), dear], thresholds=0.9)
    await single.score("q", ANSWERS)
    assert dear.asked == 1  # one vote has no spread


async def test_a_single_response_is_judged_by_all() -> None:
    verdict = await Cascade([Fixed("cheap", (4,)), Fixed("dear", (8,))], rule()).score("q", ["a"])
    assert verdict.rewards == (6.0,)


async def test_a_cascade_nests_and_leaves_its_judges_open() -> None:
    judges = [Fixed("a", (5, 4, 4)), Fixed("b", (4, 5, 4)), Fixed("c", (9, 1, 1))]
    inner = Cascade(judges[:2], rule())
    async with Cascade([inner, judges[2]], rule(), name="outer") as outer:
        verdict = await outer.score("q", ANSWERS)
        assert verdict.best == 0
        assert {vote.judge for vote in verdict.votes} == {inner.name, "c"}
    assert not any(judge.closed for judge in judges)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(lambda a, b: Cascade([a], rule()), "needs 2 or more members", id="one"),
        pytest.param(lambda a, b: Cascade([a, a], rule()), "need different names", id="same"),
        pytest.param(lambda a, b: Cascade([a, b]), "one of rule and thresholds", id="neither"),
        pytest.param(
            lambda a, b: Cascade([a, b], rule(), thresholds=0.5), "one of rule and", id="both"
        ),
        pytest.param(
            lambda a, b: Cascade([a, b, Fixed("c", (1, 2))], rule()), "rule is for 2", id="stages"
        ),
        pytest.param(lambda a, b: Cascade([a, b], thresholds=1.5), "got 1.5", id="over-1"),
        pytest.param(
            lambda a, b: Cascade([a, b], thresholds=(0.5, 0.5)), "give 1 thresholds", id="many"
        ),
        pytest.param(lambda a, b: Cascade([a, b], "no.json"), "cannot read cascade", id="file"),
        pytest.param(lambda a, b: Cascade([a, b], rule(), min_valid=0), "min_valid", id="min"),
    ],
)
def test_impossible_cascades(build: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(Fixed("a", (1, 2)), Fixed("b", (1, 2)))


def test_a_rule_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    path.write_text(rule().model_dump_json())
    assert Cascade([Fixed("a", (1, 2)), Fixed("b", (1, 2))], path).rule == rule()
    path.write_text('{"format": "other"}')
    with pytest.raises(InputError, match="not a cascade rule"):
        Cascade([Fixed("a", (1, 2)), Fixed("b", (1, 2))], path)


def ballots(scores: list[list[list[float]]]) -> list[Ballot]:
    """Of one item: the votes after each stage."""
    made = []
    for last in range(1, len(scores) + 1):
        votes = [
            Judgment(scores=tuple(row), judge=f"j{stage}")
            for stage, part in enumerate(scores[:last])
            for row in part
        ]
        made.append(Ballot.from_votes(votes))
    return made


def test_features_by_hand() -> None:
    first, both = ballots([[[9, 1, 1], [2, 3, 1]], [[9, 2, 1], [9, 2, 1], [9, 2, 1]]])
    found = dict(zip(FEATURES, stage_features(both), strict=True))
    assert found["unanimity"] == pytest.approx(4 / 5)
    assert found["agreement"] == 1.0
    assert found["votes"] == pytest.approx(np.log(3))
    assert found["gap"] == pytest.approx(np.log1p((3.5 + 7) / 2))
    assert dict(zip(FEATURES, stage_features(first), strict=True))["unanimity"] == 0.5
    assert np.isnan(stage_features(Ballot.from_votes([Judgment(scores=(1.0,))]))).all()
    assert np.isnan(stage_features(Ballot.from_votes([], n=3))).all()


def population(n: int, seed: int) -> StagedItems:
    """Items of random difficulty; the dear judge is better; confidence is worth something."""
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(n):
        lead = rng.exponential(1.0)
        noise = ((1.5, 2), (0.8, 2))
        votes = [
            (rng.normal(0, spread, (k, 3)) + np.array([lead, 0, 0])).tolist() for spread, k in noise
        ]
        cases.append((ballots(votes), 0))
    return staged(cases)


@pytest.fixture(scope="module")
def people() -> StagedItems:
    return population(1500, seed=0)


@pytest.mark.parametrize("draws", [16, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("abstain", [False, True])
def test_the_level_holds_as_often_as_promised(
    people: StagedItems, abstain: bool, draws: int
) -> None:
    n, delta = len(people.right), 0.1
    level = 0.85 if abstain else float(people.right[:, 1].mean()) - 0.05
    broken = fitted = 0
    escalated = []
    for seed in range(draws):
        drawn = np.random.default_rng(seed).integers(0, n, 600)
        try:
            found = fit_rule(
                people.take(drawn), ["a", "b"], level=level, delta=delta, abstain=abstain, seed=seed
            )
        except InputError:
            continue
        fitted += 1
        done = run_rule(found, people)
        broken += done.right[done.answered].mean() < level
        escalated.append((done.stage == 1).mean())
        assert found.bound >= level
        assert abstain or done.answered.all()
    assert fitted > draws * 2 / 3
    assert broken / fitted <= delta + 2 * np.sqrt(delta * (1 - delta) / draws)
    assert np.mean(escalated) < 0.9  # and something is saved


def test_samples_bound_what_is_drawn(people: StagedItems) -> None:
    agreement, drawn = [], []
    for samples in (0.0, 0.3, 0.8, 2.0):
        found = fit_rule(people, ["a", "b"], samples=samples)
        done = run_rule(found, people)
        assert done.votes[:, 1].mean() <= samples + 0.05
        assert (done.votes[:, 0] == 2).all()
        agreement.append(done.right.mean())
        drawn.append(done.votes[:, 1].mean())
    assert drawn == sorted(drawn)
    assert agreement == sorted(agreement)
    assert agreement[-1] > agreement[0] + 0.02


def test_confidence_is_calibrated(people: StagedItems) -> None:
    found = fit_rule(people, ["a", "b"], samples=1.0)
    fresh = population(800, seed=1)
    for stage in (0, 1):
        chance, right = found.confidence(stage, fresh.values[:, stage]), fresh.right[:, stage]
        sure = chance >= np.median(chance)
        for half in (sure, ~sure):  # 400 items each: a standard error of 0.02
            assert abs(right[half].mean() - chance[half].mean()) < 0.08
        assert right[sure].mean() > right[~sure].mean() + 0.2
    assert found.confidence(0, np.full((2, len(FEATURES)), np.nan)).tolist() == [0.0, 0.0]


def test_fitting_says_what_is_wrong(people: StagedItems) -> None:
    few = people.take(np.arange(40))
    for asked, message in (
        ({"level": 0.999}, "level 0.999 cannot be guaranteed with probability 0.9: .* is 0."),
        ({"level": 1.5}, "level must be between 0 and 1, got 1.5"),
        ({"level": 0.8, "delta": 0}, "delta must be between 0 and 1"),
        ({"level": 0.8, "samples": 1.0}, "one of level and samples"),
        ({}, "one of level and samples"),
    ):
        with pytest.raises(InputError, match=message):
            fit_rule(people, ["a", "b"], **asked)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="40 labelled items are too few"):
        fit_rule(few, ["a", "b"], level=0.8)


def test_a_judge_that_is_always_right_is_never_passed_over(people: StagedItems) -> None:
    perfect = StagedItems(people.values, np.ones_like(people.right), people.votes)
    found = fit_rule(perfect, ["a", "b"], level=0.9)
    assert run_rule(found, perfect).votes[:, 1].sum() == 0


def test_the_bound_is_exact() -> None:
    from scipy.stats import binomtest

    for hits, n in ((0, 10), (7, 10), (10, 10), (450, 500)):
        expected = binomtest(hits, n, alternative="greater").proportion_ci(0.9, method="exact").low
        assert lower_bound(hits, n, 0.1) == pytest.approx(float(expected))
