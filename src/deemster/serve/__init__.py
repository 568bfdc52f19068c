"""The reward server: judges over HTTP, in the shapes that trainers and tools already post.

`deemster serve` runs it; `create_app` makes the ASGI application for a server of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from deemster.extras import need
from deemster.judges import BaseJudge
from deemster.serve.settings import ApiKey, ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app(
    judges: BaseJudge | Mapping[str, BaseJudge],
    settings: ServerSettings | None = None,
    *,
    vary: Callable[[str, int], BaseJudge] | None = None,
) -> FastAPI:
    """The server as an ASGI application.

    Args:
        judges: one, or several by the names that requests may give; the first is the default.
            They stay the caller's to close.
        settings: limits and keys.
        vary: makes the judge of a name with another k, for requests that choose theirs; None:
            they cannot.

    Raises:
        InputError: there is no judge, or the extra `serve` is not installed.
    """
    need("serve", "the server")
    from deemster.serve.app import make_app  # noqa: PLC0415 - after the check

    return make_app(judges, settings or ServerSettings(), vary=vary)


__all__ = ["ApiKey", "ServerSettings", "create_app"]
