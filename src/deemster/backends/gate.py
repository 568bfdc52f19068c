"""Which calls may start now: concurrency, the rate that the user set, the provider's own limit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from deemster.backends.pace import Pace
from deemster.errors import BackendTimeout

if TYPE_CHECKING:
    from asyncio_throttle import Throttler

_WINDOW = 0.05
"""Seconds of calls let through at once. A window of 1 s would let a whole second's calls go
together and then none for a second."""


class _Waiter(NamedTuple):
    admitted: asyncio.Future[float]
    patience: float


class Gate:
    """Concurrency and rate of the calls on one event loop, first come first served.

    Calls that were tried before go first: behind thousands of new ones they would miss their
    deadline.

    Args:
        concurrency: calls under way at once.
        rate: calls started per second; None is no limit.
        pace: what is known about the provider's own limit.
    """

    def __init__(self, concurrency: int, rate: float | None, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._free = concurrency
        self._again: deque[_Waiter] = deque()
        self._new: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self._throttler = None if rate is None else _throttler(rate)

    async def enter(self, patience: float, *, again: bool = False) -> float:
        """Take one of the concurrent places when the provider and the rate allow a call.

        Args:
            patience: seconds that the caller can wait for a provider that asked for silence.
            again: whether the call was tried before.

        Returns:
            When the call started (`time.monotonic()`). `leave` must follow.

        Raises:
            BackendTimeout: the provider asked for a longer wait than `patience`.
        """
        waiter = _Waiter(asyncio.get_running_loop().create_future(), patience)
        (self._again if again else self._new).append(waiter)
        self._admit()
        try:
            started = await waiter.admitted
        except asyncio.CancelledError:
            if _let_in(waiter.admitted):  # in the same moment
                self.leave()
            raise
        if self._throttler is not None:
            # asyncio-throttle lets every waiter poll, in no order; behind a lock only the first
            # in the queue does.
            try:
                async with self._turn:
                    await self._throttler.acquire()
            except BaseException:
                self.leave()
                raise
        return started

    def leave(self) -> None:
        """Give the place back."""
        self._free += 1
        self._admit()

    def _admit(self) -> None:
        """Let in those who may start now, and look again when the next one may."""
        while self._free > 0 and (waiting := self._first()) is not None:
            now = time.monotonic()
            wait = self.pace.take(now)
            if wait <= 0:
                waiting.popleft().admitted.set_result(now)
                self._free -= 1
            elif (quiet := self.pace.quiet) > waiting[0].patience:  # it would wait in vain
                asked = f"the provider asked to wait {quiet:.1f} s more"
                reason = f"{asked}, which is past the deadline"
                waiting.popleft().admitted.set_exception(BackendTimeout(reason))
            else:
                self._look_again(wait)
                return

    def _first(self) -> deque[_Waiter] | None:
        """The queue whose first waiter is next."""
        for waiting in (self._again, self._new):
            while waiting and waiting[0].admitted.done():
                waiting.popleft()  # cancelled
            if waiting:
                return waiting
        return None

    def _look_again(self, wait: float) -> None:
        def look() -> None:
            self._timer = None
            self._admit()

        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, look)


def _let_in(admitted: asyncio.Future[float]) -> bool:
    return admitted.done() and not admitted.cancelled() and admitted.exception() is None


def _throttler(rate: float) -> Throttler:
    from asyncio_throttle import Throttler  # noqa: PLC0415 - only where a rate is set

    limit = max(1, int(rate * _WINDOW))
    period = limit / rate
    # How late the poll finds the window open is rate lost; 2 % of the window is little.
    return Throttler(rate_limit=limit, period=period, retry_interval=period / 50)
