"""Values that belong to one event loop: connections, semaphores, locks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes a value for each event loop it is asked on, and closes it when that loop ends.

    `asyncio.run` shuts the loop's async generators down before it closes the loop. A generator
    is left waiting there for that, so a script that never closes anything leaks no connection.
    Values are also closed when this object is dropped.

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
        self._kept = _Kept(close, abandon)
        # The finalizer keeps the values until they are closed, so that the garbage collector
        # does not take connections together with the object that would close them.
        weakref.finalize(self, self._kept.release).atexit = False

    async def get(self) -> T:
        """The running loop's value."""
        found = self._kept.find()
        if found is not None:
            return found
        # Nothing is awaited before it is kept, so no other task makes a second value.
        return await self._kept.keep(self._make())

    async def aclose(self) -> None:
        """Close the values of all loops that run. `get` makes new ones."""
        here = asyncio.get_running_loop()
        for loop in self._kept.loops():
            if loop is here:
                await self._kept.end(loop)
            elif loop.is_running():
                there = asyncio.run_coroutine_threadsafe(self._kept.end(loop), loop)
                await asyncio.wrap_future(there)


class _Kept(Generic[T]):
    """The values, and for each the generator that waits for the end of its loop."""

    def __init__(self, close: Callable[[T], Awaitable[None]], abandon: Callable[[T], None]) -> None:
        self._close = close
        self._abandon = abandon
        self._values: dict[AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()  # loops hold their tasks weakly
        self._lock = threading.Lock()

    def find(self) -> T | None:
        found = self._values.get(asyncio.get_running_loop())
        return None if found is None else found[0]

    async def keep(self, value: T) -> T:
        loop = asyncio.get_running_loop()
        guard = self._guard(loop)
        with self._lock:
            for old in [old for old in self._values if old.is_closed()]:
                self._abandon(self._values.pop(old)[0])
            self._values[loop] = (value, guard)
        await anext(guard)
        return value

    def loops(self) -> list[AbstractEventLoop]:
        with self._lock:
            return list(self._values)

    async def end(self, loop: AbstractEventLoop) -> None:
        """Close the value of this loop, on which it is called."""
        with self._lock:
            found = self._values.pop(loop, None)
        if found is not None:
            value, guard = found
            await self._close(value)
            await guard.aclose()

    def release(self) -> None:
        """Have every value closed: by its loop if it runs, else as far as possible."""
        for loop in self.loops():
            if loop.is_running():
                with contextlib.suppress(RuntimeError):  # it was closed just now
                    loop.call_soon_threadsafe(self._end_soon, loop)
            elif loop.is_closed():
                with self._lock:
                    found = self._values.pop(loop, None)
                if found is not None:
                    self._abandon(found[0])

    def _end_soon(self, loop: AbstractEventLoop) -> None:
        task = loop.create_task(self.end(loop))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _guard(self, loop: AbstractEventLoop) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            with self._lock:
                found = self._values.pop(loop, None)
            if found is not None:
                await self._close(found[0])
