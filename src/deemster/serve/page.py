"""The page at `/`: paste responses, watch the votes arrive. Its files ship with the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing of another host, nothing inline, no frame around it."""
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


@cache
def _file(name: str) -> bytes:
    return (files("deemster.serve") / "assets" / name).read_bytes()


def _reply(name: str) -> Response:
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(_file(name), media_type=kind, headers={"Content-Security-Policy": _POLICY})


@router.get("/")
async def index() -> Response:
    """The page."""
    return _reply("index.html")


@router.get("/page.css")
async def style() -> Response:
    """Its style."""
    return _reply("page.css")


@router.get("/page.js")
async def script() -> Response:
    """Its script."""
    return _reply("page.js")
