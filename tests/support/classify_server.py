"""A strict server of classifiers on loopback: vLLM's `/classify`, `/pooling`, `/score`, TEI's
`/predict`. Written from their wire formats: unknown fields and wrong types are a 400.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

from deemster.testing import Call, OpenAIServer, Raw

Outputs = Callable[[str], Sequence[float]]
"""From a text (turns and pairs are joined by lines) to its raw outputs."""
_COMMON = {"model", "user", "truncate_prompt_tokens", "priority"}
_CHAT = {"messages", "add_generation_prompt", "add_special_tokens", "chat_template"}
_FIELDS: dict[str, set[str]] = {
    "classify": _COMMON | _CHAT | {"input", "use_activation"},
    "pooling": _COMMON | _CHAT | {"input", "use_activation", "task", "encoding_format"},
    "score": _COMMON | {"text_1", "text_2", "use_activation"},
    "predict": {"inputs", "raw_scores", "truncate", "truncation_direction"},
}


def length(text: str) -> Sequence[float]:
    """One output: tenths of the text's length."""
    return [len(text) / 10]


class ClassifyServer(OpenAIServer):
    """`with ClassifyServer(outputs) as server:`; faults and ledger are `OpenAIServer`'s.

    Args:
        outputs: what the model gives.
        labels: their names, for TEI.
        per_token: `/pooling` gives a row for every token, as reward models with a value head do.
        tamper: changes an answer before it is sent.
        options: of `OpenAIServer`.
    """

    paths = ("classify", "pooling", "score", "predict")

    def __init__(
        self,
        outputs: Outputs = length,
        *,
        labels: Sequence[str] | None = None,
        per_token: bool = False,
        tamper: Callable[[Any], Any] = lambda reply: reply,
        **options: Any,
    ) -> None:
        super().__init__(raw=self._refuse, **options)
        self.outputs = outputs
        self.labels = labels
        self.per_token = per_token
        self.tamper = tamper

    @property
    def root(self) -> str:
        """The URL without `/v1`."""
        return self.url.removesuffix("/v1")

    def texts(self) -> list[str]:
        """What was read so far."""
        return [_text(call)[1] for call in self.ledger.calls]

    def _refuse(self, call: Call) -> Raw | None:
        try:
            _text(call)
        except (ValueError, KeyError, TypeError) as error:
            return Raw({"error": {"message": f"invalid request: {error}"}}, status=400)
        return None

    def _payload(self, call: Call) -> Any:
        kind, text = _text(call)
        values = list(self.outputs(text))
        tokens = len(text.split())
        if kind == "predict":
            names = self.labels or [f"LABEL_{i}" for i in range(len(values))]
            rows: list[dict[str, Any]] = [
                {"label": n, "score": v} for n, v in zip(names, values, strict=True)
            ]
            rows.sort(key=lambda row: -float(row["score"]))  # as TEI does
            batch = isinstance(call.body["inputs"], list) and isinstance(
                call.body["inputs"][0], list
            )
            return self.tamper([rows] if batch else rows)
        found: dict[str, Any] = {"index": 0}
        if kind == "classify":
            found |= {"label": "LABEL_0", "probs": values, "num_classes": len(values)}
        elif kind == "score":
            found |= {"object": "score", "score": values[0]}
        else:
            rows_ = [*[[0.123] * len(values)] * (tokens - 1), values]
            found |= {"object": "pooling", "data": rows_ if self.per_token else values}
        reply = {"object": "list", "model": call.body.get("model", "rm"), "data": [found]}
        if self.usage:
            reply["usage"] = {
                "prompt_tokens": tokens,
                "total_tokens": tokens,
                "completion_tokens": 0,
            }
        return self.tamper(reply)

    def _enter(self, payload: Any) -> None:
        self.ledger.answered += 1
        usage = payload.get("usage") if isinstance(payload, dict) else None
        self.ledger.tokens_in += (usage or {}).get("prompt_tokens", 0)


def _text(call: Call) -> tuple[Literal["classify", "pooling", "score", "predict"], str]:
    """The endpoint, and the text it was asked about."""
    kind: Any = call.url.rpartition("/")[2]
    body = call.body
    if unknown := set(body) - _FIELDS[kind]:
        raise ValueError(f"unknown field {min(unknown)!r}")
    if kind == "predict":
        inputs = body["inputs"]
        if body.get("raw_scores") is not True:
            raise ValueError("raw_scores is not true")
        if isinstance(inputs, list):
            (inputs,) = inputs
            return kind, "\n".join(inputs)
        return kind, _checked(inputs)
    if body.get("use_activation") is not False:
        raise ValueError("use_activation is not false")
    if kind == "score":
        return kind, f"{_checked(body['text_1'])}\n{_checked(body['text_2'])}"
    if "input" in body:
        return kind, _checked(body["input"])
    turns = body["messages"]
    if not turns or turns[-1]["role"] != "assistant":
        raise ValueError("the last turn is not the assistant's")
    return kind, "\n".join(f"{turn['role']}: {_checked(turn['content'])}" for turn in turns)


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text, not {json.dumps(text)[:40]}")
    return text
