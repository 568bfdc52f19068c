"""From votes to a verdict: what it says, and what it does not."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import deemster
from deemster.aggregators import (
    Ballot,
    Borda,
    Majority,
    Mean,
    Median,
    PerJudge,
    Reducer,
    Softmax,
    Sum,
    TopK,
    Weighted,
    parse_aggregator,
)
from deemster.backends import FakeBackend
from deemster.backends.fake import Reply
from deemster.errors import BackendError, BackendTimeout, DeemsterError
from deemster.judges import Cascade, Debate, Judge, Panel, PanelScaling, decide
from deemster.judges.decide import unscored
from deemster.schemas import (
    Completion,
    Failure,
    JudgeInfo,
    Judgment,
    Scale,
    UnscoredError,
    Usage,
    Verdict,
    Vote,
)

INFO = JudgeInfo(name="j", model="m", k=4)
TEN = Scale(low=1, high=10)
LOST = Failure(status="timeout", message="no answer in 2 s")


def vote(*scores: float | None, scale: Scale | None = TEN, **more: Any) -> Judgment:
    return Judgment(scores=scores, scale=scale, **more)


def made(votes: Sequence[Vote], reducer: Reducer | None = None, **more: Any) -> Verdict:
    n = next((len(vote.scores) for vote in votes if isinstance(vote, Judgment)), 1)
    given: dict[str, Any] = {"n": n, "k": 4, "info": INFO} | more
    return decide(votes, reducer=reducer or Sum(), **given)


@pytest.mark.parametrize(
    ("reducer", "votes", "scores"),
    [
        pytest.param(Sum(), [vote(8, 3), vote(6, 5)], (7.0, 4.0), id="sum"),
        pytest.param(Sum(), [vote(8, 3), LOST, vote(6, 5), LOST], (7.0, 4.0), id="lost-votes"),
        pytest.param(Sum(), [vote(8, 3), vote(None, 5)], (8.0, 4.0), id="missing-score"),
        pytest.param(Mean(), [vote(8, 3), vote(6, 5)], (7.0, 4.0), id="mean"),
        pytest.param(Median(), [vote(8, 3), vote(6, 5), vote(1, 5)], (5.0, 13 / 3), id="median"),
        pytest.param(Majority(), [vote(8, 3), vote(6, 5)], (7.0, 4.0), id="majority"),
        pytest.param(Softmax(), [vote(8, 3), vote(6, 5)], (7.0, 4.0), id="softmax"),
        pytest.param(Borda(), [vote(8, 3), vote(6, 5)], (7.0, 4.0), id="borda"),
        pytest.param(
            parse_aggregator("learned"), [vote(8, 3), vote(6, 5)], (7.0, 4.0), id="learned"
        ),
        pytest.param(
            TopK(1) >> Sum(),
            [vote(8, 3, meta_reward=0.1), vote(6, 5, meta_reward=0.9)],
            (6.0, 5.0),
            id="of-the-votes-kept",
        ),
        pytest.param(
            Weighted("meta") >> Mean(),
            [vote(8, 4, meta_reward=0.25), vote(4, 8, meta_reward=0.75)],
            (5.0, 7.0),
            id="weighted",
        ),
        pytest.param(
            parse_aggregator("centred >> sum"), [vote(8, 3), vote(6, 5)], (7.0, 4.0), id="centred"
        ),
        pytest.param(
            PerJudge((("a", 3.0),)),
            [vote(8, 2, judge="a"), vote(8, 2, judge="a"), vote(4, 6, judge="b")],
            (7.0, 3.0),
            id="per-judge-then-over-judges",
        ),
        pytest.param(Sum(), [vote(8, 3), vote(6, 5, superseded=True)], (8.0, 3.0), id="superseded"),
        pytest.param(
            Sum(), [vote(8, 3, judge="a"), vote(0, 1, scale=None, judge="b", superseded=True)],
            (8.0, 3.0), id="superseded-on-another-scale",
        ),
        pytest.param(Sum(), [vote(-1.5, 2.5, scale=None)] * 2, (-1.5, 2.5), id="no-ends"),
        pytest.param(
            Sum(), [vote(-1.5, scale=None, judge="a"), vote(2, scale=None, judge="b")], None,
            id="several-judges-of-unknown-scale",
        ),
        pytest.param(
            Sum(), [vote(8, judge="a"), vote(0.5, scale=Scale(low=0, high=1, integer=False),
                                             judge="b")], None,
            id="several-scales",
        ),
        pytest.param(
            Sum(), [vote(8, judge="a"), vote(0.5, scale=Scale(low=0, high=1, integer=False),
                                             judge="a")],
            None, id="one-judge-several-scales",
        ),
        pytest.param(
            Sum(), [vote(2, scale=None, judge="a"), LOST.model_copy(update={"judge": "b"})], None,
            id="of-several-judges-of-unknown-scale-one-is-left",
        ),
        pytest.param(Sum(), [vote(8, judge="a"), vote(6, judge="b")], (7.0,), id="one-scale"),
        pytest.param(Sum(), [LOST], None, id="unscored"),
        pytest.param(Sum(), [vote(8, None)], None, id="a-response-without-score"),
    ],
)  # fmt: skip
def test_scores_are_the_mean_on_the_judges_own_scale(
    reducer: Reducer, votes: list[Vote], scores: tuple[float, ...] | None
) -> None:
    found = made(votes, reducer).scores
    assert found is None if scores is None else found == pytest.approx(scores)


def test_the_default_reward_is_k_times_the_score() -> None:
    verdict = made([vote(8, 3), LOST, vote(7, 5)], k=3, info=JudgeInfo(name="j", model="m", k=3))
    assert verdict.rewards == (22.5, 12.0)
    assert verdict.scores == (7.5, 4.0)


@pytest.mark.parametrize(
    ("k", "judge_k", "times"),
    [
        pytest.param(4, 4, 4, id="same"),
        pytest.param(2, 4, 4, id="a-judge-that-may-ask-for-more"),
        pytest.param(4, 1, 4, id="a-judge-that-does-not-say"),
    ],
)
def test_sums_are_over_as_many_votes_for_all_samples(k: int, judge_k: int, times: int) -> None:
    info = INFO.model_copy(update={"k": judge_k})
    assert made([vote(8, 3)], k=k, info=info).rewards == (8.0 * times, 3.0 * times)
    assert made([vote(8, 3)], k=k, info=info).k == k


def boxed(*scores: int) -> str:
    return f"Scores: \\boxed{{{', '.join(map(str, scores))}}}"


def grm(name: str, *scores: int, **more: Any) -> Judge:
    return Judge(FakeBackend(boxed(*scores)), name=name, orders="fixed", **more)


FITTED = PanelScaling.fit([made([vote(s)], info=JudgeInfo(name=n, model="m", k=4)) for n in "ab"
                           for s in (4, 8)])  # fmt: skip


@pytest.mark.parametrize(
    ("options", "scores"),
    [
        pytest.param({}, None, id="standardised"),
        pytest.param({"scale": "rank"}, None, id="ranks"),
        pytest.param({"scale": "minmax"}, None, id="minmax"),
        pytest.param({"scale": "none"}, (7.0, 4.0), id="as-they-are"),
        pytest.param(
            {"scale": "none", "weights": {"a": 3, "b": 1}}, (7.5, 3.5), id="as-they-are-weighted"
        ),
        pytest.param({"scale": FITTED}, None, id="over-a-run"),
    ],
)
async def test_scores_of_panels_of_pairs(
    options: dict[str, Any], scores: tuple[float, ...] | None
) -> None:
    panel = Panel([grm("a", 8, 3), grm("b", 6, 5, k=4)], **options)
    verdict = await panel.score("q", ["x", "y"])
    assert verdict.is_scored
    assert verdict.scores == scores


async def test_scores_of_panels_of_single_responses() -> None:
    members = [grm("a", 8), grm("b", 5, k=4)]
    assert (await Panel(members).score("q", ["x"])).scores == (6.5,)
    assert (await Panel(members, scale=FITTED).score("q", ["x"])).scores is None
    nested = Panel([Panel(members, name="ab"), grm("c", 9)], scale="none")
    assert (await nested.score("q", ["x"])).scores == (7.75,)
    inner = Panel([Panel(members, name="ab"), grm("c", 9, 8)], scale="none")
    members = [grm("a", 8, 2), grm("b", 5, 4)]
    inner = Panel([Panel(members, name="ab"), grm("c", 9, 8)], scale="none")
    assert (await inner.score("q", ["x", "y"])).scores is None  # z-scores beside scores
    shares = Panel([grm("a", 8, 2, aggregator="softmax"), grm("b", 5, 4)], scale="none")
    assert (await shares.score("q", ["x", "y"])).scores is None  # shares beside scores


async def test_a_panel_that_lost_all_but_one_standardised_vote_has_no_scores() -> None:
    silent = Judge(FakeBackend(lambda *_: BackendTimeout("late")), name="silent")
    verdict = await Panel([grm("a", 8, 3), silent]).score("q", ["x", "y"])
    assert verdict.is_scored
    assert verdict.scores is None


async def test_scores_of_debates_and_cascades() -> None:
    debate = Debate([grm("a", 8), grm("b", 6)], rounds=1)
    assert (await debate.score("q", ["x"])).scores == (7.0,)
    cascade = Cascade([grm("a", 8, 3, k=3), grm("b", 6, 5)], thresholds=1.0)
    verdict = await cascade.score("q", ["x", "y"])
    assert len(verdict.votes) == 3  # sure enough
    assert verdict.scores == (8.0, 3.0)
    both = Cascade([grm("a", 8, k=3), grm("b", 6)], thresholds=1.0)
    assert (await both.score("q", ["x"])).scores == (7.0,)
    unsure = Cascade([grm("a", 5, 5), grm("b", 5, 5)], thresholds=1.0, abstain=True)
    verdict = await unsure.score("q", ["x", "y"])
    assert verdict.scores is verdict.rewards is None


def test_a_tie_and_no_verdict_are_told_apart() -> None:
    best, tie, none = made([vote(8, 3)]), made([vote(5, 5)]), made([LOST])
    assert (best.is_scored, best.is_tie, best.best) == (True, False, 0)
    assert (tie.is_scored, tie.is_tie, tie.best) == (True, True, None)
    assert (none.is_scored, none.is_tie, none.best) == (False, False, None)
    assert tie.ties[0] == (0, 1)
    assert best.raise_if_unscored() is best
    assert tie.raise_if_unscored() is tie


def test_an_unscored_verdict_can_be_an_exception() -> None:
    refused = Failure(status="refused", message="content filter")
    verdict = made([LOST, refused, LOST, vote(1, 2)], min_valid=2)
    with pytest.raises(UnscoredError) as caught:
        verdict.raise_if_unscored()
    assert str(caught.value) == (
        "judge 'j' gave no rewards: 1 of 4 votes are valid; "
        "timeout: no answer in 2 s (2 votes); refused: content filter"
    )
    assert caught.value.verdict is verdict
    assert caught.value.failures == (LOST, refused, LOST)
    assert isinstance(caught.value, DeemsterError)
    assert deemster.UnscoredError is UnscoredError
    again = pickle.loads(pickle.dumps(caught.value))  # as between processes
    assert (str(again), again.verdict) == (str(caught.value), verdict)


def test_the_text_of_an_unscored_verdict_stays_short() -> None:
    votes = [Failure(status="api_error", message=f"reason {i}") for i in range(5)]
    with pytest.raises(UnscoredError, match=r"reason 2; and 2 other reasons$"):
        made(votes).raise_if_unscored()
    silent = made([vote(8, None)])
    with pytest.raises(UnscoredError, match=r"gave no rewards: 1 of 4 votes are valid$"):
        silent.raise_if_unscored()


def test_records_of_other_versions_and_of_odd_shape() -> None:
    stored = made([vote(8, 3)]).model_dump(mode="json")
    del stored["scores"]
    assert Verdict.model_validate(stored).scores is None
    with pytest.raises(ValueError, match="as many scores as rewards"):
        Verdict.model_validate(stored | {"scores": [1.0]})
    unscored_one = made([LOST]).model_dump(mode="json")
    with pytest.raises(ValueError, match="as many scores as rewards"):
        Verdict.model_validate(unscored_one | {"scores": [1.0]})


async def test_what_failed_draws_cost_is_in_the_votes_and_in_the_verdict() -> None:
    spent = Usage(calls=2, tokens_in=100, tokens_out=7, cost=0.5, seconds=3.0)
    replies: list[Reply] = [
        Completion(text=boxed(7), usage=Usage(calls=1, tokens_in=10, tokens_out=2, cost=0.25)),
        BackendTimeout("late", usage=spent),
        BackendError("refused before it was sent"),
        Completion(text="no scores", usage=Usage(calls=1, tokens_in=10, tokens_out=3, cost=0.25)),
    ]
    verdict = await Judge(FakeBackend(replies), k=4).score("q", ["x"])
    assert verdict.n_valid == 1
    assert [vote.usage.tokens_out for vote in verdict.votes] == [2, 7, 0, 3]
    assert verdict.votes[1].usage == spent
    assert verdict.usage == Usage(calls=4, tokens_in=120, tokens_out=12, cost=1.0, seconds=3.0)


async def test_a_failed_request_costs_once_however_many_draws_it_was_for() -> None:
    spent = Usage(calls=1, tokens_in=500, cost=2.0)

    class Down(FakeBackend):
        async def generate(self, request: Any) -> Any:
            raise BackendTimeout("late", usage=spent)

    verdict = await Judge(Down(""), k=8).score("q", ["x"])
    assert len(verdict.failures) == 8
    assert verdict.usage == spent
    both_orders = await Judge(Down(""), k=8).score("q", ["x", "y"])
    assert both_orders.usage == spent + spent  # two requests


def test_usage_beside_the_votes_is_added() -> None:
    own, extra = Usage(calls=1, tokens_in=5), Usage(calls=2, tokens_in=30)
    votes: list[Vote] = [vote(8, 3, usage=own), LOST.model_copy(update={"usage": own})]
    assert made(votes, extra=extra).usage == Usage(calls=4, tokens_in=40)
    assert made(votes).usage == Usage(calls=2, tokens_in=10)
    lost = made(votes[1:], extra=extra)
    assert lost.usage == Usage(calls=3, tokens_in=35)


def test_what_a_verdict_counts_and_how_it_breaks_ties() -> None:
    votes: list[Vote] = [vote(8, 3), LOST, vote(8, 3, superseded=True), vote(6, 5)]
    verdict = made(votes)
    assert (verdict.n_valid, verdict.k, len(verdict.votes)) == (3, 4, 4)
    assert verdict.judge == INFO
    assert made(votes, min_valid=2).is_scored  # superseded votes do not count as valid here
    assert not made(votes, min_valid=3).is_scored
    rankings = {made([vote(5, 5)], info=INFO.model_copy(update={"seed": s})).ranking
                for s in range(20)}  # fmt: skip
    assert rankings == {(0, 1), (1, 0)}


def test_confidence_is_about_the_first_of_the_ranking() -> None:
    split = [vote(6, 8), vote(6, 8), vote(10, 8), vote(6, 8), vote(10, 8)]
    verdict = made(split)
    assert verdict.best == 1
    assert verdict.confidence is not None
    assert 0.5 < verdict.confidence < 0.9
    other = made(split, info=INFO.model_copy(update={"seed": 5})).confidence
    assert other != verdict.confidence  # the judge's seed draws the resamples


@pytest.mark.parametrize("error", [BackendTimeout("late"), deemster.InputError("empty")])
def test_a_sample_that_cannot_be_judged(error: BackendError | deemster.InputError) -> None:
    verdict = unscored(error, k=3, info=INFO)
    assert [vote.draw for vote in verdict.votes] == [0, 1, 2]
    assert {failure.error for failure in verdict.failures} == {type(error).__name__}
    assert {failure.status for failure in verdict.failures} == {
        "timeout" if isinstance(error, BackendTimeout) else "api_error"
    }
    assert (verdict.k, verdict.n_valid, verdict.is_scored) == (3, 0, False)


def test_a_ballot_sums_over_what_was_asked_for() -> None:
    votes: list[Vote] = [vote(8, 3), LOST]
    assert Ballot.from_votes(votes).asked == 2
    assert Ballot.from_votes(votes, k=8).asked == 8
    assert Ballot.from_votes([*votes, vote(1, 1, superseded=True)]).asked == 2
    bare = Ballot(
        np.ones((5, 2)), np.ones(5), np.full(5, np.nan), np.zeros(5, dtype=np.intp),
        np.full((5, 2), np.nan),
    )  # fmt: skip
    assert bare.asked == 5
