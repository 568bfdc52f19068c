"""One event loop in the background, for callers that are not asynchronous.

A script, a thread, or a notebook cell whose own loop already runs cannot start another loop on
the spot. They hand their coroutine to one loop that lives in a daemon thread for the rest of the
process, so connections made by one call are there for the next. A library whose connections must
stay on one loop is called there as well.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from deemster.errors import InputError

T = TypeVar("T")

_GRACE = 0.5
"""Seconds that cancelled work gets to clean up; at the end of the process the loop gets as much
again."""


class LoopThread:
    """An event loop running in a daemon thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        # Daemon: a hanging call must not keep the process from ending.
        self._thread = threading.Thread(target=self._main, name="deemster-loop", daemon=True)
        self._thread.start()
        self._started.wait()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to the end and return the result or raise the error.

        `KeyboardInterrupt` while waiting cancels the coroutine, gives it a moment to clean up,
        and is raised again.

        Raises:
            InputError: called on the background loop itself, which would wait for itself.
        """
        loop = self._loop
        if loop is None or not self._thread.is_alive():
            coroutine.close()
            raise RuntimeError("deemster's background loop has been shut down")
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise InputError("a synchronous call inside a coroutine of deemster; await it instead")
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_signalling(coroutine, ended), loop)
        try:
            return _wait(future)
        except BaseException:
            if future.cancel() and inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
                ended.wait(_GRACE)
            raise

    async def run_from(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The same, awaited on another loop; cancelling this cancels the coroutine."""
        loop = self._loop
        if loop is None or not self._thread.is_alive():
            coroutine.close()
            raise RuntimeError("deemster's background loop has been shut down")
        if threading.current_thread() is self._thread:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))

    def close(self) -> None:
        """Cancel what runs, close the loop with all its connections, end the thread."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            self._thread.join(timeout=_GRACE)

    def _main(self) -> None:
        # `asyncio.run` cancels the tasks that are left, and closes what waits for the loop's end.
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._started.set()
        await self._stop.wait()


async def _signalling(coroutine: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await coroutine
    finally:
        ended.set()


def _wait(future: Future[T]) -> T:
    while True:
        try:
            # In slices, because on Windows an endless wait cannot be interrupted.
            return future.result(timeout=1.0)
        except (FutureTimeoutError, CancelledError):
            # The coroutine's own TimeoutError is this same class.
            if future.done():
                return future.result()


@functools.cache
def _loop_thread(process: int) -> LoopThread:  # noqa: ARG001 - threads do not survive a fork
    thread = LoopThread()
    atexit.register(thread.close)
    return thread


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from synchronous code, on deemster's background loop.

    Works from scripts, from any thread, and where an event loop already runs (notebooks); that
    loop then stands still until the result is there.

    Raises:
        InputError: called from a coroutine that itself runs on the background loop.
    """
    return _loop_thread(os.getpid()).run(coroutine)


async def run_in_background(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine that runs on the background loop, whatever loop the caller is on."""
    return await _loop_thread(os.getpid()).run_from(coroutine)
