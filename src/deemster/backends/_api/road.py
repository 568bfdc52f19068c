"""What the two roads to a model have in common."""

from __future__ import annotations

from typing import Any, Protocol

import aiohttp

from deemster.backends._api.answer import WireAnswer
from deemster.backends._api.faults import Fault


class UnansweredError(Exception):
    """The provider gave an error in place of an answer."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text())
        self.fault = fault


class Road(Protocol):
    """Sends a request once."""

    async def send(
        self, session: aiohttp.ClientSession, body: dict[str, Any], draws: tuple[int, ...], /
    ) -> WireAnswer:
        """The answer to one request.

        Args:
            session: of the running loop.
            body: of the chat-completions API, without the model.
            draws: seeds of the draws it is for, which tell apart requests of one body.

        Raises:
            UnansweredError: the provider gave an error.
            BackendError: there is no answer for another reason.
        """
        ...
