r"""BR-RM's verdicts: what matters and what is wrong, and in a second turn `\boxed{1}`.

The models look twice: at the abilities that count and the issues of each
response, then, with that before them, at which is better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, settle, tail
from deemster.dialects.boxed import BOX, plain
from deemster.dialects.marked import Marked, critiques_of, marked
from deemster.dialects.parts import has_parts, split_parts
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts import OfficialPrompt
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Principle, Scale, normalise_weights

_INDEX = re.compile(r"(?:response|answer)?[ ]{0,4}([12])", re.IGNORECASE | re.ASCII)
_CONTEXT = '"[The Begin of Context]\\n" ~ conversation ~ "\\n[The End of Context]\\n"'
_MARKED = '"[The Begin of Response {0}]\\n" ~ responses[{1}] ~ "\\n[The End of Response {0}]\\n"'
_RESPONSES = f"{_MARKED.format(1, 0)} ~ '\\n' ~ {_MARKED.format(2, 1)}"


@dataclass(frozen=True)
class BrRm(Dialect):
    """The better of two responses, in two turns.

    A vote keeps both turns. The abilities that the first turn chooses are the principles.
    """

    name = "br-rm"
    scale = Scale(low=0, high=1)
    min_responses = 2
    max_responses = 2
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        "strict": OfficialPrompt(
            "YzjiaoNvd/BR-RM, nemo_rl/environments/brrm_environment.py",
            {"user": "UNIFIED_ANALYSIS_PROMPT", "second": "SCORING_STAGE_PROMPT"},
            {"context": _CONTEXT, "responses": _RESPONSES},
        )
    }

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the last turn's ranking, and the reasons of both; see `Dialect.parse`."""
        turns = split_parts(completion, 2) if has_parts(completion.text) else [completion]
        texts = [strip_reasoning(turn.text) for turn in turns]
        last = marked(texts[-1])
        scores = settle(
            [
                box
                for part in last
                if part.label == "ranking score"
                for box in BOX.findall(fold(part.text))
            ],
            _better,
            missing=f"no boxed [The Begin of Ranking Score] in text ending {tail(texts[-1])}",
        )
        parts = tuple(part for text in texts for part in marked(text))
        said = critiques_of(parts, n)
        return Parsed(scores, _abilities(parts), said, "" if said else "\n\n".join(texts).strip())


def _better(box: str) -> tuple[float, ...]:
    index = _INDEX.fullmatch(plain(box))
    if index is None:
        raise ParseError(f"{box[:40]!r} is not response 1 or 2")
    return (1.0, 0.0) if index[1] == "1" else (0.0, 1.0)


def _abilities(parts: tuple[Marked, ...]) -> tuple[Principle, ...]:
    """The abilities that the judge chose to look at."""
    listed = next((part.text for part in parts if part.label == "quality assessment focus"), "")
    names = [re.sub(r"^[\s*\d.)-]+|[\s*.]+$", "", name) for name in re.split(r"[,\n;]", listed)]
    return normalise_weights([Principle(name=name) for name in names[:8] if 0 < len(name) <= 80])
