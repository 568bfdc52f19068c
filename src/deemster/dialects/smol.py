"""The dialect of small pretrained judges: a prompt of a few words, answered in the layout of `grm`.

A model of a hundred million parameters learns a layout from examples, not from instructions: what
a long prompt would say is in its weights. Query, reference and responses are a line each; their
line breaks become ` / `.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.grm import Grm
from deemster.schemas import Scale


@dataclass(frozen=True)
class Smol(Grm):
    """Principles with weights, a sentence about each response, boxed scores; 1 to 4 responses."""

    name = "smol"
    rules: ClassVar[tuple[str, ...]] = ("strict",)
    max_responses: ClassVar[int | None] = 4
    temperature: ClassVar[float] = 0.7  # at which its votes were measured

    def scale_for(self, n: int) -> Scale:
        """1 to 10, or 0 to 1 for a single response."""
        return Scale(low=0, high=1) if n == 1 else self.scale
