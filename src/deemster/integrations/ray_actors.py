"""Actors that are given samples, and the driver's account of which samples each of them has."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from deemster.errors import InputError
from deemster.suites.jobs import TRIES, Job

_CHUNKS = 2
"""Chunks that an actor has at a time, so that it never waits for the driver."""
_DEATHS = 10
"""Actors that may die one after the other without an answer in between."""


@dataclass(frozen=True)
class RayOptions:
    """How samples are spread over a cluster.

    Args:
        address: of a cluster, as `ray.init` takes it; None starts one on this machine, for the
            run, unless Ray has been initialised already.
        actors: how many work at a time.
        cpus: cores that each is given.
        gpus: graphics cards that each is given; 0.5 puts two on one card.
        chunk: samples that are sent to an actor together.

    Raises:
        InputError: one of them is out of range.
    """

    address: str | None = None
    actors: int = 2
    cpus: float = 1.0
    gpus: float = 0.0
    chunk: int = 16

    def __post_init__(self) -> None:
        for name in ("actors", "chunk"):
            if getattr(self, name) < 1:
                raise InputError(f"ray {name} must be >= 1, got {getattr(self, name)!r}")
        for name in ("cpus", "gpus"):
            if not 0 <= getattr(self, name) < 1e6:
                raise InputError(f"ray {name} must be >= 0, got {getattr(self, name)!r}")


@dataclass(eq=False)
class _Actor:
    handle: Any
    chunks: int = 0
    is_ready: bool = False
    """It has found room. One that waits for it is given no samples: it may wait for ever."""
    alone: bool = False
    """What it has last been given was a sample whose actor had died."""


@dataclass
class Spread:
    """A job's samples, on their way to actors and back."""

    options: RayOptions
    report: Callable[[str], None]
    job: Job

    async def ask(self, positions: Sequence[int]) -> bool:
        """Ask about samples; True if the job ended it."""
        options = self.options
        self._rest = iter(positions)
        self._again: deque[int] = deque()
        """Samples whose actor died: each goes alone."""
        self._lost: dict[int, int] = {}
        self._deaths = 0
        self._actors: list[_Actor] = []
        self._running: dict[asyncio.Task[Any], tuple[_Actor, list[int]]] = {}
        """Calls that are under way; the one that asks whether an actor is ready has no samples."""
        over = False
        try:
            for _ in range(min(options.actors, len(positions))):
                self._start()
            while True:
                if not over:
                    self._send()
                if not any(chunk for _, chunk in self._running.values()) and (
                    over or not self._peek()
                ):
                    return over
                ended, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    over = self._receive(task) or over
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            for actor in self._actors:
                _kill(actor.handle)

    def _send(self) -> None:
        """Give samples to the actors that are ready for more, to all in turn.

        A sample whose actor died goes to an actor that has nothing else: it may kill that too.
        """
        for depth in range(_CHUNKS):
            for actor in self._actors:
                busy = actor.chunks > (0 if actor.alone or self._again else depth)
                if not actor.is_ready or busy:
                    continue
                actor.alone = bool(self._again)
                if chunk := self._next():
                    samples = [self.job.sample(position) for position in chunk]
                    self._call(actor, actor.handle.ask.remote(samples), chunk)

    def _call(self, actor: _Actor, reference: Any, chunk: list[int]) -> None:  # noqa: ANN401 - Ray's
        self._running[asyncio.create_task(_await(reference))] = actor, chunk
        actor.chunks += 1

    def _receive(self, task: asyncio.Task[Any]) -> bool:
        """See what became of a call; True if the job ends with it."""
        actor, chunk = self._running.pop(task)
        actor.chunks -= 1
        if not self._died(task, chunk):
            if chunk:
                self._deaths = 0
                return self.job.take(chunk, task.result())
            actor.is_ready = True
            self.report(f"an actor is ready on {task.result()}")
            return False
        if actor in self._actors:
            self._actors.remove(actor)
            _kill(actor.handle)  # it may only have been out of reach
            self._start()
        return False

    def _start(self) -> None:
        import ray  # noqa: PLC0415

        options = self.options
        made, given = self.job.actor()
        remote = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus)(made)
        # One more than the chunks, for the question whether it is ready.
        many = remote.options(max_concurrency=_CHUNKS + 1)
        actor = _Actor(many.remote(*given))
        self._actors.append(actor)
        self._call(actor, actor.handle.ready.remote(), [])

    def _peek(self) -> bool:
        """Whether samples are left to be sent."""
        if not self._again:
            self._again.extend(islice(self._rest, 1))
        return bool(self._again)

    def _next(self) -> list[int]:
        """The samples that go out next; none if there are none."""
        if self._again:
            return [self._again.popleft()]
        chunk = []
        for position in self._rest:
            chunk.append(position)
            if len(chunk) == self.options.chunk:
                break
        return chunk

    def _died(self, task: asyncio.Task[Any], chunk: list[int]) -> bool:
        """Whether the samples came back without an answer, because their actor is gone."""
        import ray  # noqa: PLC0415

        error = task.exception()
        if error is None:
            return False
        if isinstance(error, ray.exceptions.RayTaskError):
            raise _cause(error)
        if not isinstance(error, ray.exceptions.RayError):
            raise error
        self._deaths += 1
        why = " ".join(str(error).split())[:200]
        if self._deaths > _DEATHS:
            raise InputError(
                f"{self._deaths} actors died one after the other and did nothing: {why}"
            )
        if chunk:
            self.report(f"an actor died, {len(chunk)} to be asked about again: {why}")
        for position in chunk:
            self._lost[position] = self._lost.get(position, 0) + 1
            if self._lost[position] < TRIES:
                self._again.append(position)
            else:
                self.job.give_up(position, why)
        return True


async def _await(reference: Any) -> Any:  # noqa: ANN401 - Ray's references
    return await reference


def _cause(error: Any) -> BaseException:  # noqa: ANN401 - Ray's errors
    """What was raised in an actor, without Ray's traceback around it where it is ours."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, InputError) else error


def _kill(handle: Any) -> None:  # noqa: ANN401 - Ray's handles
    import ray  # noqa: PLC0415

    with suppress(ray.exceptions.RayError):
        ray.kill(handle)
