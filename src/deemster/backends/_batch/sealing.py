"""Requests as they are kept while they wait for a batch: with a mark in place of each secret.

A user's own parameters may hold secrets (`extra`), which belong into what is submitted and not
into a file. The mark is made of the secret, so that a later process, which is given the secret
again, fills it in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence


def sealed(body: str, secrets: Sequence[str]) -> str:
    """A request's JSON with marks in place of secrets."""
    for secret in secrets:
        body = body.replace(_within(secret), _mark(secret))
    return body


def opened(body: str, secrets: Sequence[str]) -> str:
    """The request's JSON again, given at least the secrets that are in it."""
    for secret in reversed(secrets):  # one may be part of another that came before it
        body = body.replace(_mark(secret), _within(secret))
    return body


def _within(secret: str) -> str:
    """As it stands inside a JSON text."""
    return json.dumps(secret)[1:-1]


def _mark(secret: str) -> str:
    return f"<secret {hashlib.sha256(secret.encode(errors='surrogatepass')).hexdigest()}>"
