"""Whether the server lives, is ready, and what it has counted."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from deemster._version import __version__
from deemster.serve.contracts.asking import TheDesk
from deemster.serve.http_errors import ErrorReply, HttpError
from deemster.serve.metrics import CONTENT_TYPE

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Ready(BaseModel):
    """Requests are taken."""

    status: Literal["ready"] = "ready"
    judges: tuple[str, ...]


@router.get("/healthz")
async def healthz() -> Health:
    """Answers as long as the process does."""
    return Health()


@router.get("/readyz", responses={503: {"model": ErrorReply, "description": "Send no requests."}})
async def readyz(desk: TheDesk) -> Ready:
    """503 while the server stops or its queue is full."""
    if desk.draining:
        raise HttpError("the server stops", status=503, kind="draining")
    if desk.is_full:
        raise HttpError("the queue is full", status=503, kind="overloaded", retry_after=1)
    return Ready(judges=tuple(desk.judges))


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(desk: TheDesk) -> Response:
    """Counters, in Prometheus' text format."""
    return Response(desk.metrics.text(), media_type=CONTENT_TYPE)
