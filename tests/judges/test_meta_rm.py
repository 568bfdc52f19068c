from __future__ import annotations

import math
from typing import Any

import numpy as np
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


class _Own:
    """A meta RM of somebody's own."""

    name = "own"

    def __init__(self, given: object) -> None:
        self.given = given

    async def rate(self, *_: object) -> Any:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(
    ("given", "rewards", "warned"),
    [
        ([math.nan, 0.5], [None, 0.5], "gave the meta reward nan"),
        ([0.5, -math.inf], [0.5, None], "gave the meta reward -inf"),
        ([10**400, 0], [None, 0.0], "gave the meta reward inf"),
        ((1, None), [1.0, None], ""),
        (np.array([0.25, np.nan], dtype=np.float32), [0.25, None], "gave the meta reward nan"),
        ([np.float32(0.5), np.int64(2)], [0.5, 2.0], ""),
        (ValueError("no\nGPU"), [None, None], "meta RM own failed (ValueError: no"),
        (BackendTimeout("late"), [None, None], "meta RM own failed (BackendTimeout: late)"),
    ],
)
async def test_what_a_meta_rm_of_ones_own_gives_is_a_finite_number_or_none(
    given: object, rewards: list[float | None], warned: str, caplog: pytest.LogCaptureFixture
) -> None:
    votes = [Judgment(scores=(9, 1)), Judgment(scores=(1, 9))]
    rated, _ = await rate_votes(_Own(given), QUERY, RESPONSES, votes)
    found = [vote.meta_reward for vote in rated if isinstance(vote, Judgment)]
    assert found == rewards
    assert {type(one) for one in found} <= {float, type(None)}
    assert warned in caplog.text
    assert bool(warned) == bool(caplog.records)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "returned NoneType, not a list"),
        ("ab", "returned str, not a list"),
        ({0: 0.5, 1: 0.5}, "returned dict, not a list"),
        (0.5, "returned float, not a list"),
        ([0.5], "gave 1 rewards for 2 judgments"),
        (["0.5", 0.5], "gave the meta reward '0.5', which is no number"),
        ([True, 0.5], "gave the meta reward True, which is no number"),
        ([[0.5], 0.5], r"gave the meta reward \[0.5\], which is no number"),
    ],
)
async def test_a_meta_rm_of_another_kind_is_refused(given: object, message: str) -> None:
    votes = [Judgment(scores=(9, 1)), Judgment(scores=(1, 9))]
    with pytest.raises(InputError, match=message):
        await rate_votes(_Own(given), QUERY, RESPONSES, votes)


def test_open_meta_rm() -> None:
    assert open_meta_rm("fake:\\boxed{1}").name.startswith("prompted:fake:")
    with pytest.raises(InputError, match="meta_rm is empty"):
        open_meta_rm(" ")
    with pytest.raises(InputError, match="unknown model scheme 'vlm'"):
        open_meta_rm("vlm:x")
