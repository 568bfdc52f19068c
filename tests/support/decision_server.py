"""A strict `/v1/decisions` and `/v1/systemone` server on loopback.

Written from the wire grammar: unknown fields, wrong types and numbers out of range are a 400.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from deemster.testing import Call, OpenAIServer, Raw

Answerer = Callable[[str, dict[str, Any]], Sequence[float] | None]
"""From the text and one question as it came (with its `options`) to a probability per option;
None refuses the question."""


def uniform(_text: str, question: dict[str, Any]) -> Sequence[float]:
    """Every option alike."""
    n = len(question["options"])
    return [1 / n] * n


class DecisionServer(OpenAIServer):
    """`with DecisionServer(answer) as server:`; faults and ledger are `OpenAIServer`'s.

    Args:
        answer: what it says.
        most: questions that a request may have.
        label_mass: reported as diagnostics, where given.
        tamper: changes an answer before it is sent.
        options: of `OpenAIServer`.
    """

    paths = ("decisions", "systemone")

    def __init__(
        self,
        answer: Answerer = uniform,
        *,
        most: int = 400,
        label_mass: float | None = None,
        tamper: Callable[[dict[str, Any]], dict[str, Any]] = lambda reply: reply,
        **options: Any,
    ) -> None:
        super().__init__(raw=self._refuse, **options)
        self.answer = answer
        self.most = most
        self.label_mass = label_mass
        self.tamper = tamper

    def _refuse(self, call: Call) -> Raw | None:
        try:
            _read(call.body, self.most)
        except (ValueError, KeyError, TypeError) as error:
            return Raw({"error": {"message": f"invalid request: {error}"}}, status=400)
        return None

    def _payload(self, call: Call) -> dict[str, Any]:
        text, questions = _read(call.body, self.most)
        openai = "input" in call.body
        answers = [_answer(one, self.answer(text, one), openai=openai) for one in questions]
        tokens = len(text.split()) + sum(len(str(one).split()) for one in questions)
        reply: dict[str, Any] = {"model": call.body["model"]}
        if openai:
            reply |= {"answers": answers}
            usage = {
                "input_tokens": tokens, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": tokens,
            }  # fmt: skip
        else:
            named = zip(questions, answers, strict=True)
            reply |= {"answers": {one["name"]: said for one, said in named if said is not None}}
            usage = {"input_tokens": tokens, "output_tokens": 0}
        if self.label_mass is not None:
            noted = {"label_mass": self.label_mass, "argmax_is_label": self.label_mass > 0.5}
            reply["diagnostics"] = {one["name"]: noted for one in questions}
        if self.usage:
            reply["usage"] = usage
        return self.tamper(reply)

    def _enter(self, payload: dict[str, Any]) -> None:
        self.ledger.answered += 1
        self.ledger.tokens_in += payload.get("usage", {}).get("input_tokens", 0)


def _only(fields: dict[str, Any], allowed: set[str]) -> None:
    if unknown := set(fields) - allowed:
        raise ValueError(f"unknown field {min(unknown)!r}")


def _read(body: dict[str, Any], most: int) -> tuple[str, list[dict[str, Any]]]:
    if "input" in body:
        _only(body, {"model", "input", "questions", "safety_identifier", "prompt_cache_key"})
        questions = [_openai(one) for one in body["questions"]]
        text = body["input"]
        if not isinstance(text, str):
            text = "\n\n".join(part["text"] for turn in text for part in turn["content"])
    else:
        _only(body, {"model", "state", "questions"})
        questions = [_systemone(name, one) for name, one in body["questions"].items()]
        text = body["state"]
    if not 1 <= len(questions) <= most:
        raise ValueError(f"at most {most} questions, got {len(questions)}")
    return text, questions


def _openai(one: dict[str, Any]) -> dict[str, Any]:
    kind = one["type"]
    if kind == "predicate":
        _only(one, {"type", "name", "instructions"})
        options: list[str] = ["true", "false"]
    else:
        field, key = ("choices", "value") if kind == "choice" else ("levels", "label")
        _only(one, {"type", "name", "instructions", field})
        for option in one[field]:
            _only(option, {key, "description"})
        options = [option[key] for option in one[field]]
        if not 2 <= len(options) <= (255 if kind == "choice" else 10):
            raise ValueError(f"{len(options)} options of a {kind}")
    if not isinstance(one["instructions"], str):
        raise TypeError("instructions must be text")
    return {**one, "options": options}


def _systemone(name: str, one: dict[str, Any]) -> dict[str, Any]:
    _only(one, {"type", "instructions", "criteria"})
    kind, criteria = one["type"], one.get("criteria")
    if kind == "noul":
        options = ["true", "false"]
        if criteria is not None:
            _only(criteria, set(options))
    elif kind == "choice":
        options = list(criteria or {})
    elif kind == "score":
        options = [str(level) for level in criteria or []]
    else:
        raise ValueError(f"type {kind!r}")
    if not options:
        raise ValueError("criteria are missing")
    return {**one, "name": name, "options": options}


def _answer(
    one: dict[str, Any], given: Sequence[float] | None, *, openai: bool
) -> dict[str, Any] | None:
    if given is None:
        return {"type": "refusal", "name": one.get("name")} if openai else None
    assert math.isclose(sum(given), 1.0, abs_tol=0.02)
    kind, options = one["type"], one["options"]
    head = {"type": kind, "name": one.get("name")} if openai else {"type": kind}
    if kind in {"predicate", "noul"}:
        return head | {("probability" if openai else "noul"): given[0]}
    top = max(range(len(given)), key=lambda i: given[i])
    score = sum(i * value for i, value in enumerate(given))
    # As servers do it, each by a formula of its own: nobody may rely on it.
    head["confidence"] = 0.123
    if kind == "choice":
        head["choice"] = options[top]
        named = dict(zip(options, given, strict=True))
        return head | {
            "probabilities": [{"value": k, "probability": v} for k, v in named.items()]
            if openai
            else named
        }
    head["score"] = score
    if openai:
        return head | {
            "probabilities": [
                {"value": i, "label": options[i], "probability": value}
                for i, value in enumerate(given)
            ]
        }
    numbered = {str(i): value for i, value in enumerate(given)}
    return head | {"probabilities": numbered, "legend": {str(i): o for i, o in enumerate(options)}}
