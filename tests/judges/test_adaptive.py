from __future__ import annotations

import pytest

from deemster.aggregators import Decided, Sum
from deemster.backends import FakeBackend
from deemster.backends.fake import Reply
from deemster.errors import BackendTimeout, InputError
from deemster.judges import Judge
from deemster.judges.adaptive import StoredVotes
from deemster.schemas import Failure, Judgment, Scale, Vote


def boxed(*scores: int) -> str:
    listed = ", ".join(map(str, scores))
    criteria = "Specific Criteria:\n1. Truth (weight: 100%): right"
    return f"{criteria}\n\nAnalysis:\n- ok\n\nScores: \\boxed{{{listed}}}"


async def test_a_clear_winner_saves_votes_and_says_so() -> None:
    backend = FakeBackend(boxed(9, 2, 1))
    judge = Judge(backend, k=12, stop="decided:0.95", orders="fixed")
    verdict = await judge.score("q", ["a", "b", "c"])
    assert verdict.best == 0
    assert verdict.k == 12
    assert len(verdict.votes) == verdict.usage.calls == len(backend.requests) == 1
    assert verdict.judge.stop == "decided:0.95"
    assert judge.info.fingerprint != Judge(backend, k=12, orders="fixed").info.fingerprint


async def test_a_tie_draws_all_k() -> None:
    verdict = await Judge(FakeBackend(boxed(5, 5, 5)), k=6, stop="decided:0.9").score(
        "q", ["a", "b", "c"]
    )
    assert len(verdict.votes) == 6


async def test_draws_are_the_first_of_those_without_a_rule() -> None:
    answers = ["a", "b", "c", "d"]
    whole = Judge(FakeBackend(boxed(6, 5, 5, 5)), k=8, seed=3)
    part = Judge(FakeBackend(boxed(6, 5, 5, 5)), k=8, seed=3, stop=Decided(0.9, round=4))
    votes = (await whole.score("q", answers)).votes
    drawn = (await part.score("q", answers)).votes
    assert len(drawn) in (4, 8)
    assert [(v.draw, v.order, v.seed) for v in drawn] == [
        (v.draw, v.order, v.seed) for v in votes[: len(drawn)]
    ]


async def test_a_pair_is_shown_in_both_orders_before_it_is_decided() -> None:
    # a judge that always prefers the first place
    biased = await Judge(FakeBackend(boxed(9, 2)), k=8, stop="decided:0.9").score("q", ["a", "b"])
    assert len(biased.votes) == 8
    assert biased.best is None
    fixed = Judge(FakeBackend(boxed(9, 2)), k=8, stop="decided:0.9", orders="fixed")
    assert len((await fixed.score("q", ["a", "b"])).votes) == 1


async def test_failed_draws_do_not_decide() -> None:
    script: list[Reply] = [BackendTimeout("late"), "no scores here", *[boxed(9, 2, 2)] * 4]
    judge = Judge(FakeBackend(script), k=6, stop="decided:0.9", orders="fixed", min_valid=2)
    verdict = await judge.score("q", ["a", "b", "c"])
    assert [isinstance(vote, Failure) for vote in verdict.votes] == [True, True, False, False]
    assert verdict.rewards == (54.0, 12.0, 12.0)  # of six votes, as where none failed
    assert verdict.scores == (9.0, 2.0, 2.0)
    nothing = Judge(FakeBackend("?"), k=3, stop="decided:0.9", orders="fixed")
    verdict = await nothing.score("q", ["a", "b", "c"])
    assert verdict.rewards is None
    assert len(verdict.votes) == 3


async def test_a_single_response_draws_all_k() -> None:
    verdict = await Judge(FakeBackend(boxed(9)), k=4, stop="decided:0.9").score("q", ["a"])
    assert len(verdict.votes) == 4


def test_a_wrong_rule_is_told_before_anything_is_sent() -> None:
    with pytest.raises(InputError, match=r"write for example 'decided:0\.95'"):
        Judge(FakeBackend("?"), k=4, stop="soon")


def vote(*scores: float, order: tuple[int, ...] = ()) -> Vote:
    return Judgment(scores=scores, order=order, scale=Scale(low=1, high=10))


def test_stored_votes_of_all_shapes_are_cut() -> None:
    kept = StoredVotes()
    kept.add([vote(9, 1)] * 4, n=2, k=4)
    kept.add([vote(5, 5, 5)] * 3, n=3, k=3)
    kept.add([vote(9, 1, order=(0, 1)), vote(9, 1, order=(1, 0))] * 2, n=2, k=4)
    kept.add([], n=2, k=0)
    kept.add([vote(7)] * 2, n=1, k=2)
    kept.add([vote(9, 1)] * 4, n=2, k=4)
    assert kept.used(Decided(0.9), reducer=Sum()).tolist() == [1, 3, 2, 0, 2, 1]
    assert kept.used(Decided(0.9), reducer=Sum(), min_valid=3).tolist() == [3, 3, 4, 0, 2, 3]
    # all votes agree: there is no spread to measure
    assert kept.fit(Decided(0.9)) == Decided(0.9)
    kept.add([vote(9, 1), vote(7, 1), vote(8, 2)], n=2, k=3)
    fitted = kept.fit(Decided(0.9))
    assert fitted.spread is not None
    assert kept.fit(Decided(0.9, spread=2.0)).spread == 2.0
