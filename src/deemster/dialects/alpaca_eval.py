"""AlpacaEval's verdicts: a ranking of the models `m` (shown first) and `M`, as JSON.

Its annotators logged them in more ways, which the rule `published` reads too: the bare list of
ranks, that list as a Python literal with `model_1` and `model_2`, and the single token `m` or `M`
with its log-probabilities (beside the text, or as the provider's choice object).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deemster.dialects.base import Dialect, Parsed, probability
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import read_json, read_object
from deemster.errors import ParseError
from deemster.schemas import Completion, Scale

_PLACES = {"m": 0, "M": 1, "model_1": 0, "model_2": 1}
_LITERAL_ITEM = r"\{\s{0,9}'model':\s{0,9}'(\w{1,20})',\s{0,9}'rank':\s{0,9}([0-9]{1,3})\s{0,9}\}"
_LITERAL = re.compile(rf"\[\s{{0,9}}{_LITERAL_ITEM},\s{{0,9}}{_LITERAL_ITEM},?\s{{0,9}}\]")


@dataclass(frozen=True)
class AlpacaEval(Dialect):
    """The better of two responses: `{"ordered_models": [{"model": "m", "rank": 1}, …]}`.

    Two responses with the same rank are a tie. Rule `published` reads every form that AlpacaEval
    logs, and as it does: by the rank of the first model alone (1 means that it won, whatever the
    other's rank), or by the probabilities of the two tokens, which then are the scores.
    """

    name = "alpaca-eval"
    scale = Scale(low=0, high=1, integer=False)
    rules: ClassVar[tuple[str, ...]] = ("strict", "published")
    min_responses = 2
    max_responses = 2

    def json_schema(self, n: int) -> dict[str, Any]:  # noqa: ARG002 - n is 2
        """JSON Schema of the function call's arguments."""
        entry = {
            "type": "object",
            "properties": {
                "model": {"type": "string", "enum": ["m", "M"]},
                "rank": {"type": "integer", "minimum": 1, "maximum": 2},
            },
            "required": ["model", "rank"],
            "additionalProperties": False,
        }
        return {
            "type": "object",
            "properties": {
                "concise_explanation": {"type": "string", "maxLength": 800},
                "ordered_models": {"type": "array", "items": entry, "minItems": 2, "maxItems": 2},
            },
            "required": ["concise_explanation", "ordered_models"],
            "additionalProperties": False,
        }

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the ranking or the token's log-probabilities; see `Dialect.parse`."""
        text = strip_reasoning(completion.text).strip()
        if self.rule == "published":
            return self._published(completion, text)
        return self._document(read_object(text, "ordered_models"))

    def _published(self, completion: Completion, text: str) -> Parsed:
        if completion.logprobs and not text.startswith(("{", "[", "`")):
            return Parsed(_weigh(dict(completion.logprobs[0].top)))
        if text in ("m", "M"):
            return Parsed((1.0, 0.0) if text == "m" else (0.0, 1.0))
        literal = _LITERAL.fullmatch(text)
        if literal is not None:
            return Parsed(self._ranked({literal[1]: int(literal[2]), literal[3]: int(literal[4])}))
        document = read_json(text)
        if isinstance(document, Mapping) and "logprobs" in document:
            return Parsed(_weigh(_first_token(document)))
        if isinstance(document, list):
            document = {"ordered_models": document}
        return self._document(document)

    def _document(self, document: object) -> Parsed:
        if not isinstance(document, Mapping):
            raise ParseError(f"expected a JSON object, got {document!r:.80}")
        ranks = _ranks(document.get("ordered_models"))
        explanation = document.get("concise_explanation", "")
        return Parsed(
            self._ranked(ranks), analysis=explanation if isinstance(explanation, str) else ""
        )

    def _ranked(self, ranks: Mapping[str, int]) -> tuple[float, float]:
        places = {_PLACES[model]: rank for model, rank in ranks.items() if model in _PLACES}
        if len(ranks) != 2 or len(places) != 2:
            raise ParseError(f"expected the ranks of two models, got {dict(ranks)!r:.80}")
        if not set(places.values()) <= {1, 2}:
            raise ParseError(f"ranks must be 1 or 2, got {dict(ranks)!r:.80}")
        first, second = places[0], places[1]
        if self.rule == "published":
            return (1.0, 0.0) if first == 1 else (0.0, 1.0)
        if first == second:
            return (0.5, 0.5)
        return (1.0, 0.0) if first < second else (0.0, 1.0)


def _ranks(entries: object) -> dict[str, int]:
    if not isinstance(entries, Sequence) or isinstance(entries, str) or len(entries) != 2:
        raise ParseError(f"expected a list of two ranked models, got {entries!r:.80}")
    ranks: dict[str, int] = {}
    for entry in entries:
        model = entry.get("model") if isinstance(entry, Mapping) else None
        rank = entry.get("rank") if isinstance(entry, Mapping) else None
        if not isinstance(model, str) or type(rank) is not int:
            raise ParseError(f"expected 'model' and 'rank', got {entry!r:.80}")
        ranks[model] = rank
    return ranks


def _first_token(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Alternatives of the first token in a provider's choice object."""
    try:
        tokens = choice["logprobs"]["content"][0]["top_logprobs"]
        chances = {str(token["token"]): token["logprob"] for token in tokens}
    except (KeyError, IndexError, TypeError):
        raise ParseError("no alternatives of the first token in 'logprobs'") from None
    given = {token: value for token, value in chances.items() if token in _PLACES}
    if not all(isinstance(value, float) or type(value) is int for value in given.values()):
        raise ParseError(f"log-probabilities must be numbers, got {given!r:.80}")
    return given


def _weigh(logprobs: Mapping[str, float]) -> tuple[float, float]:
    """Probabilities of `m` and `M` relative to each other; a token that is not listed has none."""
    first, second = (
        probability(logprobs[token]) if token in logprobs else 0.0 for token in ("m", "M")
    )
    total = first + second
    if not total > 0:
        raise ParseError("neither 'm' nor 'M' among the alternatives of the first token")
    return (first / total, second / total)
