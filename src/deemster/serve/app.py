"""The ASGI application: routes, and the layers around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from deemster._version import __version__
from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.serve import health, page
from deemster.serve.body import BodyGuard
from deemster.serve.cohort import Cohorts
from deemster.serve.contracts import chat, decisions, native, nemo_gym, openrlhf, slime, vllm
from deemster.serve.desk import Desk, Vary
from deemster.serve.http_errors import NAMES, HttpError, error_response
from deemster.serve.keys import KeyCheck, KeyRing
from deemster.serve.metrics import Metrics
from deemster.serve.settings import LOOPBACK, ServerSettings
from deemster.serve.traffic import Traffic, note

_MODULES = (health, page, native, openrlhf, slime, vllm, nemo_gym, chat, decisions)
_DESCRIPTION = """Judges over HTTP. `POST /v1/score` is deemster's own route; the others speak what
trainers and tools already post. An error is one line: `{"error": {"type", "message",
"request_id"}}`. A judge that failed gives no number: `rewards` is null, or the status is not 200.
"""


def make_app(
    judges: BaseJudge | Mapping[str, BaseJudge], settings: ServerSettings, *, vary: Vary | None
) -> FastAPI:
    """See `deemster.serve.create_app`."""
    named = {judges.name: judges} if isinstance(judges, BaseJudge) else dict(judges)
    if not named:
        raise InputError("judges is empty; give 1 or more")
    metrics = Metrics()
    desk = Desk(named, settings=settings, metrics=metrics, vary=vary)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        desk.loading.start()
        yield
        desk.draining = True
        await desk.aclose()

    closed = settings.is_local and not settings.keys and not settings.public
    hosts = frozenset({*LOOPBACK, "[::1]"}) if closed else None
    app = FastAPI(
        title="deemster",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page asks a foreign host for its scripts
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Traffic, desk=desk, hosts=hosts),
            Middleware(KeyCheck, ring=KeyRing(settings.keys)),
            Middleware(BodyGuard, max_body=settings.max_body, timeout=settings.body_timeout),
        ],
        exception_handlers={
            RequestValidationError: _invalid,
            HTTPException: _http_error,
            InputError: _input_error,
            HttpError: _refused,
        },
        dependencies=_documented_keys(settings),
    )
    app.state.desk = desk
    app.state.cohorts = Cohorts(desk, wait=settings.group_wait)
    for module in _MODULES:
        app.include_router(module.router)
    return app


def _documented_keys(settings: ServerSettings) -> list[Any]:
    """What makes OpenAPI say that a key is needed; `KeyCheck` is who looks at it."""
    scheme = HTTPBearer(auto_error=False, description="A key of the server.")
    return [Depends(scheme)] if settings.keys else []


async def _invalid(request: Request, error: Any) -> Response:  # noqa: ANN401 - as registered
    """400: the body or the URL is not what the route takes."""
    # Of what may be one thing or another, the message about the one that was meant: the deepest.
    first = max(error.errors(), key=lambda one: len(one["loc"]))
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    message = str(first["msg"]).removeprefix("Value error, ")
    kind = request.headers.get("content-type", "")
    if first["type"] == "json_invalid":
        text = f"the body is not JSON: {first.get('ctx', {}).get('error', message)} at {where}"
    elif first["loc"] == ("body",) and "json" not in kind:
        text = f"content type {kind!r:.80}; send JSON with 'Content-Type: application/json'"
    else:
        named = first["type"] in {"missing", "value_error"}
        text = f"{where}: {message}" if where else message
        text += "" if named else f", got {first['input']!r:.80}"
    return _reply(request, HttpError(text, status=400))


async def _http_error(request: Request, error: Any) -> Response:  # noqa: ANN401 - as registered
    """What the framework refuses: unknown paths and methods, unreadable bodies."""
    path, method = request.url.path, request.method
    texts = {
        404: f"no route {path!r:.120}; GET /openapi.json lists them",
        405: f"{method} is not allowed for {path!r:.120}",
    }
    status = error.status_code
    made = HttpError(
        texts.get(status, str(error.detail)), status=status, kind=NAMES.get(status, "error")
    )
    response = _reply(request, made)
    response.headers.update(error.headers or {})
    return response


async def _input_error(request: Request, error: Any) -> Response:  # noqa: ANN401 - as registered
    """400: it cannot be judged."""
    return _reply(request, HttpError(str(error), status=400))


async def _refused(request: Request, error: Any) -> Response:  # noqa: ANN401 - as registered
    return _reply(request, error)


def _reply(request: Request, error: HttpError) -> Response:
    state = request.scope["state"]
    note(state, error=error.kind)
    return error_response(error, request_id=state["request_id"])
