"""Whether the server lives, is ready, and what it has counted."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

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

    model_config = ConfigDict(use_attribute_docstrings=True)

    status: Literal["ready"] = "ready"
    judges: tuple[str, ...]
    failed: dict[str, str] | None = None
    """Why judges cannot be used, by their names; left out if all can."""


@router.get("/healthz")
async def healthz() -> Health:
    """Answers as long as the process does."""
    return Health()


@router.get(
    "/readyz",
    response_model_exclude_none=True,
    responses={503: {"model": ErrorReply, "description": "Send no requests."}},
)
async def readyz(desk: TheDesk) -> Ready:
    """503 while models are loaded, the queue is full or the server stops.

    Requests are taken while models are loaded, and wait.
    """
    if desk.draining:
        raise HttpError("the server stops", status=503, kind="draining")
    if desk.is_full:
        raise HttpError("the queue is full", status=503, kind="overloaded", retry_after=1)
    loading = desk.loading
    if loading.pending:
        names = ", ".join(name for name in desk.judges if name in loading.pending)
        raise HttpError(f"loading the model of {names}", status=503, kind="loading", retry_after=1)
    if not loading.usable:
        reasons = "; ".join(dict.fromkeys(loading.failed.values()))
        raise HttpError(reasons, status=503, kind="model_unusable")
    return Ready(judges=loading.usable, failed=loading.failed or None)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(desk: TheDesk) -> Response:
    """Counters, in Prometheus' text format."""
    return Response(desk.metrics.text(), media_type=CONTENT_TYPE)
