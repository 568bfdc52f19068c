"""Compares mathematical expressions, request by request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .wire import receive, send

_SHOWN = 200


def load() -> Callable[[str, str], dict[str, Any]]:
    """The comparison; importing what it needs takes a second and has to precede confinement."""
    import logging  # noqa: PLC0415 - as below

    from math_verify import parse, verify  # noqa: PLC0415 - heavy, third-party

    # It warns that timeouts are off; the parent process enforces them.
    logging.disable(logging.CRITICAL)

    def compare(reference: str, answer: str) -> dict[str, Any]:
        wanted = parse(reference, parsing_timeout=None)
        given = parse(answer, parsing_timeout=None)
        if not wanted:
            return {"equal": None, "why": "the reference is not mathematics"}
        equal = bool(given) and verify(wanted, given, timeout_seconds=None)
        shown = str(given[0])[:_SHOWN] if given else "nothing"
        return {"equal": equal, "why": f"read {shown}, reference {str(wanted[0])[:_SHOWN]}"}

    compare(r"$\frac12$", "$0.5$")  # builds the parser's tables
    return compare


def serve(compare: Callable[[str, str], dict[str, Any]], *, asks: int, answers: int) -> None:
    """Answer comparisons until asked to end."""
    send(answers, {"ready": True})
    while (ask := receive(asks)) is not None:
        try:
            reply = compare(ask["reference"], ask["answer"])
        except (Exception, RecursionError) as error:  # noqa: BLE001 - the parser meets any text
            reply = {"equal": None, "why": f"{type(error).__name__}: {error}"[:_SHOWN]}
        send(answers, reply)
