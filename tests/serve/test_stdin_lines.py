"""Lines of stdin: until it is closed, a line is too long, or a signal says so."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deemster.serve.stdin_lines import StdinLines


@contextmanager
def piped() -> Iterator[int]:
    """A pipe in place of stdin; its other end."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    try:
        yield writing
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param(b"one\ntw\xc3\xb6\n", ["one", "tw\u00f6"], id="closed"),
        pytest.param(b"one\nhalf", ["one"], id="half-a-line"),
        pytest.param(b"one\n" + b"x" * 5000, ["one"], id="too-long"),
    ],
)
async def test_lines_until_it_is_closed(sent: bytes, read: list[str]) -> None:
    with piped() as writing:
        with StdinLines(longest=1000) as lines:
            os.write(writing, sent)
            os.close(writing)
            assert [line async for line in lines] == read
            assert os.read(0, 1) == b""  # what it starts reads nothing of it
        assert stat.S_ISFIFO(os.fstat(0).st_mode)  # as before


async def test_a_signal_ends_them_once() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with piped() as writing, StdinLines(longest=1000) as lines:
        os.write(writing, b"one\n")
        reading = aiter(lines)
        assert await anext(reading) == "one"
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopAsyncIteration):
            await anext(reading)
        assert signal.getsignal(signal.SIGTERM) is handler  # a second one does what it always does
        os.close(writing)
