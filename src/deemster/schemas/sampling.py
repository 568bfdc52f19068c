"""How completions are drawn."""

from __future__ import annotations

from typing import Annotated, Any

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

    def to_openai(self) -> dict[str, Any]:
        """The settings as the chat-completions API takes them.

        A field that has its default is left out, so that servers which do not know it are not
        asked about it; `temperature` and `max_tokens` are always there.
        """
        given = self.model_dump(mode="json", exclude_defaults=True)
        if "top_logprobs" in given:
            given["logprobs"] = True
        return given | {"temperature": self.temperature, "max_tokens": self.max_tokens}
