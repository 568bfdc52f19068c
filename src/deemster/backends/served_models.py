"""Which models an OpenAI-compatible server serves, and from where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from deemster.backends._api.providers import ANY, LEAN, Given, find_access
from deemster.backends.base import Trust
from deemster.errors import InputError

_TIMEOUT = 30.0
"""Seconds."""
_MOST_BYTES = 1 << 22


@dataclass(frozen=True)
class ServedModel:
    """A model as a server lists it."""

    id: str
    """What requests call it."""
    root: str | None = None
    """Folder or repository of its weights, where the server tells (vLLM does)."""


class _NoRedirect(HTTPRedirectHandler):
    """The key is for this server alone."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - urllib's
        return None


def served_models(
    model: str, *, api_base: str | None = None, trust: Trust = True
) -> tuple[str, tuple[ServedModel, ...]]:
    """The URL that was asked, without a login, and the models that the server there lists.

    Args:
        model: `provider/model`; the provider says where URL and key are looked for.
        api_base: URL of the server, as `APIBackend` takes it.
        trust: see `APIBackend`.

    Raises:
        InputError: there is no URL, no server, or no list of models at it.
    """
    provider = LEAN.get(model.partition("/")[0], ANY)
    access = find_access(Given(model, api_base, trust=trust), provider, path="/models")
    headers = {"authorization": access.authorization} if access.authorization else {}
    opener = build_opener(_NoRedirect())
    try:
        with opener.open(Request(access.url, headers=headers), timeout=_TIMEOUT) as answer:  # noqa: S310 - api_base is checked to be http
            found = tuple(_listed(answer))
    except HTTPError as error:
        raise InputError(f"{access.shown} answers with status {error.code}") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"no server answers at {access.shown}: {reason}") from error
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{access.shown} gives no list of models") from error
    return access.shown, found


def _listed(answer: IO[bytes]) -> Iterator[ServedModel]:
    for one in json.loads(answer.read(_MOST_BYTES))["data"]:
        root = one.get("root")
        yield ServedModel(str(one["id"]), root if isinstance(root, str) else None)
