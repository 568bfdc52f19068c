"""What the requests of a backend have in common, and what is learned about its server."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Literal

import aiohttp

from deemster.backends._api.adapting import Adaptations
from deemster.backends._api.breaker import Breaker
from deemster.backends._api.profile import Profile
from deemster.backends.gate import Gate
from deemster.backends.limits import Budget, Patience

NMode = Literal["auto", "batch", "single"]


@dataclass
class Several:
    """What is known about asking this server for several completions at once."""

    mode: NMode
    refused: bool = False
    """It ignored or refused `n` > 1."""
    works: bool = False
    """It answered a request for `n` > 1 in full."""

    def most(self, profile: Profile) -> int:
        """Completions to ask for in one request."""
        if self.mode == "batch":
            return profile.most_n if profile.most_n > 1 else 128
        return profile.most_n if self.mode == "auto" and not self.refused else 1


@dataclass(frozen=True)
class Shared:
    """What all requests of a backend have in common, on all loops."""

    profile: Profile
    several: Several
    adaptations: Adaptations
    breaker: Breaker
    budget: Budget
    patience: Patience
    attempts: int
    timeout: float
    secrets: tuple[str, ...]
    label: str
    """How errors call the model."""
    reasoning_as_answer: bool
    structured_retries: int
    """How often the model is asked again for JSON that matches the schema."""


@dataclass(frozen=True)
class LoopState:
    """What belongs to one event loop."""

    gate: Gate
    session: aiohttp.ClientSession


async def close_state(state: LoopState) -> None:
    """Close the connections of a loop."""
    await state.session.close()


def abandon_state(state: LoopState) -> None:
    """Free what can be freed of connections whose loop was closed under them."""
    connector = state.session.connector
    if connector is not None:
        with contextlib.suppress(RuntimeError):
            connector.close()
