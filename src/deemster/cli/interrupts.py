"""How a program ends that Ctrl-C or SIGTERM interrupts: within a second, whatever it is doing."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from deemster.cli.statuses import INTERRUPTED

T = TypeVar("T")

_PATIENCE, _IMPATIENCE = 0.5, 0.2
"""Seconds until an interrupted program is interrupted once more, and then again and again. What
has to be kept is closed long before, unless something does not heed the first time."""
_INSISTING = "deemster-interrupted"
"""Name of the thread that does so."""
_left = threading.Event()
"""Set when nothing is to be interrupted any more: the program is at its end."""


def heed_sigterm() -> None:
    """Make SIGTERM (from a scheduler, say) end the program as Ctrl-C does.

    Files are closed and the status is 130. A shell script's background jobs ignore Ctrl-C, and
    then asyncio would not stop for it either: they keep it blocked instead, until SIGTERM comes.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN and hasattr(signal, "sigpending")
    if ignored:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop(*_: object) -> None:
        kept = ignored and signal.SIGINT in signal.sigpending()
        if ignored:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        if not kept:  # else one has just come, and a second would not wait for files to close
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, stop)


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Do as `asyncio.run`, but do not wait for what does not heed a cancellation.

    That is code between two awaits, and threads that import, or compute with a model. What they
    were to keep is kept as if the program had been killed: in files that are whole.
    """

    async def watched() -> T:
        cancel = signal.getsignal(signal.SIGINT)  # asyncio's own, if this is the main thread

        def interrupted(*signalled: Any) -> None:  # noqa: ANN401 - of a signal handler
            _insist()
            if callable(cancel):
                cancel(*signalled)

        ours = threading.current_thread() is threading.main_thread() and callable(cancel)
        if ours:
            signal.signal(signal.SIGINT, interrupted)
        try:
            return await main
        finally:
            if ours and signal.getsignal(signal.SIGINT) is interrupted:
                signal.signal(signal.SIGINT, cancel)

    return asyncio.run(watched())


def leave(say: Callable[[], object]) -> NoReturn:
    """End the interrupted program without waiting for threads.

    Args:
        say: tells the user.

    Whatever comes now changes its status no more. Python itself would end it by SIGINT if the
    first one came while code was made from a text, as dataclasses are.
    """
    _left.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(INTERRUPTED))  # files are closed by now
    say()
    atexit._run_exitfuncs()  # noqa: SLF001 - threads would be waited for first
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or never there
            stream.flush()
    os._exit(INTERRUPTED)


def _insist() -> None:
    """Interrupt the main thread again and again, which asyncio does not put off."""

    def again() -> None:
        patience = _PATIENCE
        while not _left.wait(patience):
            patience = _IMPATIENCE
            if hasattr(signal, "pthread_kill"):  # wakes the main thread where it waits for another
                signal.pthread_kill(main, signal.SIGINT)
            else:
                signal.raise_signal(signal.SIGINT)

    main = threading.main_thread().ident or 0
    if main and not any(one.name == _INSISTING for one in threading.enumerate()):
        threading.Thread(target=again, name=_INSISTING, daemon=True).start()
