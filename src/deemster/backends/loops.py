"""Values that belong to one event loop: connections, semaphores, locks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes a value for each event loop it is asked on, and closes it when that loop ends.

    `asyncio.run` shuts the loop's async generators down before it closes the loop. A generator
    is left waiting there for that, so a script that never closes anything leaks no connection.

    Args:
        make: called on the running loop.
        close: called on the value's own loop.
        abandon: frees what can be freed of a value whose loop was closed without notice.
    """

    def __init__(
        self,
        make: Callable[[], T],
        *,
        close: Callable[[T], Awaitable[None]],
        abandon: Callable[[T], None],
    ) -> None:
        self._make = make
        self._close = close
        self._abandon = abandon
        self._values: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]
        ] = WeakKeyDictionary()
        self._lock = threading.Lock()

    async def get(self) -> T:
        """The running loop's value."""
        loop = asyncio.get_running_loop()
        found = self._values.get(loop)
        if found is not None:
            return found[0]
        value = self._make()
        guard = self._guard(loop)
        with self._lock:
            # A value may hold its loop alive, so that the dictionary never forgets it by itself.
            for old in [old for old in self._values if old.is_closed()]:
                self._abandon(self._values.pop(old)[0])
            self._values[loop] = (value, guard)
        # Nothing was awaited since the look-up, so no other task made a second value.
        await anext(guard)
        return value

    async def aclose(self) -> None:
        """Close the values of all loops that run. `get` makes new ones."""
        here = asyncio.get_running_loop()
        with self._lock:
            values = dict(self._values)
            self._values.clear()
        for loop, (value, guard) in values.items():
            if loop is here:
                await self._end(value, guard)
            elif loop.is_running():
                there = asyncio.run_coroutine_threadsafe(self._end(value, guard), loop)
                await asyncio.wrap_future(there)
            else:
                self._abandon(value)

    async def _end(self, value: T, guard: AsyncGenerator[None, None]) -> None:
        await guard.aclose()
        await self._close(value)

    async def _guard(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            with self._lock:
                found = self._values.pop(loop, None)
            if found is not None:
                await self._close(found[0])
