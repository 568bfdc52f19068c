"""What a suite would take: requests, tokens and money, estimated without a call."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deemster.judges import BaseJudge, Debate, Judge, Panel
from deemster.schemas import Sample
from deemster.suites.building import build_judges
from deemster.suites.loading import Suite

CHARACTERS_PER_TOKEN = 4
"""English text in common tokenizers; other languages and code take more tokens."""


@dataclass(frozen=True)
class JudgePlan:
    """What one judge would take."""

    judge: str
    samples: int
    votes: int
    requests: int
    """One per order shown, where the provider draws several completions per request."""
    tokens_in: int
    """Prompt tokens, counted once per request."""
    tokens_out: int
    """At most: every completion as long as `max_tokens` allows."""
    cost: float | None
    """US dollars at that length; None where the price is not known or nothing is paid."""


def plan_suite(suite: Suite) -> list[JudgePlan]:
    """A plan per judge: panels are the sum of their members; debates too, as long as they can be.

    Raises:
        InputError: the suite is wrong.
    """
    samples = list(suite.samples())
    return [_plan(judge, samples) for judge in build_judges(suite.spec, folder=suite.path.parent)]


def _plan(judge: BaseJudge, samples: list[Sample]) -> JudgePlan:
    if isinstance(judge, Panel | Debate):
        members = judge.members if isinstance(judge, Panel) else judge.everyone_asked()
        parts = [_plan(one, samples) for one in members if isinstance(one, BaseJudge)]
        costs = [part.cost for part in parts]
        return JudgePlan(
            judge=judge.name,
            samples=len(samples),
            votes=sum(part.votes for part in parts),
            requests=sum(part.requests for part in parts),
            tokens_in=sum(part.tokens_in for part in parts),
            tokens_out=sum(part.tokens_out for part in parts),
            cost=None if None in costs else math.fsum(cost or 0.0 for cost in costs),
        )
    if not isinstance(judge, Judge):
        return JudgePlan(judge.info.name, len(samples), 0, 0, 0, 0, None)
    requests = tokens_in = 0
    for sample in samples:
        case = judge.case(sample.query, sample.responses, reference=sample.reference)
        asked = judge.requests(case)
        requests += len(asked)
        characters = sum(
            len(message.text) for request, _, _ in asked for message in request.messages
        )
        tokens_in += math.ceil(characters / CHARACTERS_PER_TOKEN)
    votes = judge.k * len(samples)
    tokens_out = votes * judge.sampling.max_tokens
    return JudgePlan(
        judge=judge.name,
        samples=len(samples),
        votes=votes,
        requests=requests,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=_cost(judge, tokens_in, tokens_out),
    )


def _cost(judge: Judge, tokens_in: int, tokens_out: int) -> float | None:
    """What a backend that knows its price says."""
    price = getattr(judge.backend, "price", None)
    if price is None:
        return None
    found: float | None = price(tokens_in, tokens_out)
    return found
