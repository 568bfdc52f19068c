"""The commonest home-made judge: one JSON object with a score and a reason.

`{"reasoning": "…", "score": 0.8}`. Which fields, and which scale, is said in the name:
`score-json:score=rating,reason=why,scale=1-5`; for several responses `score=score_a|score_b`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deemster.dialects.base import Dialect, Parsed, json_number, number, settle
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import own_words, read_object, unfolded
from deemster.errors import AmbiguousError, InputError, ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale

_REASONS = ("reasoning", "reason", "explanation", "rationale", "feedback", "analysis")
_END = r"(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
_SCALE = re.compile(f"{_END}-{_END}")
_USUAL = Scale(low=0, high=1, integer=False)


@dataclass(frozen=True)
class ScoreJson(Dialect):
    r"""A score and a reason in one JSON object; one response, or one field per response.

    Args:
        rule: `strict`, or settings apart by commas: `score=` the field of the score (several
            apart by `|`, one per response), `reason=` the field of the reason, `scale=LOW-HIGH`.
            Otherwise `score`, any of the usual names of a reason, and 0 to 1.

    Judges break JSON with quotes and LaTeX in the reason (`"the \alpha is "wrong""`). Then the
    score field is read alone: a number, each time it stands there the same.
    A response can dictate fields of other names than the usual ones; prefer `json` for live
    judging.
    """

    name = "score-json"
    scale = _USUAL

    def __post_init__(self) -> None:
        self._settings  # noqa: B018 - raises if they are wrong

    @cached_property
    def _settings(self) -> dict[str, str]:
        if self.rule == "strict":
            return {}
        pairs = [part.partition("=") for part in self.rule.split(",")]
        found = {key.strip(): value.strip() for key, _, value in pairs}
        fields = found.get("score", "score").split("|")
        wrong = (
            not all(found.values())
            or found.keys() - {"score", "reason", "scale"}
            or len(found) < len(pairs)  # one is given twice
            or not all(fields)
            or len(set(fields)) < len(fields)
        )
        if wrong:
            raise InputError(
                f"dialect {self.name!r} has no rule {self.rule!r}; write for example "
                f"{self.name}:score=rating,reason=why,scale=1-5"
            )
        ends = _SCALE.fullmatch(found.get("scale", "0-1"))
        if ends is None or not float(ends[1]) < float(ends[2]):
            raise InputError(f"scale {found['scale']!r} is not LOW-HIGH, as in scale=1-5")
        return found

    @cached_property
    def _fields(self) -> tuple[str, ...]:
        return tuple(self._settings.get("score", "score").split("|"))

    def scale_for(self, n: int) -> Scale:  # noqa: ARG002 - the same for any n
        """The scale named in the rule, 0 to 1 if none is."""
        ends = _SCALE.fullmatch(self._settings.get("scale", "0-1"))
        assert ends is not None, "checked when made"  # noqa: S101
        return Scale(low=float(ends[1]), high=float(ends[2]), integer=False)

    def check_n(self, n: int) -> None:
        """See `Dialect.check_n`."""
        if n != len(self._fields):
            raise InputError(
                f"dialect {self.spec!r} judges {len(self._fields)} responses at once, got {n}; "
                "name a field of each: score=score_a|score_b"
            )

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the object; see `Dialect.parse`."""
        if n != len(self._fields):
            raise ParseError(f"{len(self._fields)} score fields for {n} responses")
        own = strip_reasoning(completion.text)
        text = fold(own)
        try:
            document = read_object(text, self._fields[0])
        except AmbiguousError:
            raise
        except ParseError as error:
            return Parsed(self._broken(text, error), analysis=own.strip())
        if not isinstance(document, dict):
            raise ParseError("expected a JSON object")
        scores = tuple(self._score(document.get(field), field) for field in self._fields)
        reason = self._reason(document, unfolded(own, self._fields[0]))
        if n == 1 and reason:
            return Parsed(scores, critiques=(Critique(response=0, text=reason),))
        return Parsed(scores, analysis=reason)

    def _reason(self, document: Mapping[str, Any], written: Mapping[str, Any]) -> str:
        named = self._settings.get("reason")
        keys = (named,) if named else _REASONS
        key = next((key for key in keys if isinstance(document.get(key), str)), None)
        return "" if key is None else own_words(document[key], written.get(key))

    def _score(self, value: object, field: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ParseError(f"field {field!r} holds no number: {value!r:.60}")
        return json_number(value, self.scale_for(1))

    def _broken(self, text: str, error: ParseError) -> tuple[float, ...]:
        """The scores of an object that is no JSON, each field read alone."""
        if "{" not in text or not text.rstrip("`* \n\t").endswith("}"):
            raise error  # no object, or one that was cut
        return tuple(self._alone(text, field, error) for field in self._fields)

    def _alone(self, text: str, field: str, error: ParseError) -> float:
        named = re.escape(field)
        use = rf"[\"']{named}[\"'][ \t\r\n]{{0,40}}:[ \t\r\n]{{0,40}}([^,}}\n]{{0,60}})"
        return settle(
            re.findall(use, text),
            lambda said: number(said.strip(" \t\"'"), self.scale_for(1)),
            missing=str(error),
        )
