"""Trajectories for training, drawn by actors: the same rows as one process draws."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deemster.schemas import Sample
from deemster.suites.jobs import TRIES, Asked
from deemster.training.drawing import Closable, Drawer, Drawn, DrawSettings, MakeJudge
from deemster.training.sampling import Tally


class RolloutDrawer:
    """What an actor is: the judge that writes, made on the actor's machine.

    Args:
        make: makes the judge.
        settings: what is drawn.
    """

    def __init__(self, make: MakeJudge, settings: DrawSettings) -> None:
        self._make, self._settings = make, settings
        self._drawer: Drawer | None = None
        self._built: Closable | None = None

    async def ready(self) -> str:
        """See `Asked`."""
        return platform.node()

    async def ask(self, samples: list[Sample]) -> list[Drawn]:
        """What came of each sample, in order.

        Raises:
            InputError: the judge cannot be made here, or a sample cannot be judged.
        """
        if self._drawer is None:  # not in __init__: what is raised there is told as a death
            judge, self._built = self._make()
            self._drawer = Drawer(judge, self._settings)
        return await asyncio.gather(*map(self._drawer.draw, samples))

    async def aclose(self) -> None:
        """See `Asked`."""
        if self._built is not None:
            await self._built.aclose()


@dataclass
class RolloutJob:
    """Trajectories, written as they come; see `Job`."""

    make: MakeJudge
    settings: DrawSettings
    samples: Sequence[Sample]
    tally: Tally

    def actor(self) -> tuple[Callable[..., Asked], tuple[object, ...]]:
        """See `Job`."""
        return RolloutDrawer, (self.make, self.settings)

    def sample(self, position: int) -> Sample:
        """See `Job`."""
        return self.samples[position]

    def take(self, positions: Sequence[int], found: Sequence[Drawn]) -> bool:
        """See `Job`."""
        for position, drawn in zip(positions, found, strict=True):
            self.tally.add(self.samples[position].id, drawn)
        return False

    def give_up(self, position: int, why: str) -> None:
        """See `Job`: it counts as a sample whose draw got no answer."""
        failure = f"{TRIES} actors died with this sample: {why}"
        self.tally.add(self.samples[position].id, Drawn(None, failure=failure))
