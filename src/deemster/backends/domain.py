"""Whether a prompt is of the kind that a small model was trained on.

A bigram model over the model's own tokens, counted on its training prompts, says how likely a
prompt is. (The model itself cannot: its loss is on completions, so it does not know prompts.) Two
figures are compared with thresholds: the first line alone, which is the query, since ordinary
answers make a strange query look ordinary; and the whole prompt. A prompt that is longer than any
that it was trained on is of another domain, too.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from deemster.errors import InputError
from deemster.json_text import read_json
from deemster.schemas import first_problem

Encode = Callable[[str], list[int]]
"""From text to token ids, without control tokens."""

_START = -1
"""Stands before the first token."""
_PRIOR = 4.0
"""How many observations the unigram distribution counts for after every token."""
_MOST = 2**31
"""Of a token's number, a count and a length: their sums stay exact as floats."""


@dataclass(frozen=True)
class Likelihood:
    """Mean natural log-likelihood per token."""

    query: float
    """Of the first line."""
    prompt: float
    """Of all of it."""
    tokens: int = 0
    """Length of the prompt."""


@dataclass(frozen=True)
class Domain:
    """Bigram counts of prompts, and how unlikely one of them may be.

    Args:
        counts: how often a token (or the start, -1) was followed by each other.
        least: thresholds; a prompt below one of them is of another domain.
        longest: most tokens of a prompt of the domain; None: of any length.
        measured: how the thresholds do, for the record.
    """

    counts: Mapping[int, Mapping[int, int]]
    least: Likelihood
    measured: Mapping[str, float] = field(default_factory=dict)
    longest: int | None = None

    @classmethod
    def fit(
        cls, encode: Encode, prompts: Iterable[str], held_out: Iterable[str], *, share: float = 0.01
    ) -> Domain:
        """Count the bigrams of `prompts`; set thresholds that a `share` of `held_out` falls below.

        Args:
            encode: by the model's tokenizer.
            prompts: what the model was trained on, as the dialect renders it.
            held_out: other prompts of the same domains that must pass.
            share: of them that each threshold may refuse, in (0, 1).

        Raises:
            InputError: there are no prompts, or none held out.
        """
        counts: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for prompt in prompts:
            ids = encode(prompt)
            for before, token in zip([_START, *ids], ids, strict=False):
                counts[before][token] += 1
        held_out = list(held_out)
        if not counts or not held_out:
            raise InputError("a domain needs prompts to count and held-out ones to set thresholds")
        bare = cls(counts, Likelihood(-math.inf, -math.inf))
        found = [bare.likelihood(encode, prompt) for prompt in held_out]
        query, whole = (
            float(np.quantile([getattr(one, name) for one in found], share))
            for name in ("query", "prompt")
        )
        fitted = cls(counts, Likelihood(query, whole))
        refused = sum(not fitted.covers(one) for one in found) / len(found)
        return cls(counts, fitted.least, {"held-out prompts refused": refused})

    def likelihood(self, encode: Encode, prompt: str) -> Likelihood:
        """How likely a prompt is; an empty one is certain."""
        first, whole = encode(prompt.partition("\n")[0]), encode(prompt)
        return Likelihood(self._mean(first), self._mean(whole), len(whole))

    def covers(self, found: Likelihood) -> bool:
        """Whether a prompt this likely is of the domain."""
        short = self.longest is None or found.tokens <= self.longest
        return short and found.query >= self.least.query and found.prompt >= self.least.prompt

    def _mean(self, ids: list[int]) -> float:
        logs = [
            self._log(before, token) for before, token in zip([_START, *ids], ids, strict=False)
        ]
        return math.fsum(logs) / len(logs) if logs else 0.0

    def _log(self, before: int, token: int) -> float:
        alone, total = self._alone
        # 0.5: a token that never occurred is rare, not impossible.
        unigram = (alone.get(token, 0) + 0.5) / (total + 0.5 * len(alone))
        after = self.counts.get(before, {})
        return math.log(
            (after.get(token, 0) + _PRIOR * unigram) / (self._totals.get(before, 0) + _PRIOR)
        )

    @cached_property
    def _alone(self) -> tuple[Counter[int], int]:
        alone: Counter[int] = Counter()
        for after in self.counts.values():
            alone.update(after)
        return alone, alone.total()

    @cached_property
    def _totals(self) -> dict[int, int]:
        return {before: sum(after.values()) for before, after in self.counts.items()}

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        whole = {
            "threshold": {"query": self.least.query, "prompt": self.least.prompt},
            "longest": self.longest,
            "measured": dict(self.measured),
            "bigrams": {str(before): dict(after) for before, after in self.counts.items()},
        }
        path.write_text(json.dumps(whole, separators=(",", ":")) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Domain:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or something else.
        """
        whole = read_json(path, what="domain")
        try:
            written = _Written.model_validate(whole)
        except ValidationError as error:
            raise InputError(
                f"{str(path)!r} does not describe a domain: {first_problem(error)}"
            ) from error
        return cls(
            written.bigrams,
            Likelihood(written.threshold.query, written.threshold.prompt),
            written.measured,
            written.longest,
        )


_Token = Annotated[int, Field(ge=_START, le=_MOST)]
_Count = Annotated[int, Field(ge=1, le=_MOST)]


class _Threshold(BaseModel):
    query: FiniteFloat
    prompt: FiniteFloat


class _Written(BaseModel):
    """What the file holds."""

    threshold: _Threshold
    longest: Annotated[int, Field(ge=0, le=_MOST)] | None = None
    measured: dict[str, FiniteFloat]
    bigrams: Annotated[
        dict[_Token, Annotated[dict[_Token, _Count], Field(min_length=1)]], Field(min_length=1)
    ]
