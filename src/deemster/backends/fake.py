"""A scripted backend for users' own tests: no model, no network, no waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable

from deemster.backends.base import Outcome, Request
from deemster.errors import BackendError, InputError
from deemster.schemas import Completion, Usage

Reply = str | Completion | BackendError
Script = Callable[[Request, int], Reply | Awaitable[Reply]]
"""Called with the request and the draw's number in it (0..n-1)."""


class FakeBackend:
    """Answers from a script: one text for all, a list used up in order, or a function.

    Every request is kept in `requests`, unless `keep` is false. A `BackendError` in the script is a
    failed draw.

    Raises:
        InputError: a list ran out (from `generate`).
    """

    def __init__(
        self, script: Script | str | Iterable[Reply], *, name: str = "fake", keep: bool = True
    ) -> None:
        self.name = name
        self._keep = keep
        self.requests: list[Request] = []
        self.closed = False
        self._script: Script
        if isinstance(script, str):
            text = script
            self._script = lambda _request, _draw: text
        elif callable(script):
            self._script = script
        else:
            self._script = _from_list(list(script))

    async def generate(self, request: Request) -> list[Outcome]:
        """Run the script once per draw."""
        if self._keep:
            self.requests.append(request)
        outcomes: list[Outcome] = []
        for draw in range(request.n):
            reply = self._script(request, draw)
            if isawaitable(reply):
                reply = await reply
            if isinstance(reply, str):
                words = sum(len(message.text.split()) for message in request.messages)
                reply = Completion(
                    text=reply,
                    model=self.name,
                    usage=Usage(calls=1, tokens_in=words, tokens_out=len(reply.split())),
                )
            outcomes.append(reply)
        return outcomes

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True


def open_fake(text: str) -> FakeBackend:
    """The model string `fake:TEXT`: every draw is that text.

    The text is in its name, so that recordings tell two such models apart. Nobody can look at its
    requests, so they are not kept.
    """
    return FakeBackend(text, name=f"fake:{text}", keep=False)


def _from_list(replies: list[Reply]) -> Script:
    position = 0

    def script(_request: Request, _draw: int) -> Reply:
        nonlocal position
        if position >= len(replies):
            raise InputError(
                f"the fake backend's script has {len(replies)} replies, and all are used; "
                "give more, or a function"
            )
        position += 1
        return replies[position - 1]

    return script
