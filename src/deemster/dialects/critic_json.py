"""A critic's verdicts in JSON: what it says of each response, then the scores.

`{"critiques": ["…", "…"], "scores": [7, 5]}`, for one response also
`{"critique": "…", "score": 7}`. No released model has this grammar to itself: it is for critics
that were trained or prompted to answer in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deemster.dialects.base import Dialect, Parsed, json_number
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import read_object
from deemster.errors import AmbiguousError, ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale


@dataclass(frozen=True)
class CriticJson(Dialect):
    """Any number of responses, each with a critique and a score from 1 to 10."""

    name = "critic-json"
    scale = Scale(low=1, high=10, integer=False)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the object; see `Dialect.parse`."""
        text = fold(strip_reasoning(completion.text))
        single = n == 1 and '"scores"' not in text
        if n == 1 and not single and '"score"' in text:
            raise AmbiguousError('both "score" and "scores" are there')
        document = read_object(text, "score" if single else "scores")
        if not isinstance(document, dict):
            raise ParseError("expected a JSON object")
        scores = [document.get("score")] if single else _list(document, "scores", n)
        said = [document.get("critique")] if single else document.get("critiques", [])
        texts = said if isinstance(said, list) else []
        if texts and len(texts) != n:
            raise ParseError(f"expected {n} critiques, got {len(texts)}")
        return Parsed(
            tuple(self._score(score) for score in scores),
            critiques=tuple(
                Critique(response=i, text=one)
                for i, one in enumerate(texts)
                if isinstance(one, str) and one
            ),
        )

    def _score(self, said: object) -> float:
        if isinstance(said, bool) or not isinstance(said, int | float):
            raise ParseError(f"expected a number, got {said!r:.60}")
        return json_number(said, self.scale)


def _list(document: dict[str, Any], key: str, n: int) -> Sequence[Any]:
    found = document.get(key)
    if not isinstance(found, list) or len(found) != n:
        raise ParseError(f'"{key}" must be a list of {n}, got {found!r:.80}')
    return found
