"""Bearer keys: who may ask, and how often.

Keys are compared by their hashes, all of them every time, in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from deemster.serve.http_errors import HttpError
from deemster.serve.settings import ApiKey

OPEN = frozenset({"/", "/page.js", "/page.css", "/healthz", "/readyz", "/openapi.json"})
"""Paths that need no key: they say nothing about what was judged."""


@dataclass
class _Holder:
    """A key as the server keeps it."""

    key: ApiKey
    now: Callable[[], float]
    digest: bytes = b""
    tokens: float = 0.0
    filled: float = 0.0
    going: int = 0

    def __post_init__(self) -> None:
        self.digest = _digest(self.key.key)
        self.tokens, self.filled = self._most, self.now()

    @property
    def _most(self) -> float:
        return max(1.0, (self.key.per_minute or 0) / 10)

    def take(self) -> None:
        """Count one request.

        Raises:
            HttpError: its limit is reached.
        """
        limits = self.key
        if limits.in_flight is not None and self.going >= limits.in_flight:
            raise HttpError(
                f"key {limits.name!r} has {self.going} requests in flight, its limit",
                status=429,
                retry_after=1,
            )
        if limits.per_minute is not None:
            now = self.now()
            rate = limits.per_minute / 60
            self.tokens = min(self._most, self.tokens + (now - self.filled) * rate)
            self.filled = now
            if self.tokens < 1:
                raise HttpError(
                    f"key {limits.name!r} has used its {limits.per_minute} requests a minute",
                    status=429,
                    retry_after=(1 - self.tokens) / rate,
                )
            self.tokens -= 1
        self.going += 1


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


@dataclass
class KeyRing:
    """The keys of a server."""

    keys: Sequence[ApiKey]
    now: Callable[[], float] = time.monotonic
    _holders: list[_Holder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._holders = [_Holder(key, self.now) for key in self.keys]

    def holder(self, authorization: str | None) -> _Holder | None:
        """Whose key a header has; None where there are no keys at all.

        Raises:
            HttpError: there is no key, or it is unknown.
        """
        if not self._holders:
            return None
        scheme, _, secret = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise HttpError("no key; send the header 'Authorization: Bearer KEY'", status=401)
        digest = _digest(secret.strip())
        found = [one for one in self._holders if hmac.compare_digest(one.digest, digest)]
        if not found:
            raise HttpError("unknown key", status=401)
        return found[0]


class KeyCheck:
    """Refuses requests without a known key before anything of their body is read."""

    def __init__(self, app: ASGIApp, ring: KeyRing) -> None:
        self.app, self._ring = app, ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or raise `HttpError`."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        holder = self._ring.holder(_header(scope, b"authorization"))
        if holder is None:
            await self.app(scope, receive, send)
            return
        holder.take()
        state: dict[str, Any] = scope.setdefault("state", {})
        state["key"] = holder.key.name
        try:
            await self.app(scope, receive, send)
        finally:
            holder.going -= 1


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
