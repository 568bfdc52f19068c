from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from deemster import best_of_n
from deemster.backends import FakeBackend, Request
from deemster.errors import BackendTimeout, InputError, RefusedError
from deemster.judges import Judge, score_steps
from deemster.judges.case import Case
from deemster.judges.tournament import knockout_calls
from deemster.schemas import Message


def by_length(request: Request, _draw: int) -> str:
    """Scores each response shown by its length, 1 to 10."""
    text = request.messages[-1].text
    shown = [
        block.split(">>>\n", 1)[1].split("\n<<<END", 1)[0]
        for block in text.split("<<<BEGIN RESPONSE ")[1:]
    ]
    return f"Scores: \\boxed{{{', '.join(str(min(10, len(one))) for one in shown)}}}"


@pytest.fixture
def judge() -> Judge:
    return Judge(FakeBackend(by_length), name="length")


async def test_the_best_of_a_callables_responses(judge: Judge) -> None:
    answers = iter(["x", "xxxx", "xx"])

    async def generate(query: str) -> str:
        assert query == "q"
        return next(answers)

    found = await best_of_n(judge, "q", generate, 3)
    assert found.text == "xxxx"
    assert found.best == 1
    assert found.verdict is not None
    assert found.verdict.best is not None
    assert found.usage.calls == 1


async def test_numbered_candidates_messages_and_copies(judge: Judge) -> None:
    async def generate(query: Any, number: int) -> dict[str, str]:
        return {"content": "x" * (1 + number % 3)}

    found = await best_of_n(judge, [{"role": "user", "content": "q"}], generate, 10)
    assert [message.text for message in found.candidates] == ["x", "xx", "xxx"]
    assert found.copies == (4, 3, 3)
    assert found.response == Message(role="assistant", content="xxx")


async def test_candidates_that_fail_are_left_out_and_told(judge: Judge) -> None:
    async def generate(_query: str, number: int) -> str:
        if number == 1:
            raise RuntimeError("boom")
        if number == 2:
            raise RefusedError("no")
        return "  " if number == 3 else "x" * (number + 1)

    found = await best_of_n(judge, "q", generate, 6)
    assert [(one.draw, one.status) for one in found.failures] == [
        (1, "api_error"),
        (2, "refused"),
        (3, "empty"),
    ]
    assert found.text == "xxxxxx"


async def test_nothing_generated_is_no_winner(judge: Judge) -> None:
    async def generate(_query: str) -> str:
        raise RuntimeError("boom")

    found = await best_of_n(judge, "q", generate, 3)
    assert found.best is None
    assert found.text is None
    assert found.verdict is None
    assert found.ranking is None
    assert len(found.failures) == 3


async def test_a_judge_that_fails_names_no_winner() -> None:
    judge = Judge(FakeBackend(lambda *_: BackendTimeout("late")))

    async def generate(_query: str, number: int) -> str:
        return "x" * (number + 1)

    found = await best_of_n(judge, "q", generate, 3)
    assert found.text is None
    assert found.ranking is not None
    assert found.ranking.calls == 2


@pytest.mark.parametrize("method", ["knockout", "swiss"])
async def test_hundreds_of_candidates(method: Any) -> None:
    """A noisy judge, 300 candidates: a good one is found in a bounded number of calls."""

    def noisy(request: Request, _draw: int) -> str:
        text = request.messages[-1].text
        shown = [int(block.split("\n")[1]) for block in text.split("<<<BEGIN RESPONSE ")[1:]]
        rng = random.Random(repr(shown))
        scores = [max(1, min(10, round(one / 30 + rng.gauss(0, 0.5)))) for one in shown]
        return f"Scores: \\boxed{{{', '.join(map(str, scores))}}}"

    async def generate(_query: str, number: int) -> str:
        return str(number)

    judge = Judge(FakeBackend(noisy))
    found = await best_of_n(judge, "q", generate, 300, method=method, seed=7)
    assert found.text is not None
    assert int(found.text) >= 255  # the best seventh
    again = await best_of_n(judge, "q", generate, 300, method=method, seed=7)
    assert again.text == found.text
    if method == "knockout":
        assert found.ranking is not None
        assert found.ranking.calls == knockout_calls(300, 8) == 44


async def test_a_backend_generates(judge: Judge) -> None:
    backend = FakeBackend(["x", "xxx", BackendTimeout("late"), "xx"])
    found = await best_of_n(judge, "q", backend, 4, seed=3, temperature=0.7, max_tokens=5)
    assert found.text == "xxx"
    assert [one.status for one in found.failures] == ["timeout"]
    (request,) = backend.requests
    assert request.n == 4
    assert len(set(request.seeds)) == 4
    assert request.sampling.temperature == 0.7
    assert found.generation.calls == 3
    assert not backend.closed


async def test_a_model_string_generates(judge: Judge) -> None:
    found = await best_of_n(judge, "q", "fake:an answer", 5)
    assert found.text == "an answer"
    assert found.copies == (5,)


async def test_generation_is_bounded(judge: Judge) -> None:
    busy = [0, 0]

    async def generate(_query: str) -> str:
        busy[0] += 1
        busy[1] = max(busy)
        await asyncio.sleep(0.001)
        busy[0] -= 1
        return "x"

    await best_of_n(judge, "q", generate, 20, in_flight=4)
    assert busy[1] == 4


async def number(_query: str) -> Any:
    return 7


@pytest.mark.parametrize(
    ("generate", "options", "message"),
    [
        pytest.param("fake:x", {"n": 0}, "n must be a whole number from 1 to 10000, got 0", id="n"),
        pytest.param(7, {}, "async callable, a Backend or a model string", id="no-callable"),
        pytest.param("nosuch:x", {}, "unknown model scheme", id="no-model"),
        pytest.param(number, {}, "response 0 must be a text, a message", id="no-response"),
        pytest.param("fake:x", {"temperature": 3.0}, "temperature", id="temperature"),
    ],
)
async def test_bad_arguments(
    judge: Judge, generate: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        await best_of_n(judge, "q", generate, **{"n": 2, **options})


# --- process rewards ----------------------------------------------------------------------------


def step_judge(reply: Callable[[str], str]) -> Judge:
    def script(request: Request, _draw: int) -> str:
        return reply(request.messages[-1].text)

    return Judge(FakeBackend(script), k=4, orders="fixed")


STEPS: Sequence[str] = ["3 * 4 = 12", "12 + 5 = 18", "so the answer is 18"]


async def test_steps_are_judged_given_those_before() -> None:
    wrong = "= 18\n<<<END RESP"
    judge = step_judge(lambda text: f"Scores: \\boxed{{{2 if wrong in text else 9}}}")
    found = await score_steps(judge, "What is 3 * 4 + 5?", STEPS)
    assert found.rewards == (9.0, 2.0, 9.0)  # per vote, not the sum over four
    assert found.lowest == 2.0
    assert found.first_below(5.0) == 1
    assert found.first_below(1.0) is None
    assert isinstance(judge.backend, FakeBackend)
    prompts = {
        step: next(
            request.messages[-1].text
            for request in judge.backend.requests
            if f"\n{STEPS[step]}\n<<<END RESPONSE 1" in request.messages[-1].text
        )
        for step in range(3)
    }
    assert "first step" in prompts[0]
    assert STEPS[0] not in prompts[0].split("# Answer")[0]
    assert "[assistant]\n3 * 4 = 12\n\n12 + 5 = 18" in prompts[2]
    assert STEPS[2] not in prompts[2].split("# Answer")[0]
    assert found.usage.calls == 12


async def test_a_step_without_reward_is_none() -> None:
    judge = step_judge(lambda text: "?" if "= 18\n<<<END RESP" in text else "Scores: \\boxed{9}")
    found = await score_steps(judge, "q", STEPS)
    assert found.rewards == (9.0, None, 9.0)
    assert found.lowest is None
    assert "no boxed scores" in found.messages[1]


async def test_a_judge_that_raises_leaves_the_other_steps() -> None:
    class Flaky(Judge):
        async def _judge(self, case: Case) -> Any:
            if "18" in case.responses[0].text:
                raise RuntimeError("boom")
            return await super()._judge(case)

    found = await score_steps(Flaky(FakeBackend("Scores: \\boxed{7}")), "q", STEPS)
    assert found.rewards == (7.0, None, None)
    assert found.messages[1] == "RuntimeError: boom"
    with pytest.raises(InputError, match="responses is empty"):
        await score_steps(Flaky(FakeBackend("x")), "q", [])
