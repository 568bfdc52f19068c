"""A thread that serves the requests of a local model, several of them together.

A step of many rows takes little longer than one of few, so what is asked at the same time is drawn
at the same time. New requests join those on their way.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deemster.backends.base import Outcome, Request
from deemster.errors import DeemsterError

if TYPE_CHECKING:
    from deemster.backends._local.work import Work

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Job:
    request: Request
    cancelled: Callable[[], bool]
    future: Future[list[Outcome]] = field(default_factory=Future)
    work: Work | None = None
    """None while it waits."""

    @property
    def rows(self) -> int:
        return 0 if self.work is None else self.work.rows

    def most_rows(self, limit: int) -> int:
        """Draws that step together at most; 0 until its prompt has been read."""
        return 0 if self.work is None else min(len(self.work.draws), limit)


class Server:
    """Runs `begin` on every request, steps what it returns to its end, and then `finish`.

    What does not fit into memory is done again with half of the draws at a time.

    Args:
        begin: reads the prompt of a request, whose draws start so many at a time; called in the
            server's thread, like all of them.
        finish: makes completions of the draws.
        rows: draws, of all requests, that step together; more take turns.
        together: requests on their way at a time, each of which holds a prompt in memory.
    """

    def __init__(
        self,
        begin: Callable[[Request, int], Work],
        finish: Callable[[Request, Work], list[Outcome]],
        *,
        rows: int,
        together: int,
    ) -> None:
        self._begin, self._finish = begin, finish
        self._rows, self._most, self._together = rows, together, together
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._serving = False
        self._thread: ThreadPoolExecutor | None = None
        # Held by whoever uses the model: a thread being closed and its successor may overlap.
        self._busy = threading.Lock()

    def submit(self, request: Request, cancelled: Callable[[], bool]) -> Future[list[Outcome]]:
        """Queue a request; it is dropped between two steps once `cancelled()` is true."""
        job = _Job(request, cancelled)
        with self._lock:
            self._waiting.append(job)
            if not self._serving:
                self._worker().submit(self._serve)
                self._serving = True
        return job.future

    def call(self, function: Callable[[], object]) -> Future[None]:
        """Call a function that uses the model, between requests."""
        with self._lock:
            return self._worker().submit(self._alone, function)

    def _worker(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="deemster-hf")
        return self._thread

    def close(self, release: Callable[[], None]) -> None:
        """Wait for what was submitted, then call `release`. Submitting again is allowed."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.submit(self._alone, release)
            thread.shutdown()

    def _alone(self, call: Callable[[], object]) -> None:
        with self._busy:
            call()

    def _serve(self) -> None:
        with self._busy:
            going: list[_Job] = []
            while self._fill(going):
                works = {job.work: job for job in going if job.work is not None}
                try:
                    from deemster.backends._local.work import step  # noqa: PLC0415 - loads torch

                    failed = step(works)
                except Exception as error:  # noqa: BLE001 - it goes to whoever asked
                    self._retreat(going, error, together=len(going) // 2)
                    going.clear()
                    continue
                for work, reason in failed.items():
                    _fail(works[work], reason)
                    going.remove(works[work])

    def _fill(self, going: list[_Job]) -> bool:
        """Settle what has ended, start what there is room for; False if nothing is left."""
        while True:
            going[:] = [job for job in going if not self._settled(job)]
            for job in list(going):
                while job.work is not None and self._fits(going, job.work.next_rows):
                    try:
                        job.work.start(self._beside(job, going))
                    except Exception as error:  # noqa: BLE001 - it goes to whoever asked
                        going.remove(job)
                        self._retreat([job], error, together=len(going))
            with self._lock:
                head = self._waiting[0] if self._waiting else None
                if head is None and not going:
                    self._serving = False
                    return False
                full = going and len(going) >= self._together
                if head is None or full or not self._fits(going, min(head.request.n, self._rows)):
                    break
                self._waiting.popleft()
            try:
                if self._started(head, going):
                    going.append(head)
            except DeemsterError as error:
                _fail(head, error)
            except Exception as error:  # noqa: BLE001 - it goes to whoever asked
                self._retreat([head], error, together=len(going))
        return True

    def _started(self, job: _Job, going: list[_Job]) -> bool:
        running = job.future.running() or job.future.set_running_or_notify_cancel()
        if not running or job.cancelled():
            return running
        job.work = self._begin(job.request, self._rows)
        job.work.start(self._beside(job, going))
        return True

    def _beside(self, job: _Job, going: list[_Job]) -> int:
        """Draws of other requests, on their way or about to be."""
        with self._lock:
            waiting = sum(other.request.n for other in self._waiting)
        return waiting + sum(other.rows for other in going if other is not job)

    def _fits(self, going: list[_Job], more: int) -> bool:
        rows = sum(job.rows for job in going)
        return more > 0 and (rows == 0 or rows + more <= self._rows)

    def _settled(self, job: _Job) -> bool:
        """Answer a job that has ended or is no longer wanted."""
        if job.cancelled():
            job.future.set_result([])
            return True
        work = job.work
        if work is None or not work.ended:
            return False
        try:
            job.future.set_result(self._finish(job.request, work))
        except Exception as error:  # noqa: BLE001 - it goes to whoever asked
            _fail(job, error)
        return True

    def _retreat(self, jobs: list[_Job], error: Exception, *, together: int) -> None:
        """Do jobs again that went wrong beside others, with fewer at a time; else they failed.

        What one of them does wrong must not harm the others, and together they may need more
        memory than there is. Draws have random streams of their own, so their texts stay the
        same up to rounding.
        """
        rows = max(job.most_rows(self._rows) for job in jobs)
        if not together and rows > 1 and _out_of_memory(error):
            self._rows = rows // 2
            logger.warning(
                "deemster: %d draws do not fit into memory (%s); going on with %d at a time",
                rows, str(error).partition("\n")[0], self._rows,
            )  # fmt: skip
        elif not together:
            self._together = self._most  # it was this one, and no lack of room
            for job in jobs:
                _fail(job, error)
            return
        else:
            self._together = together
            logger.warning(
                "deemster: requests failed side by side (%s); going on with %d at a time",
                str(error).partition("\n")[0], together,
            )  # fmt: skip
        for job in jobs:
            job.work = None
        with self._lock:
            self._waiting.extendleft(reversed(jobs))


def _out_of_memory(error: Exception) -> bool:
    """Whether it says so: torch has a class of its own for GPUs, and a plain text for the CPU."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        said in text for said in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _fail(job: _Job, error: Exception) -> None:
    job.work = None
    job.future.set_exception(error)
