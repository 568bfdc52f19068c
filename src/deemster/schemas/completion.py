"""Raw model text, before any dialect has read it."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, JsonValue

from deemster.records import Record, Text
from deemster.usage import Usage


def _log_probability(value: object) -> float:
    if value == "-Infinity":
        return -math.inf
    if isinstance(value, int | float) and not isinstance(value, bool) and value < math.inf:
        return float(value)
    raise ValueError("a log-probability is a finite number or minus infinity")


LogProbability = Annotated[float, BeforeValidator(_log_probability)]
"""Natural logarithm of a probability; minus infinity (`"-Infinity"` in JSON) for impossible."""


class TokenLogprob(Record):
    """One generated token and its most likely alternatives."""

    model_config: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="strings")

    token: Text
    logprob: LogProbability
    top: tuple[tuple[Text, LogProbability], ...] = ()
    """(token, natural log-probability), most likely first; may include `token` itself."""


class Completion(Record):
    """What a backend returns for one draw."""

    text: Text
    finish: Literal["stop", "length"] = "stop"
    """`length`: the text was cut at `max_tokens`."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage = Usage()
    model: str = ""
    """The model that answered, as the provider names it."""
    reasoning: Text = ""
    """What a reasoning model thought, where the provider reports it apart from the answer."""
    sent: dict[str, JsonValue] | None = None
    """The decoding parameters as the provider received them, where they differ from those asked
    for (a parameter that it refuses is not sent); None where they do not."""
    warnings: tuple[str, ...] = ()
    """Why the backend says not to rely on the text, if it does."""
