"""Answers that are not there yet: how what needs them is given up, to be tried again later."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import NoReturn

UNANSWERED: ContextVar[list[str]] = ContextVar("UNANSWERED")
"""Set for each attempt to judge a sample; what asks notes the requests without an answer here."""


class AwaitsBatch(asyncio.CancelledError):
    """Raised where an answer is not there yet: what needs it is given up, and tried again later.

    A cancellation, because that is what every judge and backend lets pass.
    """


def give_up_without(request: str) -> NoReturn:
    """Note a request without an answer, and give up what needs it.

    Raises:
        AwaitsBatch: always.
    """
    UNANSWERED.get([]).append(request)
    raise AwaitsBatch


def give_up_unanswered() -> None:
    """Give up if a request of this attempt has no answer yet.

    For code that goes on where something that it called was cancelled.

    Raises:
        AwaitsBatch: there is such a request.
    """
    if UNANSWERED.get([]):
        raise AwaitsBatch
