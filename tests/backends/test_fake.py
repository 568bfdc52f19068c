from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deemster import Judge
from deemster.backends import FakeBackend, Request, generate_all
from deemster.errors import BackendError, BackendTimeout, InputError, RefusedError
from deemster.schemas import Completion, Message, Sampling, Usage


def ask(n: int = 1, *, seeds: tuple[int, ...] = ()) -> Request:
    message = Message(role="user", content="one two three")
    return Request(messages=(message,), sampling=Sampling(), n=n, seeds=seeds)


async def test_one_text_for_all() -> None:
    outcomes = await FakeBackend("four words are here", name="mine").generate(ask(2))
    usage = Usage(calls=1, tokens_in=3, tokens_out=4)
    assert outcomes == [Completion(text="four words are here", model="mine", usage=usage)] * 2


async def test_list_is_used_up_in_order() -> None:
    lost = BackendTimeout("late")
    ready = Completion(text="ready", finish="length")
    backend = FakeBackend(["a", lost, ready])
    [first] = await backend.generate(ask())
    assert isinstance(first, Completion)
    assert first.text == "a"
    assert await backend.generate(ask(2)) == [lost, ready]
    with pytest.raises(InputError, match="has 3 replies, and all are used"):
        await backend.generate(ask())


async def test_function_sees_request_and_draw() -> None:
    async def later(request: Request, draw: int) -> str:
        await asyncio.sleep(0)
        return f"{request.seeds[draw]}"

    backend = FakeBackend(later)
    outcomes = await backend.generate(ask(2, seeds=(7, 8)))
    assert [o.text for o in outcomes if isinstance(o, Completion)] == ["7", "8"]
    assert backend.requests == [ask(2, seeds=(7, 8))]


async def test_close_is_noted() -> None:
    backend = FakeBackend("x")
    assert not backend.closed
    await backend.aclose()
    await backend.aclose()
    assert backend.closed


# `generate_all` is the boundary that makes failures data.


class Broken:
    """Raises, or returns too few or too many."""

    name = "broken"

    def __init__(self, error: BaseException | None, *returned: Completion | BackendError) -> None:
        self.error = error
        self.returned = list(returned) or [Completion(text="only one")]

    async def generate(self, request: Request) -> list[Completion | BackendError]:
        if self.error is not None:
            raise self.error
        return self.returned

    async def aclose(self) -> None:
        return None


async def test_raised_backend_error_fails_every_draw() -> None:
    error = RefusedError("no")
    assert await generate_all(Broken(error), ask(3)) == [error] * 3


SPENT = Usage(calls=3, tokens_in=900, tokens_out=20, cost=0.25, seconds=4.0)


class QuotaError(BackendError):
    """A third party's error, with arguments of its own."""

    def __init__(self, code: int, *, account: str, usage: Usage | None) -> None:
        super().__init__(f"quota {code} of {account}", retryable=True, usage=usage)
        self.account = account


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BackendError("down", usage=SPENT), id="error"),
        pytest.param(BackendTimeout("late", usage=SPENT), id="timeout"),
        pytest.param(QuotaError(7, account="mine", usage=SPENT), id="third-party"),
    ],
)
async def test_what_a_raised_error_cost_is_counted_once(error: BackendError, n: int) -> None:
    outcomes = await generate_all(Broken(error), ask(n))
    assert len(outcomes) == n
    assert Usage.total(outcome.usage or Usage() for outcome in outcomes) == SPENT
    for outcome in outcomes:
        assert isinstance(outcome, type(error))
        assert (str(outcome), outcome.status) == (str(error), error.status)
        assert outcome.retryable == error.retryable
        assert getattr(outcome, "account", None) == getattr(error, "account", None)
    assert error.usage == SPENT  # the caller's own error is as it was


@pytest.mark.parametrize("returned", [1, 3])
async def test_what_a_wrong_number_of_outcomes_cost_is_counted_once(returned: int) -> None:
    each = Usage(calls=1, tokens_in=10, cost=0.5)
    draws: list[Completion | BackendError] = [
        Completion(text="x", usage=each), BackendTimeout("late", usage=each), BackendError("free")
    ]  # fmt: skip
    backend = Broken(None, *draws[:returned])
    outcomes = await generate_all(backend, ask(2))
    assert all(isinstance(outcome, BackendError) for outcome in outcomes)
    spent = Usage.total(outcome.usage or Usage() for outcome in outcomes)
    priced = min(returned, 2)
    assert spent == Usage(calls=priced, tokens_in=10 * priced, cost=0.5 * priced)


async def test_foreign_error_becomes_backend_error() -> None:
    [outcome] = await generate_all(Broken(ZeroDivisionError("oops")), ask())
    assert isinstance(outcome, BackendError)
    assert str(outcome) == "ZeroDivisionError in backend 'broken': oops"
    assert isinstance(outcome.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        pytest.param(None, ["NoneType, not a list"] * 2, id="nothing"),
        pytest.param("text", ["str, not a list"] * 2, id="text"),
        pytest.param(Completion(text="x"), ["Completion, not a list"] * 2, id="one"),
        pytest.param({"a": 1, "b": 2}, ["dict, not a list"] * 2, id="mapping"),
        pytest.param(["a", "b"], ["str for a draw"] * 2, id="texts"),
        pytest.param([None, None], ["NoneType for a draw"] * 2, id="nones"),
        pytest.param([Completion(text="x"), None], ["", "NoneType for a draw"], id="one-lost"),
        pytest.param([ValueError("v"), Completion(text="x")], ["ValueError", ""], id="error"),
        pytest.param((Completion(text="x"), Completion(text="y")), ["", ""], id="tuple"),
        pytest.param([None], ["returned 1 outcomes for n=2"] * 2, id="too-few"),
    ],
)  # fmt: skip
async def test_what_is_no_outcome_is_a_failed_draw(returned: object, said: list[str]) -> None:
    class Odd(FakeBackend):
        async def generate(self, _request: Request) -> Any:
            return returned

    outcomes = await generate_all(Odd("", name="odd"), ask(2))
    for outcome, part in zip(outcomes, said, strict=True):
        assert isinstance(outcome, BackendError if part else Completion)
        assert part in str(outcome)
    async with Judge(Odd("", name="odd"), dialect="grm", k=2, orders="fixed") as judge:
        verdict = await judge.score("q", ["a", "b"])
    assert verdict.rewards is None
    assert {vote.status for vote in verdict.failures} <= {"api_error", "parse_error"}


async def test_wrong_number_of_outcomes_fails_every_draw() -> None:
    outcomes = await generate_all(Broken(None), ask(2))
    assert [str(o) for o in outcomes] == ["backend 'broken' returned 1 outcomes for n=2"] * 2


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(asyncio.CancelledError(), id="cancelled"),
        pytest.param(KeyboardInterrupt(), id="interrupt"),
        pytest.param(SystemExit(3), id="exit"),
    ],
)
def test_interruption_passes(error: BaseException) -> None:
    # Driven by hand: an event loop would itself react to these.
    call = generate_all(Broken(error), ask())
    with pytest.raises(type(error)):
        call.send(None)
