"""A sandboxed process that stays, for work whose set-up costs more than the work."""

from __future__ import annotations

import selectors
import threading
import weakref
from dataclasses import replace
from typing import Any

from deemster.judges.verifier.sandbox.box import Box, SandboxError
from deemster.judges.verifier.sandbox.child.wire import WireError, receive, send
from deemster.judges.verifier.sandbox.limits import Limits

_START = 60.0
"""Seconds for the imports of a worker on a busy machine."""
_RENEW = 500
"""Requests after which it is replaced, so that what it caches stays bounded."""
_CPU = 3600.0


class Undecided(SandboxError):  # noqa: N818 - an outcome
    """The request took too long, or more resources than the worker has."""

    status = "timeout"


class Worker:
    """Answers requests one at a time; killed and replaced when one takes too long.

    Starts with the first request. Safe in threads; they wait for each other.

    Args:
        role: what it does; see `child/main.py`.
        limits: of the process. `seconds` is the time for one request.
    """

    def __init__(self, role: str, limits: Limits) -> None:
        self._role = role
        self._limits = limits
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closings = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The worker's reply.

        Raises:
            Undecided: no reply came in time, or the request killed the worker.
            SandboxError: the worker cannot be started.
        """
        with self._lock:
            closings = self._closings
            for attempt in (1, 2):
                if self._running is None or self._running.asked >= _RENEW:
                    self._stop()
                    self._running = _Running(self._role, self._limits)
                try:
                    reply = self._running.ask(request, self._limits.seconds)
                except TimeoutError as error:
                    self._stop()
                    evidence = f"not decided within {self._limits.seconds:g} s"
                    raise Undecided(evidence) from error
                except (OSError, WireError):
                    reply = None
                if reply is not None:
                    return reply
                self._stop()
                if closings != self._closings:
                    raise Undecided("not decided: it was closed")
                # It may have died before: it ends with the thread that started it.
                if attempt == 2:
                    raise Undecided("not decided: the process died")
        raise AssertionError  # unreachable

    def close(self) -> None:
        """End the process, whatever it is at. Another request starts a new one."""
        self._closings += 1
        if (running := self._running) is not None:
            running.cancel()  # then whoever holds the lock lets go of it
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None


class _Running:
    def __init__(self, role: str, limits: Limits) -> None:
        self.asked = 0
        box = Box(replace(limits, seconds=_CPU, packages=True))
        # Also when it is garbage-collected, and when the interpreter exits.
        self.close = weakref.finalize(self, box.close)
        self.cancel = box.cancel
        box.open()
        asks, self._asks = box.pipe()
        self._answers, answers = box.pipe()
        child = box.start({"role": role}, fds={"asks": asks, "answers": answers})
        box.close_fds(asks, answers)
        try:
            hello = self._receive(_START)
        except (TimeoutError, OSError, WireError):
            hello = None
        if hello is None:
            box.end()
            why = child.why_not_started()
            self.close()
            raise SandboxError(f"the {role} process does not start: {why or 'no reason given'}")

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        self.asked += 1
        send(self._asks, request)
        return self._receive(seconds)

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if not selector.select(seconds):
                raise TimeoutError
        reply = receive(self._answers)
        return reply if isinstance(reply, dict) else None
