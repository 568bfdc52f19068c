"""Loads the models that run in the server's process as it starts, not at the first request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from deemster.errors import DeemsterError
from deemster.judges.base import BaseJudge

logger = logging.getLogger("deemster.serve")
_WORTH_A_LINE = 0.2
"""Seconds: judges that have nothing to load need less."""


class Loading:
    """What is being loaded, and what could not be. One event loop.

    Requests to a judge whose model is being loaded wait for it; judges that have nothing to load
    are ready at once.

    Attributes:
        pending: judges whose models are not loaded yet.
        failed: why a judge's model cannot be loaded, by the judge's name.
        hopeless: set once no judge of the server can be used.
    """

    def __init__(self, judges: Mapping[str, BaseJudge]) -> None:
        self._judges = judges
        self.pending: set[str] = set()
        self.failed: dict[str, str] = {}
        self.hopeless = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def usable(self) -> tuple[str, ...]:
        """Names of the judges that can be asked."""
        return tuple(name for name in self._judges if name not in self.failed)

    def start(self) -> None:
        """Load in the background."""
        self.pending = set(self._judges)
        self._task = asyncio.create_task(self._load())

    async def stop(self) -> None:
        """Load nothing further."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _load(self) -> None:
        for name, judge in self._judges.items():
            began = time.monotonic()
            try:
                await judge.preload()
            except Exception as error:  # noqa: BLE001 - the other judges can be served
                self.failed[name] = " ".join(str(error).split()) or type(error).__name__
                log = logger.error if isinstance(error, DeemsterError) else logger.exception
                log("judge %r cannot be used: %s", name, self.failed[name])
            else:
                seconds = time.monotonic() - began
                if seconds > _WORTH_A_LINE:
                    logger.info("judge %r is loaded, after %.1f s", name, seconds)
            self.pending.discard(name)
        if not self.usable:
            self.hopeless.set()
