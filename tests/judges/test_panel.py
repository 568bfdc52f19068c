from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.aggregators import Mean, Weighted, parse_aggregator
from deemster.backends import FakeBackend
from deemster.errors import BackendTimeout, InputError
from deemster.judges import BaseJudge, Judge, Panel, PanelScaling, PanelWeights, agreement, decide
from deemster.judges.case import Case
from deemster.judges.scaling import Kind
from deemster.schemas import Failure, JudgeInfo, Judgment, Verdict


def judge(name: str, *scores: int, k: int = 1) -> Judge:
    box = ", ".join(map(str, scores))
    return Judge(FakeBackend(f"Scores: \\boxed{{{box}}}"), k=k, orders="fixed", name=name)


async def test_members_weigh_the_same_whatever_their_scale() -> None:
    # one judge of 8 votes with wide scores must not drown two careful ones
    panel = Panel([judge("loud", 10, 1, k=8), judge("a", 5, 6), judge("b", 5, 6)])
    verdict = await panel.score("q", ["x", "y"])
    assert verdict.best == 1
    assert verdict.rewards == pytest.approx((-1 / 3, 1 / 3))
    assert verdict.usage.calls == 10


async def test_member_weights() -> None:
    panel = Panel(
        [judge("a", 9, 1), judge("b", 1, 9)],
        aggregator=Weighted("judge", judges=(("a", 3.0), ("b", 1.0))) >> Mean(),
    )
    assert (await panel.score("q", ["x", "y"])).best == 0


class Broken:
    info = JudgeInfo(name="broken", model="none")

    async def score(self, *_: object, **__: object) -> Verdict:
        raise RuntimeError("boom")

    async def aclose(self) -> None:
        pass


async def test_a_failed_member_never_tips_the_vote() -> None:
    late = Judge(FakeBackend(lambda *_: BackendTimeout("late")), name="late")
    members: list[Any] = [judge("a", 9, 1), late, Broken(), judge("c", 8, 2)]
    verdict = await Panel(members).score("q", ["x", "y"])
    assert verdict.rewards == pytest.approx((1.0, -1.0))
    assert [vote.status for vote in verdict.votes if isinstance(vote, Failure)] == [
        "timeout",
        "api_error",
    ]
    quorum = await Panel(members, min_valid=3).score("q", ["x", "y"])
    assert quorum.rewards is None


async def test_panels_nest_and_undecided_members_abstain() -> None:
    inner = Panel([judge("a", 9, 1), judge("b", 7, 2)], name="inner")
    verdict = await Panel([inner, judge("c", 5, 5)]).score("q", ["x", "y"])
    assert verdict.rewards == pytest.approx((0.5, -0.5))
    assert verdict.judge.members[0].members[0].name == "a"


async def test_single_responses_keep_the_members_scale() -> None:
    verdict = await Panel([judge("a", 8, k=4), judge("b", 4)]).score("q", ["x"])
    assert verdict.rewards == (6.0,)


async def test_input_errors_are_told_when_no_member_can_judge() -> None:
    with pytest.raises(InputError, match="query is empty"):
        await Panel([judge("a", 1), judge("b", 1)]).score("", ["x"])


async def test_members_run_at_the_same_time() -> None:
    gate = asyncio.Barrier(2)

    async def reply() -> str:
        await gate.wait()
        return "Scores: \\boxed{5, 6}"

    members = [Judge(FakeBackend(lambda *_: reply()), name=name) for name in "ab"]
    verdict = await asyncio.wait_for(Panel(members).score("q", ["x", "y"]), 5)
    assert verdict.n_valid == 2


@pytest.mark.parametrize(
    ("members", "settings", "message"),
    [
        pytest.param([judge("a", 1)], {}, "2 or more members, got 1", id="one"),
        pytest.param([judge("a", 1), judge("a", 1)], {}, "different names", id="names"),
        pytest.param([judge("a", 1), judge("b", 1)], {"min_valid": 3}, "from 1 to 2", id="quorum"),
    ],
)
def test_bad_panels(members: list[Judge], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Panel(members, **settings)


# --- scales -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "votes"),
    [
        pytest.param("zscore", (1.2247449, 0.0, -1.2247449), id="zscore"),
        pytest.param("rank", (1.0, 0.5, 0.0), id="rank"),
        pytest.param("minmax", (1.0, 0.5, 0.0), id="minmax"),
        pytest.param("none", (9.0, 6.0, 3.0), id="none"),
    ],
)
async def test_scales(scale: Kind, votes: tuple[float, ...]) -> None:
    panel = Panel([judge("a", 9, 6, 3, k=4), judge("b", 5, 5, 5)], scale=scale)
    verdict = await panel.score("q", ["x", "y", "z"])
    assert verdict.judgments[0].scores == pytest.approx(votes)
    assert len(set(verdict.judgments[1].scores)) == 1, "a tie favours nobody"
    assert verdict.best == 0


def test_ranks_share_ties() -> None:
    verdict = Panel([judge("a", 7, 7, 2), judge("b", 1, 2, 3)], scale="rank").score_sync(
        "q", ["x", "y", "z"]
    )
    assert verdict.judgments[0].scores == pytest.approx((0.75, 0.75, 0.0))


@given(
    rewards=st.lists(st.lists(st.integers(1, 10), min_size=3, max_size=3), min_size=2, max_size=6),
    scale=st.sampled_from(["zscore", "rank", "minmax"]),
    factor=st.floats(0.1, 100),
    shift=st.floats(-50, 50),
)
def test_a_members_own_scale_does_not_matter(
    rewards: list[list[int]], scale: Kind, factor: float, shift: float
) -> None:
    def votes(change: bool) -> tuple[float, ...] | None:
        members = []
        for i, row in enumerate(rewards):
            values = [factor * x + shift if change and i == 0 else float(x) for x in row]
            members.append(Given(f"m{i}", values))
        return Panel(members, scale=scale).score_sync("q", ["x", "y", "z"]).rewards

    plain, changed = votes(change=False), votes(change=True)
    assert plain is not None
    assert changed == pytest.approx(plain, abs=1e-6)


async def test_a_scaling_fitted_on_a_run() -> None:
    """A judge that always finds answers nearly equal must not shout when it does so again."""
    flat = [await judge("flat", 5, 6).score("q", ["x", "y"]) for _ in range(3)]
    flat.append(await judge("flat", 1, 10).score("q", ["x", "y"]))
    wide = [await judge("wide", 2, 8).score("q", ["x", "y"]) for _ in range(4)]
    scaling = PanelScaling.fit([*flat, *wide])
    members = [judge("flat", 6, 5), judge("wide", 2, 8)]
    assert (await Panel(members).score("q", ["x", "y"])).best is None
    run = await Panel(members, scale=scaling).score("q", ["x", "y"])
    assert run.best == 1
    # by hand: flat's rewards are 5, 6 three times, then 1, 10
    spread = math.sqrt((3 * 0.25 + 3 * 0.25 + 4.5**2 + 4.5**2) / 8)
    assert run.judgments[0].scores == pytest.approx((0.5 / spread, -0.5 / spread))


async def test_a_scaling_makes_single_responses_comparable(tmp_path: Path) -> None:
    low = [await judge("low", score).score("q", ["x"]) for score in (1, 2, 3)]
    high = [await judge("high", score, k=2).score("q", ["x"]) for score in (8, 9, 10)]
    scaling = PanelScaling.fit([*low, *high])
    scaling.save(tmp_path / "scale.json")
    scaling = PanelScaling.load(tmp_path / "scale.json")
    panel = Panel([judge("low", 3), judge("high", 8, k=2)], scale=scaling)
    assert (await panel.score("q", ["x"])).rewards == pytest.approx((0.0,))
    assert panel.info.fingerprint != Panel(panel.members).info.fingerprint


def test_rank_scaling_is_the_share_of_the_run_below() -> None:
    verdicts = [judge("a", score).score_sync("q", ["x"]) for score in (2, 4, 4, 8)]
    scaling = PanelScaling.fit(verdicts, kind="rank")
    assert scaling.apply("a", [2, 4, 8]) == pytest.approx((0.125, 0.5, 0.875))
    with pytest.raises(InputError, match="no scale for judge 'b'"):
        scaling.apply("b", [1])


def test_scaled_panels_cannot_be_fitted_on() -> None:
    members = [judge("a", 9, 1), judge("b", 8, 2)]
    raw = Panel(members, scale="none").score_sync("q", ["x", "y"])
    assert set(PanelScaling.fit([raw]).judges) == {"a", "b"}
    scaled = Panel(members).score_sync("q", ["x", "y"])
    with pytest.raises(InputError, match="scale='none'"):
        PanelScaling.fit([scaled])
    with pytest.raises(InputError, match="nothing to fit"):
        PanelScaling.fit([])


# --- weights ------------------------------------------------------------------------------------


def test_weights_by_name_and_from_a_file(tmp_path: Path) -> None:
    members = [judge("openai/gpt, mini: x", 9, 1), judge("b", 1, 9), judge("c", 1, 9)]
    weights = PanelWeights(
        method="logistic",
        weights={"openai/gpt, mini: x": 2.5, "b": 0.25, "c": 0.25},
        items=10,
    )
    weights.save(tmp_path / "weights.json")
    for given_weights in (weights, weights.weights, str(tmp_path / "weights.json")):
        panel = Panel(members, weights=given_weights)
        assert panel.score_sync("q", ["x", "y"]).best == 0
        # what a run records can be read back, whatever members are called
        assert parse_aggregator(panel.info.aggregator) == panel.aggregator
    assert Panel(members).score_sync("q", ["x", "y"]).best == 1


def test_weights_must_name_every_member(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weight for member 'b'"):
        Panel([judge("a", 1), judge("b", 1)], weights={"a": 1.0})
    (tmp_path / "w.json").write_text('{"weights": {"a": "1"}}')
    with pytest.raises(InputError, match=r"w\.json"):
        Panel([judge("a", 1), judge("b", 1)], weights=tmp_path / "w.json")


@pytest.mark.parametrize(
    ("aggregator", "counts"),
    [
        ("perjudge(judges={a: 0, b: 0})", False),
        ("perjudge(judges={a: 0, b: 0, c: 1})", False),
        ("weighted(judge, judges={a: 0, b: 0, c: 1}) >> mean", False),
        ("weighted(judge, judges={c: 1}) >> perjudge(judges={a: 0, b: 0})", False),
        ("perjudge(judges={a: 0})", True),
        ("perjudge(judges={c: 0})", True),
    ],
)
def test_some_member_must_count(aggregator: str, counts: bool) -> None:
    members = [judge("a", 9, 1), judge("b", 1, 9)]
    if counts:
        assert Panel(members, aggregator=aggregator).score_sync("q", ["x", "y"]).is_scored
    else:
        with pytest.raises(InputError, match="every member a weight of 0"):
            Panel(members, aggregator=aggregator)


# --- agreement ----------------------------------------------------------------------------------


def test_agreement_counts_members_that_pick_the_panels_best() -> None:
    members: list[Any] = [
        judge("a", 9, 1), judge("b", 8, 2), judge("c", 1, 9), judge("d", 5, 5), Broken()
    ]  # fmt: skip
    verdict = Panel(members).score_sync("q", ["x", "y"])
    assert verdict.best == 0
    assert agreement(verdict) == 0.5
    tied = Panel(members[1:3], scale="rank").score_sync("q", ["x", "y"])
    assert tied.best is None
    assert agreement(tied) is None
    assert agreement(Panel(members[:2]).score_sync("q", ["x"])) is None


# --- deadlines, quorum, early end ---------------------------------------------------------------


class Given(BaseJudge):
    """A member that waits, then gives what it was told to."""

    def __init__(
        self, name: str, outcome: Any, seconds: float = 0.0, *, stubborn: bool = False
    ) -> None:
        self.name = name
        self.outcome = outcome
        self.seconds = seconds
        self.stubborn = stubborn
        self.cancelled = False

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name=self.name, model="given")

    async def _judge(self, case: Case) -> Any:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            if not self.stubborn:
                raise
            await asyncio.sleep(30)
        if isinstance(self.outcome, list):
            votes = [Judgment(scores=tuple(self.outcome))]
            return decide(votes, n=len(self.outcome), k=1, reducer=Mean(), info=self.info)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def statuses(verdict: Verdict) -> dict[str, str]:
    return {
        vote.judge: vote.status if isinstance(vote, Failure) else "ok" for vote in verdict.votes
    }


async def test_a_late_member_is_a_timeout_and_costs_nobody_knows_what() -> None:
    slow = Given("slow", [1, 9], 30)
    verdict = await Panel([judge("a", 9, 1), slow], deadline=0.05).score("q", ["x", "y"])
    assert statuses(verdict) == {"a": "ok", "slow": "timeout"}
    assert slow.cancelled
    assert verdict.best == 0
    assert verdict.usage.cost is None


async def test_deadlines_by_name() -> None:
    members = [Given("quick", [9, 1], 30), Given("patient", [1, 9], 0.2)]
    verdict = await Panel(members, deadline={"quick": 0.05}).score("q", ["x", "y"])
    assert statuses(verdict) == {"quick": "timeout", "patient": "ok"}
    assert verdict.best == 1


async def test_everybody_late_is_no_verdict() -> None:
    members = [Given("a", [9, 1], 30), Given("b", [9, 1], 30)]
    verdict = await Panel(members, deadline=0.05).score("q", ["x", "y"])
    assert verdict.rewards is None
    assert set(statuses(verdict).values()) == {"timeout"}


async def test_a_member_that_ignores_being_cancelled_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deemster.judges.asking.GRACE", 0.05)
    stubborn = Given("stubborn", [1, 9], 30, stubborn=True)
    panel = Panel([judge("a", 9, 1), stubborn], deadline=0.05)
    verdict = await asyncio.wait_for(panel.score("q", ["x", "y"]), 5)
    assert verdict.best == 0
    assert stubborn.cancelled


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        pytest.param("nine to one", "returned str, not a Verdict", id="text"),
        pytest.param(None, "returned NoneType", id="none"),
        pytest.param([1, 2, 3], "3 rewards for 2 responses", id="other-responses"),
        pytest.param(RuntimeError("boom"), "boom", id="raises"),
        pytest.param(asyncio.CancelledError(), "cancelled itself", id="cancels-itself"),
        pytest.param(BackendTimeout("late"), "late", id="times-out"),
    ],
)
async def test_garbage_is_a_failure(outcome: Any, message: str) -> None:
    verdict = await Panel([judge("a", 9, 1), Given("odd", outcome)]).score("q", ["x", "y"])
    (failure,) = verdict.failures
    assert message in failure.message
    assert verdict.rewards == pytest.approx((1.0, -1.0))


async def test_the_quorum_ends_the_wait() -> None:
    members: list[Any] = [
        judge("a", 9, 1), Given("failing", RuntimeError("boom")), Given("b", [8, 2], 0.05),
        Given("slow", [1, 9], 30),
    ]  # fmt: skip
    panel = Panel(members, quorum=2)
    verdict = await asyncio.wait_for(panel.score("q", ["x", "y"]), 5)
    assert statuses(verdict) == {
        "a": "ok", "failing": "api_error", "b": "ok", "slow": "cancelled"
    }  # fmt: skip
    assert members[-1].cancelled
    assert verdict.best == 0
    assert "quorum is 2" in verdict.failures[-1].message


async def test_a_quorum_that_failures_make_unreachable_waits_for_all() -> None:
    members: list[Any] = [judge("a", 9, 1), Broken(), Given("slow", [9, 1], 0.05)]
    verdict = await Panel(members, quorum=3).score("q", ["x", "y"])
    assert verdict.n_valid == 2


async def test_early_drops_those_who_cannot_change_the_winner() -> None:
    members = [Given("a", [9, 1]), Given("b", [6, 5], 0.01), Given("slow", [1, 9], 30)]
    verdict = await asyncio.wait_for(Panel(members, early=True).score("q", ["x", "y"]), 5)
    assert statuses(verdict) == {"a": "ok", "b": "ok", "slow": "cancelled"}
    assert verdict.best == 0


async def test_early_waits_while_the_winner_may_change() -> None:
    # one ahead, two out; then one each; then 2 : 1 with all in
    members = [Given("a", [9, 1]), Given("b", [1, 9], 0.02), Given("c", [1, 9], 0.05)]
    verdict = await Panel(members, early=True).score("q", ["x", "y"])
    assert verdict.n_valid == 3
    assert verdict.best == 1


async def test_early_knows_the_weights() -> None:
    members = [Given("chief", [9, 1]), Given("b", [1, 9], 30), Given("c", [1, 9], 30)]
    panel = Panel(members, early=True, weights={"chief": 2.5, "b": 1, "c": 1})
    verdict = await asyncio.wait_for(panel.score("q", ["x", "y"]), 5)
    assert verdict.best == 0
    assert verdict.n_valid == 1


@given(
    scores=st.lists(st.tuples(*[st.integers(1, 4)] * 3), min_size=2, max_size=6),
    order=st.randoms(use_true_random=False),
    scale=st.sampled_from(["zscore", "rank", "minmax"]),
    aggregator=st.sampled_from(["mean", "majority"]),
)
def test_early_never_changes_the_winner(
    scores: list[tuple[int, ...]], order: random.Random, scale: Kind, aggregator: str
) -> None:
    members = [Given(f"m{i}", [float(x) for x in row]) for i, row in enumerate(scores)]
    panel = Panel(members, early=True, scale=scale, aggregator=aggregator)
    full = Panel(members, scale=scale, aggregator=aggregator).score_sync("q", ["x", "y", "z"])
    places = list(range(len(members)))
    order.shuffle(places)
    found: dict[int, Verdict] = {}
    for place in places[:-1]:
        found[place] = members[place].score_sync("q", ["x", "y", "z"])
        if panel._enough(found, n=3) is not None:
            kept = [members[i] for i in found]
            lone = len(kept) == 1
            part = (
                kept[0].score_sync("q", ["x", "y", "z"])
                if lone
                else Panel(kept, scale=scale, aggregator=aggregator).score_sync(
                    "q", ["x", "y", "z"]
                )
            )
            assert part.best == full.best
            assert full.best is not None
            return


async def test_cancelling_the_panel_cancels_its_members() -> None:
    members = [Given("a", [9, 1], 30), Given("b", [9, 1], 30)]
    task = asyncio.create_task(Panel(members).score("q", ["x", "y"]))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert members[0].cancelled
    assert members[1].cancelled


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"scale": "log"}, "scale 'log'; allowed: zscore, rank", id="scale"),
        pytest.param({"deadline": 0}, "seconds > 0, got 0", id="deadline"),
        pytest.param({"deadline": {"z": 1.0}}, "unknown member 'z'", id="deadline-name"),
        pytest.param({"quorum": 3}, "quorum must be a whole number from 1 to 2", id="quorum"),
        pytest.param({"quorum": 1, "min_valid": 2}, "quorum must be >= min_valid=2", id="less"),
        pytest.param({"early": True, "scale": "none"}, "early needs bounded", id="unbounded"),
        pytest.param({"early": True, "aggregator": "median"}, "early needs", id="not-linear"),
        pytest.param(
            {"scale": PanelScaling(judges={})}, "not fitted for member 'a'", id="unfitted"
        ),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Panel([judge("a", 1), judge("b", 1)], **options)


@pytest.mark.parametrize(
    ("members", "options", "said"),
    [
        (None, {}, "members of a panel must be a list .*, got NoneType"),
        ("nano", {}, "members of a panel must be a list .*, got str"),
        ({"a": "nano"}, {}, "members of a panel must be a list .*, got dict"),
        ([{"model": "nano"}, "fake:b"], {}, "a member must be a judge or a model string, got dict"),
        (["fake:a", Judge], {}, "a member must be .*, got the class Judge"),
        (["fake:a", "fake:b"], {"weights": [1, 2]}, "weights must be by member.*, got list"),
    ],
)
def test_members_and_weights_of_a_wrong_kind(members: Any, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Panel(members, **options)


def test_members_may_come_from_a_generator() -> None:
    assert len(Panel(f"fake:{name}" for name in "abc").members) == 3
