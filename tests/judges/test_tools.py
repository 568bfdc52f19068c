"""Verifiers as tools: what they found stands before the judge."""

from __future__ import annotations

from deemster import Judge, Verifier
from deemster.backends import FakeBackend
from deemster.judges.verifier import NumericMatch


async def test_findings_are_shown_in_the_order_of_the_prompt() -> None:
    backend = FakeBackend("Scores: \\boxed{5, 5}")
    async with Judge(backend, k=2, tool=Verifier([NumericMatch()])) as judge:
        verdict = await judge.score("6 * 7?", ["41", "42"], reference="42")
    assert verdict.judge.tool == "verifier"
    for request, vote in zip(backend.requests, verdict.votes, strict=True):
        text = request.messages[-1].text
        found = text[text.index("BEGIN FINDINGS") : text.index("END FINDINGS")]
        first, second = found.split("Response 2")
        right, wrong = (second, first) if vote.order == (0, 1) else (first, second)
        assert "42" in right
        assert "41" in wrong


async def test_without_a_tool_there_is_no_such_section() -> None:
    backend = FakeBackend("Scores: \\boxed{5, 5}")
    await Judge(backend).score("6 * 7?", ["41", "42"], reference="42")
    assert "FINDINGS" not in backend.requests[0].messages[-1].text
