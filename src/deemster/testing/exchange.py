"""What the fault server is asked and what it answers: calls, replies, the ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Call:
    """One request as the server saw it."""

    hit: int
    """Number of the request since the start, from 0."""
    body: dict[str, Any]
    headers: Mapping[str, str]
    url: str = ""
    """Path and query."""

    @property
    def query(self) -> str:
        """Text of the last message."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else json.dumps(content)


@dataclass(frozen=True)
class Reply:
    """One choice."""

    text: str
    finish: str = "stop"
    refusal: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True)
class Raw:
    """A whole answer, as it goes over the wire."""

    body: Any
    """JSON, or bytes as they are."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """It, to be sent."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        return web.Response(body=body, status=self.status, headers=headers)


Script = Callable[[Call, int], str | Reply]
"""Called with the request and the choice's number in it."""


@dataclass
class Ledger:
    """The server's own account. Tokens are counted when a whole answer was written."""

    hits: int = 0
    answered: int = 0
    choices: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    faulty: list[tuple[int, str]] = field(default_factory=list)
    """Number of the hit and kind of every fault."""
    times: list[float] = field(default_factory=list)
    """`time.monotonic()` of every hit."""
    calls: list[Call] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight: int = 0
