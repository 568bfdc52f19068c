"""PandaLM's verdicts: `1`, `2` or `Tie` on the first line, then reasons and a reference."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import AmbiguousError, ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_LINE = re.compile(r"[ \t*_`]{0,8}(1|2|Tie)[ \t*_`.]{0,8}", re.IGNORECASE | re.ASCII)
_SCORES = {"1": (1.0, 0.0), "2": (0.0, 1.0), "tie": (0.5, 0.5)}


@dataclass(frozen=True)
class PandaLm(Dialect):
    """The better of two responses, or a tie.

    PandaLM's own reader makes a tie of what it cannot read; here that is a failure. A later line
    that holds another verdict alone makes it ambiguous. A bare digit cannot be defused in a
    response that the judge may quote.
    """

    name = "pandalm"
    forgeable = "a bare digit or word"
    scale = Scale(low=0, high=1, integer=False)
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the first line; see `Dialect.parse`."""
        text = strip_reasoning(completion.text).strip()
        first, _, rest = text.partition("\n")
        said = _LINE.fullmatch(fold(first))
        if said is None:
            raise ParseError(f"the first line must be 1, 2 or Tie, got {first[:60]!r}")
        word = said[1].lower()
        for line in rest.splitlines():
            other = _LINE.fullmatch(fold(line))
            if other is not None and other[1].lower() != word:
                raise AmbiguousError(f"different verdicts: {first[:20]!r} and {line[:20]!r}")
        return Parsed(_SCORES[word], analysis=rest.strip())
