"""The lines of stdin, read beside an event loop that can stop waiting for them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any, Self

logger = logging.getLogger("deemster.serve")
_CHUNK = 1 << 16
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StdinLines:
    """Lines until stdin is closed, or until SIGTERM or Ctrl-C; a second signal kills as usual.

    A thread reads them, because a read that waits cannot be cancelled: the end of the program
    does not wait for it. Meanwhile the process's own stdin is the null device, so that nothing it
    starts reads what is meant for it. Enter it on the main thread, inside an event loop.

    Args:
        longest: bytes of a line; a longer one is logged and ends them.
    """

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._before: dict[int, Any] = {}
        self._private = -1

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._private = os.dup(0)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        self._before = {sig: signal.signal(sig, self._told) for sig in _SIGNALS}
        threading.Thread(target=self._read, daemon=True, name="deemster-stdin").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._restore_signals()
        os.dup2(self._private, 0)  # the duplicate stays open: the thread may wait for it

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise StopAsyncIteration
        return line

    def _told(self, _sig: int, _frame: FrameType | None) -> None:
        self._restore_signals()
        self._put(None)

    def _restore_signals(self) -> None:
        for sig, handler in self._before.items():
            signal.signal(sig, handler)
        self._before = {}

    def _read(self) -> None:
        # Not through a buffered file: the interpreter's end would wait for the lock of one.
        left = bytearray()
        while chunk := self._chunk():
            left += chunk
            if b"\n" in chunk:
                *whole, left = left.split(b"\n")
                for line in whole:
                    self._put(line.decode("utf-8", errors="replace"))
            if len(left) > self._longest:
                logger.error(
                    "a line of more than %d bytes on stdin; nothing more is read", self._longest
                )
                break
        self._put(None)

    def _chunk(self) -> bytes:
        try:
            return os.read(self._private, _CHUNK)
        except OSError:  # closed under the read
            return b""

    def _put(self, line: str | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the loop is closed already
            return
