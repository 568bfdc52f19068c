from __future__ import annotations

import pytest

from deemster.backends import FakeBackend, Request
from deemster.errors import BackendTimeout, InputError
from deemster.judges import Judge, PromptedMetaRM, open_meta_rm
from deemster.judges.meta_rm import rate_votes
from deemster.schemas import Failure, Judgment, Vote, as_query, as_responses

QUERY, RESPONSES = as_query("2 + 2?"), as_responses(["four", "five"])


async def test_prompted_meta_rm_reads_a_probability() -> None:
    backend = FakeBackend(["The check holds.\n\\boxed{85}", "\\boxed{101}", "no idea"])
    votes: list[Vote] = [
        Judgment(scores=(9, 1), raw="because 2 + 2 is 4", draw=0),
        Judgment(scores=(1, 9), raw="5 sounds better", draw=1, order=(1, 0)),
        Failure(status="timeout", message="late", draw=2),
        Judgment(scores=(5, 4), raw="hm", draw=3),
    ]
    meta = PromptedMetaRM(backend)
    rated, usage = await rate_votes(meta, QUERY, RESPONSES, votes)
    assert [getattr(vote, "meta_reward", None) for vote in rated] == [0.85, None, None, None]
    assert usage.calls == 3
    assert await meta.rate(QUERY, RESPONSES, []) == []


async def test_prompted_meta_rm_sees_the_order_the_judgment_saw() -> None:
    backend = FakeBackend("\\boxed{50}")
    await PromptedMetaRM(backend).rate(
        QUERY, RESPONSES, [Judgment(scores=(1, 9), raw="I prefer the first.", order=(1, 0))]
    )
    text = backend.requests[0].messages[-1].text
    assert text.index("five") < text.index("four") < text.index("I prefer the first.")


async def test_a_meta_rm_that_fails_leaves_voting_plain() -> None:
    def script(request: Request, _: int) -> str | BackendTimeout:
        if "The judge's work" in request.messages[-1].text:
            return BackendTimeout("late")
        return "Scores: \\boxed{7, 3}"

    backend = FakeBackend(script)
    judge = Judge(backend, k=4, orders="fixed", meta_rm=PromptedMetaRM(backend))
    verdict = await judge.score("q", ["a", "b"])
    assert verdict.rewards == (14.0, 6.0)  # of two votes, as on samples where it did not fail


def test_open_meta_rm() -> None:
    assert open_meta_rm("fake:\\boxed{1}").name.startswith("prompted:fake:")
    with pytest.raises(InputError, match="meta_rm is empty"):
        open_meta_rm(" ")
    with pytest.raises(InputError, match="unknown model scheme 'vlm'"):
        open_meta_rm("vlm:x")
