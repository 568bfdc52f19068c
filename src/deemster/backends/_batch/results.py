"""From the files that a batch leaves to answers by request: in any order, some twice, some not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from deemster.backends._batch.ledger import Line

AGAIN = frozenset({408, 409, 425, 429})
"""Statuses after which a request is worth another try, beside those of 500 and above."""
_PASSING = ("expired", "cancelled", "server_error", "rate_limit", "timeout", "overloaded")
"""Words in the codes of errors after which it is worth one, too."""


def read_results(files: Iterable[bytes], secrets: tuple[str, ...]) -> dict[str, Line]:
    """The answers by custom id; of several for one request the first that is no error.

    Requests that expired, that were cancelled, or that met an error of a moment are left out: they
    are as good as those that have no line. Lines that cannot be read are left out too.

    Args:
        files: contents of the files with answers and with errors.
        secrets: what the provider was sent and must not be kept.
    """
    found: dict[str, Line] = {}
    for content in files:
        for raw in content.splitlines():
            try:
                entry = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            if not isinstance(entry, dict) or not isinstance(entry.get("custom_id"), str):
                continue
            line = _line(entry, secrets)
            name = entry["custom_id"]
            if line is not None and (name not in found or _better(line, found[name])):
                found[name] = line
    return found


def _better(one: Line, other: Line) -> bool:
    return (one.status or 0) < 400 <= (other.status or 0)


def _line(entry: dict[str, Any], secrets: tuple[str, ...]) -> Line | None:
    response, error = entry.get("response"), entry.get("error")
    if isinstance(response, dict) and isinstance(status := response.get("status_code"), int):
        if _is_passing_status(status):
            return None
        if (body := response.get("body")) is not None:
            return Line("answered", status, _kept(body, secrets))
    if error is None or _is_passing(error):
        return None
    return Line("answered", 400, _kept({"error": error}, secrets))


def _is_passing(error: object) -> bool:
    """Whether it is the batch that ended, or a moment, and not the request that was refused."""
    code = str(error.get("code") or "") if isinstance(error, dict) else str(error)
    if code.isdecimal():
        return _is_passing_status(int(code[:9]))
    return any(word in code for word in _PASSING)


def _is_passing_status(status: int) -> bool:
    return status in AGAIN or status >= 500


def _kept(body: object, secrets: tuple[str, ...]) -> str:
    text = json.dumps(body)
    for secret in secrets:
        text = text.replace(json.dumps(secret)[1:-1], "***")
    return text
