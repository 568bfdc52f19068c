"""Raw model text, before any dialect has read it."""

from __future__ import annotations

from typing import Literal

from deemster.schemas.base import Record
from deemster.schemas.usage import Usage


class TokenLogprob(Record):
    """One generated token and its most likely alternatives."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()
    """(token, natural log-probability), most likely first; may include `token` itself."""


class Completion(Record):
    """What a backend returns for one draw."""

    text: str
    finish: Literal["stop", "length"] = "stop"
    """`length`: the text was cut at `max_tokens`."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage = Usage()
    model: str = ""
    """The model that answered, as the provider names it."""
