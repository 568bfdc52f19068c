"""The body of a request: how large, how slow, and what happens when its client leaves.

A body is read as a whole before the request is handled, so that slow clients hold neither a place
in the queue nor a model; from then on the connection is watched, and whoever has left is not
judged any further.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deemster.json_text import MAX_VALUES
from deemster.serve.http_errors import HttpError, error_response

_LINGER = 2.0
"""Seconds in which the rest of a body that is too large is thrown away: a connection that is closed
while its client still sends loses the reply."""
_COUNTED = 2**20
"""Bytes from which on the values of a body are counted: a few bytes a value can fill the memory."""


class _TooLargeError(HttpError):
    """There is more of the body to come."""


class BodyGuard:
    """Reads bodies within limits, and cancels a request whose client has left."""

    def __init__(self, app: ASGIApp, *, max_body: int, timeout: float) -> None:
        self.app, self._most, self._timeout = app, max_body, timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or raise `HttpError`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except _TooLargeError as error:
            await self._refuse(error, scope, receive, send)
            return
        if body is None:
            return  # it left before it had said what it wanted
        left = asyncio.Event()
        given = False

        async def replay() -> Message:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        handling = asyncio.ensure_future(self.app(scope, replay, send))
        watching = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({handling, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not handling.done():
                left.set()
                handling.cancel()
                scope.setdefault("state", {})["left"] = True
            await handling
        except asyncio.CancelledError:
            if not scope.get("state", {}).get("left"):
                raise  # the server itself was told to stop
        finally:
            watching.cancel()
            if not handling.done():
                handling.cancel()

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"")
        if declared.isdigit() and int(declared) > self._most:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._most:
                        body.clear()  # the error would hold it for as long as it is on its way
                        raise self._too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise HttpError(
                f"the body did not arrive within {self._timeout:g} s", status=408
            ) from None
        if (
            len(body) > _COUNTED
            and sum(body.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES
        ):
            raise HttpError(f"the body has more than {MAX_VALUES:,} values", status=413)
        return bytes(body)

    async def _refuse(self, error: HttpError, scope: Scope, receive: Receive, send: Send) -> None:
        """Reply, then read on for a moment, and only then let the connection be closed."""
        reply = error_response(error, request_id=scope.get("state", {}).get("request_id", ""))
        head = {"type": "http.response.start", "status": 413, "headers": reply.raw_headers}
        await send(head)
        await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        thrown = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while thrown < 4 * self._most:
                    message = await receive()
                    thrown += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        await send({"type": "http.response.body", "body": b""})

    def _too_large(self) -> HttpError:
        return _TooLargeError(
            f"the body is larger than {self._most:,} bytes; send fewer samples at a time, or start "
            "the server with a larger --max-body",
            status=413,
        )


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
