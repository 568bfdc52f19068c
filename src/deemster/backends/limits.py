"""What bounds calls: a budget, deadlines, and the one owner of retries.

`Budget` and `Patience` may be shared between loops and threads.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeGuard, TypeVar

from deemster.backends.gate import Gate
from deemster.backends.pace import Pace
from deemster.errors import (
    BackendError,
    BackendTimeout,
    InputError,
    OverBudgetError,
    RateLimitError,
)
from deemster.schemas import Usage
from deemster.usage import Account

T = TypeVar("T")


class Budget:
    """A limit on money, tokens or calls, and the account of what was spent under it.

    One budget may be given to several backends. It is checked before every attempt, so calls
    already under way when it is spent are paid for: the overrun is at most what the concurrent
    calls cost. The number of calls is never exceeded.

    Args:
        usd: US dollars; None is no limit.
        tokens: tokens in and out together. An answer whose tokens nobody reports ends it, as one of
            unknown price ends a budget in money.
        calls: requests sent, retries included.
    """

    def __init__(
        self, *, usd: float | None = None, tokens: int | None = None, calls: int | None = None
    ) -> None:
        for name, value in (("usd", usd), ("tokens", tokens), ("calls", calls)):
            if value is not None and not (_is_number(value) and 0 <= value < math.inf):
                raise InputError(f"budget {name} must be a finite number >= 0, got {value!r}")
        self.usd = usd
        self.tokens = tokens
        self.calls = calls
        self._spent = Account()
        self._tokens_known = True
        self._lock = threading.Lock()

    @property
    def spent(self) -> Usage:
        """What was spent so far; its cost is None once a call of unknown price was made."""
        with self._lock:
            return self._spent.total

    def admit(self) -> None:
        """Count one call, if there is budget left for it.

        Raises:
            OverBudgetError: there is not; nothing was counted.
        """
        with self._lock:
            spent = self._spent
            if self.calls is not None and spent.calls >= self.calls:
                raise OverBudgetError(f"budget of {self.calls} calls is spent; raise it to go on")
            tokens = spent.tokens_in + spent.tokens_out
            if self.tokens is not None and tokens >= self.tokens:
                raise OverBudgetError(
                    f"budget of {self.tokens} tokens is spent ({tokens} used); raise it to go on"
                )
            if self.tokens is not None and not self._tokens_known:
                raise OverBudgetError(
                    f"budget of {self.tokens} tokens is spent (an unknown number used: the server "
                    "does not report them); give a budget in calls"
                )
            if self.usd is not None and (spent.cost is None or spent.cost >= self.usd):
                used = "an unknown amount" if spent.cost is None else f"{spent.cost:.6f}"
                raise OverBudgetError(
                    f"budget of {self.usd} USD is spent ({used} used); raise it to go on"
                )
            spent.calls += 1

    def charge(self, usage: Usage | Account, *, tokens_known: bool = True) -> None:
        """Add what an admitted call cost; its `calls` are not counted again.

        Args:
            usage: what it cost.
            tokens_known: whether the answer, if there was one, says its tokens.
        """
        with self._lock:
            self._tokens_known = self._tokens_known and tokens_known
            self._spent.add(usage)
            self._spent.calls -= usage.calls


def check_limits(
    *,
    concurrency: int,
    rate: float | None,
    timeout: float,
    retries: int,
    attempt_timeout: float | None = None,
) -> None:
    """Refuse limits that no call could meet.

    Raises:
        InputError: one of them is out of range.
    """
    counts: dict[str, object] = {"concurrency": concurrency, "retries": retries}
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number >= 1, got {value!r}")
    if rate is not None and not _is_positive(rate):
        raise InputError(
            f"rate must be a number of calls per second above 0, got {rate!r}; None is no limit"
        )
    for name, seconds in (("timeout", timeout), ("attempt_timeout", attempt_timeout)):
        if seconds is not None and not _is_positive(seconds):
            raise InputError(f"{name} must be a number of seconds above 0, got {seconds!r}")


def _is_positive(value: object) -> bool:
    """Whether it is a finite number above 0: files give any type."""
    return _is_number(value) and 0 < value < math.inf


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


_ENOUGH = 8
"""Answers from which the limit of an attempt is learned."""


class Patience:
    """How long one attempt may take, learned from the answers that came.

    A server that hangs is then left long before the deadline of the call.

    Args:
        fixed: seconds, if the user said so.
    """

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._seen: deque[float] = deque(maxlen=64)
        self._guessing: dict[
            int, tuple[asyncio.AbstractEventLoop, asyncio.Timeout, float, float]
        ] = {}
        """Attempts under way: with the seconds of their calls, and when they began."""

    def saw(self, seconds: float) -> None:
        """An answer took so long."""
        self._seen.append(seconds)
        if len(self._seen) == _ENOUGH and self._guessing:
            here = asyncio.get_running_loop()
            for loop, scope, timeout, began in list(self._guessing.values()):
                if loop is here:  # of other loops: they keep their guess
                    until = began + self.limit(timeout)
                    scope.reschedule(min(scope.when() or math.inf, until))

    @contextmanager
    def bounding(self, scope: asyncio.Timeout, timeout: float) -> Iterator[None]:
        """While inside, an attempt's limit is shortened as soon as it can be learned.

        Args:
            scope: of the attempt, which begins now.
            timeout: seconds of its call in all.
        """
        loop = asyncio.get_running_loop()
        self._guessing[id(scope)] = (loop, scope, timeout, loop.time())
        try:
            yield
        finally:
            del self._guessing[id(scope)]

    @staticmethod
    def _guess(timeout: float) -> float:
        return 0.75 * timeout

    def limit(self, timeout: float) -> float:
        """Seconds for an attempt of a call that has `timeout` seconds in all.

        Four times the slowest of the last 64 answers, between 1/8 and 3/4 of `timeout`; 3/4 of
        it while there were fewer than 8.
        """
        if self._fixed is not None:
            return self._fixed
        if len(self._seen) < _ENOUGH:
            return self._guess(timeout)
        return min(max(4 * max(self._seen), timeout / 8), self._guess(timeout))


async def with_retries(
    attempt: Callable[[], Awaitable[T]],
    *,
    gate: Gate,
    attempts: int,
    timeout: float,  # noqa: ASYNC109
    patience: Patience | None = None,
) -> T:
    """Run `attempt` until it succeeds, under one wall-clock deadline for all of it.

    Only this retries: the client libraries below are told not to. Before another attempt there
    is one wait, as long as the provider asked for or else a growing random one, and no place in
    the gate is held meanwhile. Time in the queue before the first attempt does not count.

    Args:
        attempt: raises `BackendError` with `retryable` set where another try may help.
        gate: concurrency and rate.
        attempts: at most this many. An attempt that the provider refused as one too many
            (`RateLimitError`) is not counted; the deadline ends those.
        timeout: seconds for all attempts and the waits between them.
        patience: bounds one attempt; the last one has all the time that is left.

    Raises:
        BackendError: of the last attempt, or the first that is not retryable.
        BackendTimeout: the deadline passed.
    """
    patience = patience or Patience()
    started = await gate.enter(timeout)
    deadline = time.monotonic() + timeout
    failed = refused = 0
    said = ""
    while True:
        last = failed + 1 == attempts
        left = deadline - time.monotonic()
        try:
            return await _try_once(
                attempt, gate.pace, started, left, None if last else (patience, timeout)
            )
        except _DeadlineError:
            raise _too_late(timeout, said) from None
        except BackendError as error:
            limited = isinstance(error, RateLimitError)
            failed, refused = failed + (not limited), refused + limited
            if failed == attempts or not error.retryable:
                raise
            said = f"; the attempt before failed: {error}"
            asked = error.retry_after
        finally:
            gate.leave()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                if asked is None:
                    await asyncio.sleep(_backoff(failed + refused))
                started = await gate.enter(deadline - time.monotonic(), again=True)
        except TimeoutError:
            raise _too_late(timeout, said) from None


class _DeadlineError(Exception):
    """The call has no time left."""


def _too_late(timeout: float, said: str) -> BackendTimeout:
    return BackendTimeout(f"no answer within {timeout:g} s{said}")


async def _try_once(
    attempt: Callable[[], Awaitable[T]],
    pace: Pace,
    started: float,
    left: float,
    bounds: tuple[Patience, float] | None,
) -> T:
    """One attempt, bounded; what its outcome says about the provider's limit goes to `pace`.

    The clients' own timeouts are per read: bytes that trickle in never trip them.

    Raises:
        _DeadlineError: it took the `left` seconds.
        BackendError: of the attempt; a `BackendTimeout` where it took longer than it should.
    """
    began = time.monotonic()
    try:
        if bounds is None:
            async with asyncio.timeout(left) as scope:
                answer = await attempt()
        else:
            patience, timeout = bounds
            async with asyncio.timeout(min(left, patience.limit(timeout))) as scope:
                with patience.bounding(scope, timeout):
                    answer = await attempt()
    except TimeoutError:
        if not scope.expired():
            raise
        took = time.monotonic() - began
        if took >= 0.99 * left:  # timers are not exact
            raise _DeadlineError from None
        raise BackendTimeout(f"no answer within {took:.3g} s", retryable=True) from None
    except BackendError as error:
        if isinstance(error, RateLimitError):
            pace.refused(started, error.retry_after)
        else:
            pace.answered(started)
            if error.retry_after is not None:
                pace.wait_for(error.retry_after)
        raise
    pace.answered(started)
    return answer


def _backoff(failed: int) -> float:
    """Seconds to wait after `failed` attempts: 0.25 s, doubling, at most 8 s, halved at random."""
    return 0.25 * 2.0 ** min(failed - 1, 5) * random.uniform(0.5, 1.0)  # noqa: S311
