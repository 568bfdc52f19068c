"""Work on samples that is spread over actors: processes of a Ray cluster or of one launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from deemster.schemas import Sample

TRIES = 3
"""How often a sample may lose its actor before it counts as a failure."""


class Asked(Protocol):
    """What an actor is. Made on its machine; what is slow to make, or may fail, waits for `ask`."""

    async def ready(self) -> str:
        """The name of the machine that the actor has found room on."""
        ...

    async def ask(self, samples: list[Sample], /) -> list[Any]:
        """What there is to say of each sample, in order.

        Raises:
            InputError: no actor will do better.
        """
        ...

    async def aclose(self) -> None:
        """Close what it asks; not called where actors end with their processes."""
        ...


class Job(Protocol):
    """What actors are for, as the driver sees it. Samples go by their positions."""

    def actor(self) -> tuple[Callable[..., Asked], tuple[object, ...]]:
        """The class of an actor, and what one is made with; both are sent to its machine."""
        ...

    def sample(self, position: int, /) -> Sample:
        """A sample."""
        ...

    def take(self, positions: Sequence[int], found: Sequence[Any], /) -> bool:
        """Keep what actors say of samples; true if nothing more is to be asked."""
        ...

    def give_up(self, position: int, why: str, /) -> None:
        """Note that several actors died with a sample."""
        ...
