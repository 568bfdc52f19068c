"""Faults of the server: which there are, and when each comes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

from deemster.testing.exchange import Call

Fault = Literal[
    "429",  # no Retry-After
    "429-after",  # with Retry-After
    "500",
    "503",
    "reset",  # the connection is cut before an answer
    "truncated",  # half of the body, then cut
    "bad-json",
    "empty",  # 200 and no body
    "slow-loris",  # the body, byte by byte, for ever
    "hang",  # no answer
    "401",
    "400",
    "404",
    "context",  # 400, the prompt is too long
    "402",
    "blocked",  # 400, content filter
]
"""How a request fails: a status, a broken or slow body, or no answer."""

TRANSIENT: tuple[Fault, ...] = (
    "429", "429-after", "500", "503", "reset", "truncated", "bad-json", "empty",
)  # fmt: skip
"""Faults that a second attempt gets over, and that say so at once."""

STATUS: dict[str, tuple[int, dict[str, Any]]] = {
    "429": (429, {"message": "slow down", "type": "rate_limit", "code": "rate_limit_exceeded"}),
    "429-after": (429, {"message": "slow down", "type": "rate_limit", "code": "rate_limit"}),
    "500": (500, {"message": "internal error", "type": "server_error"}),
    "503": (503, {"message": "overloaded", "type": "server_error"}),
    "401": (401, {"message": "Incorrect API key provided: {key}", "code": "invalid_api_key"}),
    "400": (400, {"message": "unknown field", "type": "invalid_request_error"}),
    "402": (402, {"message": "insufficient credits", "type": "billing"}),
    "404": (404, {"message": "the model does not exist", "code": "model_not_found"}),
    "context": (
        400,
        {
            "message": "This model's maximum context length is 4096 tokens. However, your messages "
            "resulted in 5000 tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        },
    ),
    "blocked": (
        400,
        {
            "message": "The response was filtered due to the prompt triggering the content "
            "management policy.",
            "code": "content_filter",
        },
    ),
}


FaultScript = Callable[[Call], Fault | None]
"""Says of each request how it fails; None: it is answered."""


def random_faults(rate: float, kinds: Sequence[Fault], *, seed: int = 0) -> FaultScript:
    """Each hit is a fault of a random kind with probability `rate`."""
    rng = random.Random(seed)

    def fault(_call: Call) -> Fault | None:
        return rng.choice(kinds) if rng.random() < rate else None

    return fault


def first_faults(*kinds: Fault) -> FaultScript:
    """The first hits fail in this order; the rest are fine."""
    return lambda call: kinds[call.hit] if call.hit < len(kinds) else None
