"""Votes that take several completions: a second turn, or one completion for each response."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deemster.backends import FakeBackend, Outcome, Request
from deemster.dialects import open_dialect
from deemster.dialects.parts import has_parts, join_parts, split_parts
from deemster.errors import BackendError, ParseError
from deemster.judges import Judge
from deemster.schemas import Completion, Failure, Judgment, TokenLogprob, Usage

TWO_TURNS = (
    "{% block user %}{{ conversation }} {{ responses | join(' / ') }}{% endblock %}"
    "{% block second %}Now the verdict on {{ n }}.{% endblock %}"
)


def rating(request: Request, _draw: int) -> str:
    """Rates what it is shown: the right answer 9, others 3; one is a riddle to it."""
    shown = request.messages[-1].text
    if "riddle" in shown:
        return "I cannot say."
    return "Good.\n\nRating: [[9]]" if "forty-two" in shown else "Poor.\n\nRating: [[3]]"


async def test_a_judge_of_single_responses_takes_them_one_by_one() -> None:
    backend = FakeBackend(rating)
    judge = Judge(backend, dialect="mt-bench-single", k=2)
    assert judge.max_responses is None
    verdict = await judge.score("Which?", ["seven-a", "forty-two", "seven-b"])
    assert (verdict.rewards, verdict.best, verdict.k) == ((6, 18, 6), 1, 2)
    assert [request.n for request in backend.requests] == [2, 2, 2]
    assert all(
        sum(text in request.messages[-1].text for text in ("seven-a", "forty-two", "seven-b")) == 1
        for request in backend.requests
    )
    vote = verdict.votes[0]
    assert isinstance(vote, Judgment)
    assert [critique.text.split(".")[0] for critique in vote.critiques] == ["Poor", "Good", "Poor"]
    assert vote.usage.calls == 3
    assert has_parts(vote.raw)
    again = open_dialect("mt-bench-single").read(Completion(text=vote.raw), n=3)
    assert again.scores == vote.scores


async def test_a_response_without_a_verdict_has_no_score() -> None:
    judge = Judge(FakeBackend(rating), dialect="mt-bench-single")
    verdict = await judge.score("Which?", ["forty-two", "riddle"])
    assert verdict.rewards is None  # nothing stands in for the missing number
    (vote,) = verdict.votes
    assert isinstance(vote, Judgment)
    assert list(vote.scores) == [9, None]
    assert "response 2 as shown has no score" in vote.warnings[0]


async def test_a_lost_completion_costs_its_response_alone() -> None:
    def script(request: Request, draw: int) -> str | BackendError:
        if "seven" in request.messages[-1].text:
            return BackendError("the line broke", usage=Usage(calls=1, tokens_in=5))
        return rating(request, draw)

    verdict = await Judge(FakeBackend(script), dialect="mt-bench-single").score(
        "Which?", ["forty-two", "seven"]
    )
    (vote,) = verdict.votes
    assert isinstance(vote, Judgment)
    assert list(vote.scores) == [9, None]
    assert "the line broke" in vote.warnings
    assert verdict.usage.calls == 2


async def test_all_lost_is_a_failure() -> None:
    error = BackendError("the line broke", usage=Usage(calls=1))
    verdict = await Judge(FakeBackend([error, error]), dialect="mt-bench-single").score(
        "Which?", ["forty-two", "seven"]
    )
    (vote,) = verdict.votes
    assert isinstance(vote, Failure)
    assert (vote.status, vote.usage.calls) == ("api_error", 2)


@pytest.fixture
def two_turns(tmp_path: Path) -> Callable[[FakeBackend], Judge]:
    path = tmp_path / "two.j2"
    path.write_text(TWO_TURNS)
    return lambda backend: Judge(backend, dialect="mt-bench-pair", template=path, orders="fixed")


async def test_the_second_turn_sees_the_first(two_turns: Callable[[FakeBackend], Judge]) -> None:
    backend = FakeBackend(["<think>hm</think>First thoughts.", "So: [[B]]"])
    verdict = await two_turns(backend).score("Which?", ["a", "b"])
    first, second = backend.requests
    assert [message.role for message in first.messages] == ["user"]
    assert [(m.role, m.text) for m in second.messages[1:]] == [
        ("assistant", "First thoughts."),
        ("user", "Now the verdict on 2."),
    ]
    assert (second.n, second.seeds) == (1, first.seeds)
    assert verdict.best == 1
    assert verdict.usage.calls == 2
    assert "First thoughts." in verdict.votes[0].raw


@pytest.mark.parametrize(
    ("replies", "status", "calls"),
    [
        pytest.param([Completion(text="cut", finish="length")], "parse_error", 1, id="cut"),
        pytest.param([Completion(text="")], "empty", 1, id="empty"),
        pytest.param([BackendError("gone")], "api_error", 1, id="first lost"),
        pytest.param(["thoughts", BackendError("gone")], "api_error", 2, id="second lost"),
    ],
)
async def test_without_a_first_turn_there_is_no_second(
    replies: list[Outcome | str],
    status: str,
    calls: int,
    two_turns: Callable[[FakeBackend], Judge],
) -> None:
    backend = FakeBackend(replies)
    verdict = await two_turns(backend).score("Which?", ["a", "b"])
    assert [vote.status for vote in verdict.failures] == [status]
    assert len(backend.requests) == calls


def test_the_plan_counts_both_turns(two_turns: Callable[[FakeBackend], Judge]) -> None:
    from deemster.judges.case import Case

    planned = list(two_turns(FakeBackend("x")).plan(Case.of("Which?", ["a", "b"])))
    assert [(one.votes, one.known, one.tokens_unknown > 0) for one in planned] == [
        (0, True, False),
        (1, False, True),
    ]
    one_by_one = Judge(FakeBackend("x"), dialect="mt-bench-single", k=2)
    planned = list(one_by_one.plan(Case.of("Which?", ["a", "b", "c"])))
    assert [one.votes for one in planned] == [2, 0, 0]


def test_parts_keep_their_log_probabilities() -> None:
    parts = [
        Completion(text="Yes", logprobs=(TokenLogprob(token="Yes", logprob=-0.1),)),
        Completion(text="\nNo\n", logprobs=(TokenLogprob(token="No", logprob=-0.2),)),
    ]
    split = split_parts(join_parts(parts), 2)
    assert [one.text for one in split] == ["Yes", "\nNo\n"]
    assert [one.logprobs for one in split] == [one.logprobs for one in parts]


@pytest.mark.parametrize(
    "text",
    ["plain", "[The Begin of Part 1]\nx", "[The Begin of Part 1]\nx\n[The Begin of Part 3]\ny"],
)
def test_another_number_of_parts_is_no_verdict(text: str) -> None:
    with pytest.raises(ParseError, match="expected 2 completions in one"):
        split_parts(Completion(text=text), 2)
