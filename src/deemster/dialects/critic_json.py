"""A critic's verdicts in JSON: what it says of each response, then the scores.

`{"critiques": ["…", "…"], "scores": [7, 5]}`, for one response also
`{"critique": "…", "score": 7}`. No released model has this grammar to itself: it is for critics
that were trained or prompted to answer in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from deemster.dialects.base import Dialect, Parsed, json_number
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import own_words, read_object, unfolded
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
        own = strip_reasoning(completion.text)
        text = fold(own)
        single = n == 1 and '"scores"' not in text
        if n == 1 and not single and '"score"' in text:
            raise AmbiguousError('both "score" and "scores" are there')
        key, reasons = ("score", "critique") if single else ("scores", "critiques")
        document = read_object(text, key)
        if not isinstance(document, dict):
            raise ParseError("expected a JSON object")
        scores = [document.get("score")] if single else _list(document, "scores", n)
        texts = _listed(document.get(reasons), single=single)
        if texts and len(texts) != n:
            raise ParseError(f"expected {n} critiques, got {len(texts)}")
        written = _listed(unfolded(own, key).get(reasons), single=single)
        return Parsed(
            tuple(self._score(score) for score in scores),
            critiques=tuple(
                Critique(response=i, text=own_words(one, as_written))
                for i, (one, as_written) in enumerate(zip_longest(texts, written[: len(texts)]))
                if isinstance(one, str) and one
            ),
        )

    def _score(self, said: object) -> float:
        if isinstance(said, bool) or not isinstance(said, int | float):
            raise ParseError(f"expected a number, got {said!r:.60}")
        return json_number(said, self.scale)


def _listed(said: object, *, single: bool) -> list[Any]:
    """The critiques; nothing where they are no list."""
    if single:
        return [said]
    return said if isinstance(said, list) else []


def _list(document: dict[str, Any], key: str, n: int) -> Sequence[Any]:
    found = document.get(key)
    if not isinstance(found, list) or len(found) != n:
        raise ParseError(f'"{key}" must be a list of {n}, got {found!r:.80}')
    return found
