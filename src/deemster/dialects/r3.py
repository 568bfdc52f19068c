"""R3's verdicts: `{"explanation": "…", "score": …}`, a number, a response or a truth value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Parsed, json_number
from deemster.dialects.loose_json import read_fields
from deemster.dialects.point_or_pair import PointOrPair
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import own_words, unfolded
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale

_BINARY = Scale(low=0, high=1)
_CHOICES = {"response 1": (1.0, 0.0), "response 2": (0.0, 1.0)}


@dataclass(frozen=True)
class R3(PointOrPair):
    """One response scored 1 to 5, or the better of two (`"Response 1"`).

    Rule `binary` asks whether a response is right, one at a time: `true` is 1, `false` 0.
    """

    name = "r3"
    scale = Scale(low=1, high=5)
    rules: ClassVar[tuple[str, ...]] = (*PointOrPair.rules, "binary")
    point_rules: ClassVar[tuple[str, ...]] = ("points", "binary")

    def scale_for(self, n: int) -> Scale:
        """1 to 5 for one response; 0 or 1 for each of two, and by the rule `binary`."""
        return _BINARY if self.rule == "binary" else super().scale_for(n)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the object; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        document = read_fields(fold(text), "score")
        explanation = document.get("explanation")
        said = text.strip()
        if isinstance(explanation, str):
            said = own_words(explanation, unfolded(text, "score").get("explanation"))
        scores = self._pair(document["score"]) if n == 2 else (self._point(document["score"]),)
        if n == 1 and said:
            return Parsed(scores, critiques=(Critique(response=0, text=said),))
        return Parsed(scores, analysis=said)

    def _point(self, said: object) -> float:
        if self.rule == "binary":
            truth = said if isinstance(said, bool) else str(said).strip().lower()
            if truth not in (True, False, "true", "false") or isinstance(said, int | float) != (
                isinstance(said, bool)
            ):
                raise ParseError(f"expected true or false, got {said!r:.60}")
            return float(truth in (True, "true"))
        if isinstance(said, bool) or not isinstance(said, int | float | str):
            raise ParseError(f"expected a number, got {said!r:.60}")
        return json_number(said, self.scale)

    def _pair(self, said: object) -> tuple[float, ...]:
        word = " ".join(str(said).lower().split()) if isinstance(said, str) else ""
        if word not in _CHOICES:
            raise ParseError(f"expected Response 1 or Response 2, got {said!r:.60}")
        return _CHOICES[word]
