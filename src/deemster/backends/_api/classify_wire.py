"""The wire formats of servers that classify texts: what is sent, and how answers are read.

vLLM has `/classify`, `/pooling` and `/score`, Text Embeddings Inference (TEI) `/predict`. All are
asked for raw outputs (logits), one text a request.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from deemster.errors import BackendError
from deemster.schemas import Conversation

Scheme = Literal["vllm-classify", "vllm-pooling", "vllm-score", "tei-predict"]
Layout = Literal["chat", "text", "pair"]
"""What is sent of a query and a response: the turns, for the server's chat template; one text; or
two, which the server puts together."""
_NUMBERED = re.compile(r"LABEL_(\d+)")
"""Names of outputs that nobody named."""


@dataclass(frozen=True)
class Wire:
    """One endpoint."""

    path: str
    layouts: tuple[Layout, ...]
    """The ones it takes, the usual one first."""


WIRES: Mapping[str, Wire] = {
    "vllm-classify": Wire("/classify", ("chat", "text")),
    "vllm-pooling": Wire("/pooling", ("chat", "text")),
    "vllm-score": Wire("/score", ("pair",)),
    "tei-predict": Wire("/predict", ("text", "pair")),
}
"""By the scheme of model strings."""


@dataclass(frozen=True)
class Pair:
    """Two texts that are read together."""

    first: str
    second: str


Passage = Conversation | str | Pair
"""What is classified: a chat that ends with the response, one text, or two."""


@dataclass(frozen=True)
class Outputs:
    """What a server said about one text."""

    values: tuple[float, ...]
    labels: tuple[str, ...] | None = None
    """Their names; None: the server does not say."""
    ordered: bool = True
    """Whether they come in the model's order."""


def request_body(scheme: Scheme, passage: Passage) -> dict[str, Any]:
    """The body of a request, without the model.

    Raises:
        BackendError: there are images.
    """
    if scheme == "tei-predict":
        inputs = [[passage.first, passage.second]] if isinstance(passage, Pair) else passage
        return {"inputs": inputs, "raw_scores": True, "truncate": False}
    if isinstance(passage, Pair):
        return {"text_1": passage.first, "text_2": passage.second, "use_activation": False}
    if isinstance(passage, str):
        return {"input": passage, "use_activation": False}
    if any(message.images for message in passage):
        raise BackendError("classifiers are asked about text only, but there are images")
    turns = [{"role": message.role, "content": message.text} for message in passage]
    return {"messages": turns, "add_generation_prompt": False, "use_activation": False}


def read_reply(scheme: Scheme, reply: object) -> Outputs:
    """The outputs for the one text of a request.

    Raises:
        BackendError: the answer is not in the format, or has a number that is not finite.
    """
    if scheme == "tei-predict":
        return _predictions(reply)
    data = reply.get("data") if isinstance(reply, Mapping) else None
    if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], Mapping):
        got = f"{len(data)} results" if isinstance(data, list) else "no 'data'"
        raise _malformed(f"it has {got} for one text", reply)
    found = cast("Mapping[str, object]", data[0])
    if scheme == "vllm-classify":
        values = _numbers(found.get("probs"), reply)
        if found.get("num_classes", len(values)) != len(values):
            raise _malformed("the number of outputs is not num_classes", reply)
        return Outputs(values)
    if scheme == "vllm-score":
        return Outputs(_numbers([found.get("score")], reply))
    rows = found.get("data")
    if isinstance(rows, list) and rows and isinstance(rows[-1], list):
        rows = rows[-1]  # a reward for every token: the last one is the text's
    return Outputs(_numbers(rows, reply))


def _predictions(reply: object) -> Outputs:
    """TEI's, which come sorted by size: only their names tell which is which."""
    rows = reply
    if isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], list):
        rows = rows[0]  # a batch of one, as pairs are sent
    if not isinstance(rows, list) or not rows or not all(isinstance(r, Mapping) for r in rows):
        raise _malformed("it is not a list of predictions for one text", reply)
    labels = [row.get("label") for row in rows]
    if not all(isinstance(label, str) for label in labels) or len(set(labels)) < len(labels):
        raise _malformed("its labels are not different texts", reply)
    values = _numbers([row.get("score") for row in rows], reply)
    numbers = [found[1] for label in labels if (found := _NUMBERED.fullmatch(label))]
    if sorted(map(int, numbers)) == list(range(len(rows))):
        at = sorted(range(len(rows)), key=lambda i: int(numbers[i]))
        return Outputs(tuple(values[i] for i in at), tuple(labels[i] for i in at))
    return Outputs(values, tuple(labels), ordered=len(values) == 1)


def _numbers(given: object, reply: object) -> tuple[float, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise _malformed("it has no outputs", reply)
    for value in given:
        # JSON readers take NaN and Infinity, which some servers write.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _malformed(f"an output is {value!r}", reply)
        if not math.isfinite(value):
            raise _malformed(f"an output is {value!r}, not a finite number", reply)
    return tuple(map(float, given))


def _malformed(why: str, reply: object) -> BackendError:
    shown = json.dumps(reply, ensure_ascii=False, default=str)[:200]
    return BackendError(f"the server's answer cannot be used: {why}: {shown}")
