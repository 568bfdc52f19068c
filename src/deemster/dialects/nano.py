r"""The dialect of the embedded model: a prompt of bare lines, answered in the layout of `grm`.

A model of a million parameters has no room for instructions: it was trained on this one layout.
Query and responses are a line each; their line breaks become ` / `.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.grm import Grm
from deemster.errors import InputError
from deemster.prompts import View
from deemster.schemas import Conversation, Scale


@dataclass(frozen=True)
class Nano(Grm):
    """Short labelled text with boxed scores; 1 to 4 responses."""

    name = "nano"
    rules: ClassVar[tuple[str, ...]] = ("strict",)
    max_responses: ClassVar[int | None] = 4
    temperature: ClassVar[float] = 1.0  # its model was trained on samples drawn at 1

    def scale_for(self, n: int) -> Scale:
        """1 to 10, or 0 to 1 for a single response."""
        return Scale(low=0, high=1) if n == 1 else self.scale

    def render(self, view: View) -> Conversation:
        """See `Dialect.render`.

        Raises:
            InputError: there is more to show than a query and responses.
        """
        more = {
            "principles": view.principles,
            "a reference": view.reference,
            "the findings of a tool": view.findings,
            "what other judges said (a debate)": view.after,
        }
        for what, given in more.items():
            if given and self.template_file is None:
                raise InputError(
                    f"the prompt of dialect {self.name!r} has no place for {what}; leave that out, "
                    "or give another model than the embedded one, for example 'openai/gpt-5-mini'"
                )
        return super().render(view)
