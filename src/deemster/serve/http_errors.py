"""Errors as clients get them: one line of JSON, in the shape of OpenAI's API.

`{"error": {"type": "overloaded", "message": "…", "request_id": "…"}}`
"""

from __future__ import annotations

import math

from pydantic import BaseModel
from starlette.responses import Response

from deemster.errors import DeemsterError
from deemster.schemas import Verdict

NAMES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "too_large",
    422: "no_verdict",
    429: "overloaded",
    500: "internal",
    502: "model_failed",
    503: "unavailable",
    504: "deadline",
}
"""Types of errors by status, where nothing more exact is said."""
_TRANSIENT = frozenset({"api_error", "timeout", "cancelled"})
"""Statuses of votes that a second attempt may not have."""


class HttpError(DeemsterError):
    """A request that is answered with an error.

    Attributes:
        status: of HTTP.
        kind: a word for programs; see `NAMES`.
        retry_after: seconds after which it may succeed; None: not by itself.
    """

    def __init__(
        self, message: str, *, status: int, kind: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind or NAMES[status]
        self.retry_after = retry_after


class ErrorDetail(BaseModel):
    """What went wrong."""

    type: str
    message: str
    request_id: str = ""


class ErrorReply(BaseModel):
    """The body of every reply that is an error."""

    error: ErrorDetail


def error_response(error: HttpError, *, request_id: str = "") -> Response:
    """The reply for an error."""
    detail = ErrorDetail(
        type=error.kind, message=" ".join(str(error).split()), request_id=request_id
    )
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        ErrorReply(error=detail).model_dump_json() + "\n",
        status_code=error.status,
        headers=headers,
        media_type="application/json",
    )


def no_verdict_error(verdict: Verdict) -> HttpError:
    """What a client gets that takes nothing but numbers, if there is none.

    503 where another attempt may succeed (calls failed), 422 where the judge answered and its
    answers have no verdict: trainers repeat the first, and some do not repeat the second.
    """
    reasons = [f"{vote.status}: {vote.message}" for vote in verdict.failures]
    why = f"; {reasons[0]:.300}" if reasons else ""
    message = (
        f"judge {verdict.judge.name!r} gave no rewards: {verdict.n_valid} of {verdict.k} votes are "
        f"valid{why}"
    )
    if any(vote.status in _TRANSIENT for vote in verdict.failures):
        return HttpError(message, status=503, kind="no_verdict", retry_after=1)
    return HttpError(message, status=422, kind="no_verdict")


ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorReply, "description": what}
    for status, what in (
        (400, "The request cannot be judged; the message says why."),
        (401, "No key, or an unknown one."),
        (408, "The body did not arrive in time."),
        (413, "The body is too large."),
        (422, "The judge answered, and gave no verdict."),
        (429, "Too many requests; `Retry-After` says when to come again."),
        (500, "A bug."),
        (502, "The model failed."),
        (503, "Not now: the server stops, the model cannot be used, or calls to it failed."),
        (504, "The deadline of the request passed; its votes were cancelled."),
    )
}
"""For the OpenAPI description of every route that judges."""
