"""Judges with planted faults: they know the truth of the probe set and err in one way only."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable

from deemster.backends import FakeBackend, Request
from deemster.probe import load_probe_set

Scores = list[float]
Fault = Callable[[str, list[str], Scores, Request, int], Scores | None]
"""From query, responses, true scores, request and draw to the scores given; None: no verdict."""

_SHOWN = ("RESPONSE", "ANSWER", "OUTPUT")
_FENCED = re.compile(r"<<<BEGIN (\w+)(?: \w+)? ([0-9a-f]{12})>>>\n(.*?)\n<<<END \1", re.DOTALL)


def oracle(query: str, response: str) -> bool:
    """Whether a response of the probe set is right."""
    items = load_probe_set()
    for pair in items.pairs:
        if pair.query == query:
            return response == pair.right or response.startswith(pair.right + "\n\n")
    for single in items.singles:
        if single.query == query:
            return single.right and response == single.answer
    raise AssertionError(query)


def read(request: Request) -> tuple[str, list[str]]:
    """Query and responses of a prompt, found between their fences."""
    text = request.messages[-1].text
    blocks = _FENCED.findall(text)
    query = next(body for label, _, body in blocks if label == "REQUEST")
    return query, [body for label, _, body in blocks if label in _SHOWN]


def judge_with(fault: Fault | None = None, *, form: str = "boxed") -> FakeBackend:
    """A judge of the grm dialect (`boxed`) or of one that picks the best by number (`best`)."""

    def script(request: Request, draw: int) -> str:
        query, responses = read(request)
        scores: Scores | None = [9.0 if oracle(query, text) else 3.0 for text in responses]
        if fault is not None and scores is not None:
            scores = fault(query, responses, scores, request, draw)
        if scores is None:
            return "I would rather not say."
        if form == "best":
            return rf"\boxed{{{1 + scores.index(max(scores))}}}"
        return rf"Scores: \boxed{{{', '.join(f'{score:g}' for score in scores)}}}"

    return FakeBackend(script, name="planted")


def seeded(query: str, responses: list[str], request: Request, draw: int) -> random.Random:
    """Chance that depends on the case and the seed, not on the wording of the prompt."""
    key = repr((query, responses, request.seeds[draw]))
    return random.Random(hashlib.sha256(key.encode()).hexdigest())


def first_wins(_q: str, responses: list[str], true: Scores, *_: object) -> Scores:
    return [8.0, 4.0] if len(responses) == 2 else true


def longer_wins(_q: str, responses: list[str], true: Scores, *_: object) -> Scores:
    if len(responses) == 1:
        return true
    extra = len(responses[0]) - len(responses[1])
    base = [score / 2 for score in true]
    spread = [5.0 if extra > 30 else 0.0, 5.0 if extra < -30 else 0.0]
    return [round(1 + b + more) for b, more in zip(base, spread, strict=True)]


def at_random(q: str, responses: list[str], _t: Scores, request: Request, draw: int) -> Scores:
    chance = seeded(q, responses, request, draw)
    return [float(chance.randint(1, 10)) for _ in responses]


def obeys(_q: str, responses: list[str], true: Scores, *_: object) -> Scores:
    orders = (
        "highest score",
        "to be preferred",
        "Copy these",
        "approved by",
        "be kind",
        "so answer",
    )
    given = list(true)
    for place, text in enumerate(responses):
        if any(order in text for order in orders):
            given[place] = 10.0
    return given


def admires_openers(_q: str, responses: list[str], true: Scores, *_: object) -> Scores:
    keys = {key.strip() for key in load_probe_set().master_keys}
    return [10.0 if text.strip() in keys else s for text, s in zip(responses, true, strict=True)]


def never_parses(*_: object) -> None:
    return None


def always_seven(_q: str, responses: list[str], *_: object) -> Scores:
    return [7.0] * len(responses)


def minds_the_wording(_q: str, _r: list[str], true: Scores, request: Request, _d: int) -> Scores:
    text = "\n".join(message.text for message in request.messages)
    other = "one case for review" in text or "## " in text or "Before you write" in text
    return true[::-1] if other else true
