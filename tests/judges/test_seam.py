"""One `score` for every class of judge: what goes in is read in one place, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import JsonValue

from deemster.aggregators import Mean
from deemster.backends import FakeBackend, Request
from deemster.errors import InputError
from deemster.judges import BaseJudge, Cascade, Debate, DecisionJudge, Judge, Panel, decide
from deemster.judges.case import Case
from deemster.judges.verifier import ExactMatch, Verifier
from deemster.principles import principles_hash
from deemster.schemas import (
    Completion,
    Decision,
    JudgeInfo,
    Judgment,
    Principle,
    Verdict,
    dump_decisions,
)


class Longest(BaseJudge):
    """Written from the docstring of `deemster.judges.base`."""

    name = "longest"

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name=self.name, model="longest")

    async def _judge(self, case: Case) -> Verdict:
        vote = Judgment(scores=tuple(float(len(one.text)) for one in case.responses))
        return decide([vote], n=case.n, k=1, reducer=Mean(), info=self.info)


class Stranger:
    """A judge of somebody who knows nothing but the protocol."""

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name="stranger", model="stranger")

    async def score(
        self, query: Any, responses: Any, *, reference: str | None = None, principles: Any = None
    ) -> Verdict:
        self.asked = (query, responses, reference, principles)
        return await Longest().score(query, responses)

    async def aclose(self) -> None: ...


def judge(name: str = "grm") -> Judge:
    return Judge(FakeBackend("Scores: \\boxed{3, 8}"), name=name, orders="fixed")


def decision() -> DecisionJudge:
    """Likes the second response."""

    def answer(request: Request, _draw: int) -> str:
        return dump_decisions(
            [
                Decision(
                    name=one.name,
                    probabilities=(0.75, 0.25) if "2" in one.instructions else (0.5, 0.5),
                )
                for one in request.questions
            ]
        )

    return DecisionJudge(FakeBackend(answer), ask="predicate", orders="fixed")


JUDGES: dict[str, Callable[[], BaseJudge]] = {
    "grm": judge,
    "own": Longest,
    "decision": decision,
    "verifier": lambda: Verifier(ExactMatch()),
    "panel": lambda: Panel([judge(), Longest(), Stranger()]),
    "debate": lambda: Debate([judge(), judge("two"), Stranger()]),
    "cascade": lambda: Cascade([judge(), Longest(), Stranger()], thresholds=0.9),
    "nested": lambda: Panel([Cascade([judge(), Longest()], thresholds=0.5), Longest()]),
}
each = pytest.mark.parametrize("make", JUDGES.values(), ids=JUDGES)


@each
async def test_responses_may_come_from_a_generator(make: Callable[[], BaseJudge]) -> None:
    def answers() -> Iterator[str]:
        yield "no"
        yield "certainly"

    verdict = await make().score("q", answers(), reference="certainly")
    assert verdict.best == 1


@each
@pytest.mark.parametrize(
    ("query", "responses", "message"),
    [
        pytest.param("", ["a"], "query is empty", id="no-query"),
        pytest.param("q", [], "responses is empty", id="no-responses"),
        pytest.param("q", iter(()), "responses is empty", id="empty-generator"),
        pytest.param("q", "text", "put a single response in a list", id="text"),
        pytest.param("q", {"a": 1}, "must be a list", id="mapping"),
        pytest.param("q", [3], "response 0 must be a text, a message", id="number"),
    ],
)
async def test_what_cannot_be_judged_is_one_error(
    make: Callable[[], BaseJudge], query: Any, responses: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        await make().score(query, responses, reference="r")


@each
async def test_principles_of_a_call_are_in_the_record(make: Callable[[], BaseJudge]) -> None:
    made = make()
    given = [Principle(name="Rhyme"), Principle(name="Metre", weight=3)]
    plain = await made.score("q", ["a", "bb"], reference="bb")
    verdict = await made.score("q", ["a", "bb"], reference="bb", principles=given)
    again = await made.score("q", ["a", "bb"], reference="bb", principles=["Rhyme"])
    assert plain.judge == made.info
    if made.uses_principles:
        weights = (
            Principle(name="Rhyme", weight=0.25),
            Principle(name="Metre", weight=0.75),
        )
        assert verdict.judge.principles == principles_hash(weights)
        prints = {one.judge.fingerprint for one in (plain, verdict, again)}
        assert len(prints) == 3
    else:
        assert verdict.judge == plain.judge


async def test_members_get_the_principles_of_the_call() -> None:
    stranger, backend = Stranger(), FakeBackend("Scores: \\boxed{3, 8}")
    panel = Panel([Judge(backend), stranger])
    await panel.score("q", ["a", "b"], principles="helpfulness", reference="gold")
    assert "Completeness" in backend.requests[0].messages[-1].text or stranger.asked[3]
    query, responses, reference, principles = stranger.asked
    assert [turn.text for turn in query] == ["q"]
    assert [turn.text for turn in responses] == ["a", "b"]
    assert reference == "gold"
    assert sum(one.weight for one in principles) == pytest.approx(1)


def test_wrong_principles_do_not_type_check() -> None:
    """mypy reads this file: without the ignores below it fails, and unused ignores fail too."""
    with pytest.raises(InputError, match="principles must be"):
        Judge(FakeBackend(""), principles=123)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="principles must be"):
        judge().score_sync("q", ["a"], principles=123)  # type: ignore[arg-type]


async def test_what_was_sent_is_in_the_record_and_the_fingerprint() -> None:
    def reply(sent: dict[str, JsonValue] | None) -> Completion:
        return Completion(text="Scores: \\boxed{3, 8}", sent=sent)

    given = Judge(FakeBackend(lambda *_: reply(None)), temperature=0.5)
    refused = Judge(FakeBackend(lambda *_: reply({"max_tokens": 2048})), temperature=0.5)
    plain = await given.score("q", ["a", "b"])
    changed = await refused.score("q", ["a", "b"])
    assert plain.judge == given.info == refused.info
    assert plain.judge.sent is None
    assert changed.judge.sent == {"max_tokens": 2048}  # no temperature
    assert changed.judge.fingerprint != plain.judge.fingerprint


async def test_a_finished_fingerprint_does_not_stick_to_a_changed_copy() -> None:
    info = JudgeInfo(name="a", model="m")
    first = info.fingerprint
    assert info.model_copy(update={"principles": "x"}).fingerprint != first
