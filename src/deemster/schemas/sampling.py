"""How completions are drawn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from deemster.schemas.base import Finite, Record


class Sampling(Record):
    """Decoding settings of one judge. Seeds are per draw and not in here."""

    temperature: Annotated[Finite, Field(ge=0, le=2)] = 0.5
    """0 is greedy. 0.5 is the paper's setting for voting (section 2)."""
    top_p: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Field(strict=True, ge=1)] = 2048
    stop: tuple[str, ...] = ()
    top_logprobs: Annotated[int, Field(strict=True, ge=0, le=20)] = 0
    """How many alternatives per token to ask for; 0 asks for no log-probabilities."""
