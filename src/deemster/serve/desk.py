"""Where requests wait for their turn: how many are judged at a time, for how long, by which judge.

Every contract asks here, so that limits, deadlines and counts are the same for all of them.
Requests to a local model need no batching of their own: its backend steps whatever is asked at the
same time together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress

from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.judges.base import BaseJudge, ask
from deemster.judges.case import Case
from deemster.judges.decide import unscored
from deemster.schemas import Verdict
from deemster.serve.http_errors import HttpError
from deemster.serve.live import Progress, live_verdict
from deemster.serve.loading import Loading
from deemster.serve.metrics import Metrics
from deemster.serve.settings import ServerSettings

Vary = Callable[[str, int], BaseJudge]
"""The judge of a name with another k."""
_FIRST_GUESS = 1.0
"""Seconds that a verdict takes, before one was seen."""


class Desk:
    """Judges, and the queue before them. One event loop.

    Args:
        judges: by name; the first is asked where a request names none.
        settings: limits.
        metrics: what is counted.
        vary: makes a judge with another k; None: requests cannot choose k.
    """

    def __init__(
        self,
        judges: Mapping[str, BaseJudge],
        *,
        settings: ServerSettings,
        metrics: Metrics,
        vary: Vary | None = None,
    ) -> None:
        self.judges = dict(judges)
        self.settings, self.metrics = settings, metrics
        self.loading = Loading(self.judges)
        self.draining = False
        """Whether the server is about to stop."""
        self._vary = vary
        self._varied: dict[tuple[str, int], BaseJudge] = {}
        self._turn = asyncio.Semaphore(settings.in_flight)
        self._here = 0
        self._seconds = _FIRST_GUESS
        metrics.gauges["deemster_samples"] = (
            "Samples that are judged or wait for it.",
            lambda: self._here,
        )
        metrics.gauges["deemster_draining"] = (
            "1 while the server finishes its last requests.",
            lambda: float(self.draining),
        )

    def judge(self, name: str | None = None, k: int | None = None) -> BaseJudge:
        """The judge that a request means.

        Raises:
            InputError: there is none of that name, or it cannot have that k.
            HttpError: its model could not be loaded.
        """
        chosen = next(iter(self.judges)) if name is None else name
        if chosen not in self.judges:
            known = ", ".join(map(repr, self.judges))
            raise InputError(f"unknown judge {chosen!r:.120}; known: {known}")
        if chosen in self.loading.failed:
            reason = self.loading.failed[chosen]
            raise HttpError(reason, status=503, kind="model_unusable")
        judge = self.judges[chosen]
        if k is None or k == judge.info.k:
            return judge
        if not 1 <= k <= self.settings.max_k:
            raise InputError(f"k must be from 1 to {self.settings.max_k}, got {k}")
        if self._vary is None:
            raise InputError(f"judge {chosen!r} draws {judge.info.k} votes; leave k out")
        if (chosen, k) not in self._varied:
            self._varied[chosen, k] = self._vary(chosen, k)
        return self._varied[chosen, k]

    @property
    def _most(self) -> int:
        return self.settings.in_flight + self.settings.queue

    @property
    def is_full(self) -> bool:
        """Whether a further sample would be refused."""
        return self._here >= self._most

    @contextmanager
    def admitted(self, samples: int = 1) -> Iterator[None]:
        """Take places in the queue for as long as it is open.

        Raises:
            HttpError: the queue is full.
        """
        most = self._most
        # A batch larger than the queue is taken while nobody waits: it would never fit otherwise.
        if self.is_full or (samples > most - self._here and self._here > 0):
            wait = self._here * self._seconds / self.settings.in_flight
            raise HttpError(
                f"{self._here} samples are being judged or wait for it, and {most} may; come again "
                "later",
                status=429,
                retry_after=min(max(wait, 1.0), 60.0),
            )
        self._here += samples
        try:
            yield
        finally:
            self._here -= samples

    @asynccontextmanager
    async def within(self, seconds: float | None = None) -> AsyncIterator[None]:
        """The deadline of a request; what is not done by then is cancelled.

        Raises:
            HttpError: it passed.
        """
        limit = self.settings.deadline
        limit = limit if seconds is None else min(limit, seconds)
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError:
            raise HttpError(
                f"no verdict within {limit:g} s; the votes that were not in are cancelled",
                status=504,
            ) from None

    async def verdict(self, judge: BaseJudge, case: Case) -> Verdict:
        """A verdict, once it is this sample's turn. The caller has a place and a deadline.

        Raises:
            InputError: the case cannot be judged.
            HttpError: the model cannot be used, or failed as a whole.
        """
        self._check_size(case)
        async with self._taking_turn():
            verdict = await ask(judge, case)
        self.metrics.verdict(verdict)
        return verdict

    async def live(self, judge: BaseJudge, case: Case) -> AsyncGenerator[Progress, None]:
        """The same vote by vote; the last has the verdict."""
        self._check_size(case)
        async with self._taking_turn(), aclosing(live_verdict(judge, case)) as steps:
            async for step in steps:
                yield step
        self.metrics.verdict(step.verdict)

    def _check_size(self, case: Case) -> None:
        most = self.settings.max_responses
        if case.n > most:
            raise InputError(f"{case.n} responses; this server takes {most} at most")

    @asynccontextmanager
    async def _taking_turn(self) -> AsyncIterator[None]:
        async with self._turn:
            began = time.monotonic()
            try:
                yield
            except UnusableModelError as error:
                raise HttpError(str(error), status=503, kind="model_unusable") from error
            except BackendError as error:
                raise HttpError(str(error), status=502) from error
            self._seconds += (time.monotonic() - began - self._seconds) / 20

    async def verdict_or_failures(self, judge: BaseJudge, case: Case) -> Verdict:
        """The same for one sample of several: what is wrong with it becomes its failures."""
        try:
            return await self.verdict(judge, case)
        except InputError as error:
            return unscored(error, k=max(judge.info.k, 1), info=judge.info)

    async def aclose(self) -> None:
        """Close the judges that were made for requests."""
        await self.loading.stop()
        for judge in self._varied.values():
            with suppress(Exception):  # one that cannot be closed must not keep the others open
                await judge.aclose()
