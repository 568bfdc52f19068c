"""How completions are drawn."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from deemster.records import Finite, Record

_Temperature = Annotated[Finite, Field(ge=0, le=2)]


class SamplingSettings(Record):
    """What users set about decoding.

    A field added here is an argument of every judge that draws completions, a key of suites and
    an option of the command line; backends read it from `Request.sampling`.
    """

    temperature: _Temperature | None = None
    """Default: 0 (greedy) for k = 1, else the dialect's, for most 0.5 (the paper's, section 2)."""
    top_p: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    """Nucleus sampling: the share of the probability that tokens are drawn from."""
    max_tokens: Annotated[int, Field(strict=True, ge=1)] = 2048
    """Longest completion, in tokens."""


class Sampling(SamplingSettings):
    """Decoding settings of one judge. Seeds are per draw and not in here."""

    temperature: _Temperature = 0.5
    """0 is greedy. 0.5 is the paper's setting for voting (section 2)."""
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
