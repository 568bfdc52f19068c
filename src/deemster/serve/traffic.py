"""Around every request: its id, its host, errors as JSON, its line in the log, its time."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deemster.errors import InputError
from deemster.serve.desk import Desk
from deemster.serve.http_errors import HttpError, error_response

logger = logging.getLogger("deemster.serve")
_GIVEN_ID = re.compile(rb"[\w.:-]{1,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
)
_UNNAMED = "other"
"""Route of requests that reached none: paths are the client's, and metrics must not grow."""


class Traffic:
    """The outermost layer. Lets nothing through but replies.

    Args:
        app: what is inside.
        desk: knows whether the server is about to stop, and counts.
        hosts: names by which clients may call the server; None: any. Without keys it keeps web
            pages that turn their own name into 127.0.0.1 from asking.
    """

    def __init__(self, app: ASGIApp, desk: Desk, *, hosts: frozenset[str] | None) -> None:
        self.app, self._desk, self._hosts = app, desk, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        given = _header(scope, b"x-request-id")
        name = given.decode() if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = name
        status = 0
        ended = False

        async def reply(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = [(b"x-request-id", name.encode()), *_HEADERS]
                if self._desk.draining or status in {401, 408, 413}:
                    extra.append((b"connection", b"close"))  # the body may not have been read
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            elif not message.get("more_body", False):
                ended = True
            await send(message)

        try:
            self._check_host(scope)
            await self.app(scope, receive, reply)
        except Exception as error:  # whatever it is, the client gets one line
            if status:  # a stream broke off; closing the connection says so
                raise
            told = as_http_error(error, name)
            note(state, error=told.kind)
            await error_response(told, request_id=name)(scope, receive, reply)
        finally:
            self._note(scope, status if ended else 499, time.monotonic() - began)

    def _check_host(self, scope: Scope) -> None:
        if self._hosts is None:
            return
        host = _header(scope, b"host").decode("latin-1").lower()
        bare = host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
        if bare not in self._hosts:
            raise HttpError(
                f"host {host!r:.100} is not this server's; call it by 127.0.0.1 or localhost, or "
                "start it with --keys or --public",
                status=403,
            )

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count the request, and write its line."""
        state = scope["state"]
        route = getattr(scope.get("route"), "path", _UNNAMED)
        metrics = self._desk.metrics
        metrics.request(route, status, seconds)
        if status == 499:
            metrics.count("deemster_left_total")
        if logger.isEnabledFor(logging.INFO):
            line = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "id": state["request_id"],
                "method": scope["method"],
                "route": route,
                "status": status,
                "seconds": round(seconds, 4),
                "key": state.get("key"),
                **state.get("noted", {}),
            }
            logger.info(json.dumps(line))  # in ASCII: nothing in it steers a terminal


def note(state: dict[str, Any], **fields: Any) -> None:  # noqa: ANN401 - any JSON value
    """Add to the line that the log gets about a request."""
    state.setdefault("noted", {}).update(fields)


def as_http_error(error: Exception, name: str) -> HttpError:
    """What a client is told of an error; a bug goes into the log, under the request's id."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, InputError):
        return HttpError(str(error), status=400)
    logger.error("request %s failed", name, exc_info=error)
    return HttpError("internal error; the server's log has the details", status=500)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
