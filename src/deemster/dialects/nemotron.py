r"""NVIDIA's Nemotron GenRM models: a score for each response, and how much better one is.

Two scores of 1 to 5 and a ranking of 1 (the first is much better) to 6 (the second is). The models
rank also where they score equally, so that the ranking says more: the rule `ranking` reads it.
Llama-3.3-Nemotron-Super-49B-GenRM writes text with boxes, the later models JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from deemster.dialects.base import Dialect, Parsed, json_number, settle, tail
from deemster.dialects.boxed import BOX, numbers, scales_inside
from deemster.dialects.marked import Marked, critiques_of, marked, principles_of
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import read_object
from deemster.errors import AmbiguousError, ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_SCORE = Scale(low=1, high=5, integer=False)
_RANK = Scale(low=1, high=6)
_SHARE = Scale(low=0, high=1, integer=False)


@dataclass(frozen=True)
class _Nemotron(Dialect):
    """What both forms share.

    Scores that prefer one response and a ranking that prefers the other are two verdicts.
    """

    scale = _SCORE
    rules: ClassVar[tuple[str, ...]] = ("strict", "ranking")
    max_responses = 2

    def scale_for(self, n: int) -> Scale:
        """1 to 5; 0 to 1 for two responses under the rule `ranking`."""
        return _SHARE if n == 2 and self.rule == "ranking" else self.scale

    def _agreed(self, scores: tuple[float, ...], ranking: float | None) -> tuple[float, ...]:
        if len(scores) == 1 or (ranking is None and self.rule == "strict"):
            return scores
        if ranking is None:
            raise ParseError("there are scores, but no ranking")
        if (scores[0] - scores[1]) * (3.5 - ranking) < 0:
            raise AmbiguousError(
                f"the scores {scores[0]:g} and {scores[1]:g} prefer one response, the ranking "
                f"{ranking:g} the other"
            )
        return scores if self.rule == "strict" else ((6 - ranking) / 5, (ranking - 1) / 5)


@dataclass(frozen=True)
class NemotronGenRm(_Nemotron):
    """One or two responses; scores and ranking boxed between marks."""

    name = "nemotron-genrm"

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the boxes of the marked parts; see `Dialect.parse`."""
        text = scales_inside(strip_reasoning(completion.text))
        parts = marked(text)
        scores = settle(
            _boxes(parts, "individual score"),
            lambda box: numbers(box, n, _SCORE),
            missing=f"no boxed [The Begin of Individual Scores] in text ending {tail(text)}",
        )
        ranks = _boxes(parts, "ranking score") if n == 2 else []
        ranking = settle(ranks, lambda box: numbers(box, 1, _RANK)[0]) if ranks else None
        said = critiques_of(parts, n)
        return Parsed(
            self._agreed(scores, ranking),
            principles_of(parts),
            said,
            "" if said else text.strip(),
        )


def _boxes(parts: tuple[Marked, ...], label: str) -> list[str]:
    return [
        box for part in parts if part.label in (label, f"{label}s")
        for box in BOX.findall(fold(part.text))
    ]  # fmt: skip


@dataclass(frozen=True)
class NemotronGenRmJson(_Nemotron):
    """Two responses; `{"score_1": 4, "score_2": 2, "ranking": 2}`, alone or under `overall`.

    The prompt is the model's chat template, which has roles for the responses and a principle.
    """

    name = "nemotron-genrm-json"
    min_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the object; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        document = _document(fold(text))
        scores = tuple(_value(document, name, _SCORE) for name in ("score_1", "score_2"))
        ranking = _value(document, "ranking", _RANK) if "ranking" in document else None
        return Parsed(self._agreed(scores, ranking), analysis=text.strip())


def _document(text: str) -> dict[str, Any]:
    """The object with the scores."""
    try:
        found = read_object(text, "score_1")
    except AmbiguousError:
        raise
    except ParseError:
        if '"overall"' not in text:
            raise
        found = read_object(text, "overall")
    if isinstance(found, dict) and "score_1" not in found:
        found = found.get("overall")
    if not isinstance(found, dict):
        raise ParseError('expected a JSON object with "score_1", "score_2" and "ranking"')
    return found


def _value(document: dict[str, Any], name: str, scale: Scale) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ParseError(f"field {name!r} holds no number: {value!r:.60}")
    return json_number(value, scale)
