"""What a suite would take: requests, tokens and money, estimated without a call."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from deemster.backends import AsksApart, Priced
from deemster.backends.api import APIBackend
from deemster.judges import BaseJudge
from deemster.judges.case import Case
from deemster.judges.plan import Named, Planned
from deemster.schemas import Sample
from deemster.suites.building import build_judges
from deemster.suites.loading import Suite
from deemster.suites.vote_budget import check_vote_budget

CHARACTERS_PER_TOKEN = 4
"""English text in common tokenizers; other languages and code take more tokens."""


@dataclass(frozen=True)
class JudgePlan:
    """What one judge would take beyond what earlier judges have bought."""

    judge: str
    samples: int
    votes: int
    """All votes that it draws or, for judges made of others, that its members draw; at most the
    suite's `budget.votes`."""
    requests: int
    """Most requests that are sent for it: one per order shown, where the provider draws several
    completions per request. Draws that an earlier judge has bought are not sent again."""
    shared: int
    """Requests that an earlier judge of the suite has sent already."""
    tokens_in: int
    """Prompt tokens, counted once per request that is sent."""
    tokens_out: int
    """At most: every completion as long as `max_tokens` allows."""
    cost: float | None
    """US dollars at that length; None where the price is not known or nothing is paid."""
    draws: int = 0
    """Completions that those requests ask for."""


def plan_suite(suite: Suite, *, batch: bool = False) -> list[JudgePlan]:
    """A plan per judge, in order.

    All votes, all rounds of debates and all judges of cascades are counted: a run may take less.

    Args:
        suite: what would be run.
        batch: whether through batch APIs, at their prices.

    Raises:
        InputError: the suite is wrong.
    """
    judges = build_judges(suite.spec, folder=suite.path.parent, trust=suite.trust).judges
    bought: set[str] | None = set() if len(judges) > 1 else None
    # Read again for each judge: a suite may have more samples than memory.
    plans = [_plan(judge, suite.samples(), bought, batch=batch) for judge in judges]
    budget = suite.spec.budget
    if budget is None or budget.votes is None:
        return plans
    check_vote_budget(budget.votes, judges, suite.samples())
    return [_within(plan, budget.votes) for plan in plans]


def _within(plan: JudgePlan, votes: int) -> JudgePlan:
    """The plan with so many votes at most, each of them a request of its own at worst."""
    if votes >= plan.votes:
        return plan
    share = votes / plan.votes
    prompt = plan.tokens_in / max(plan.requests, 1)
    requests = min(math.ceil(plan.draws * share), plan.draws)
    return replace(
        plan,
        votes=votes,
        requests=requests,
        tokens_in=math.ceil(prompt * requests),
        tokens_out=math.ceil(plan.tokens_out * share),
        cost=None if plan.cost is None else plan.cost * max(share, requests / plan.requests),
    )


@dataclass
class _Count:
    votes: int = 0
    requests: int = 0
    draws: int = 0
    shared: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    priced: dict[int, tuple[Named, int, int]] = field(default_factory=dict)
    """By backend: tokens in and out."""

    def add(self, planned: Planned, bought: set[str] | None) -> None:
        request = planned.request
        self.votes += planned.votes
        missing = request.n
        if planned.known and bought is not None:
            name = planned.backend.name
            keys = {request.key(name, draw) for draw in range(request.n)} - bought
            bought |= keys
            missing = len(keys)
        if not missing:
            self.shared += 1
            return
        apart = planned.backend.apart(request) if isinstance(planned.backend, AsksApart) else ()
        length = sum(one.length for one in apart or (request,))
        tokens_in = math.ceil(length / CHARACTERS_PER_TOKEN) + planned.tokens_unknown
        # A decision is the same for every draw, and no text.
        writes = planned.writes and not request.questions
        tokens_out = missing * request.sampling.max_tokens if writes else 0
        self.requests += len(apart) or 1
        self.draws += missing
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        backend, before_in, before_out = self.priced.get(
            id(planned.backend), (planned.backend, 0, 0)
        )
        self.priced[id(backend)] = (backend, before_in + tokens_in, before_out + tokens_out)

    def cost(self, *, batch: bool) -> float | None:
        """What the backends that know their prices say; None if one does not."""
        costs = [
            backend.price(tokens_in, tokens_out, batch=batch)
            if isinstance(backend, APIBackend)
            else backend.price(tokens_in, tokens_out)
            if isinstance(backend, Priced)
            else None
            for backend, tokens_in, tokens_out in self.priced.values()
        ]
        known = [cost for cost in costs if cost is not None]
        return math.fsum(known) if costs and len(known) == len(costs) else None


def _plan(
    judge: BaseJudge, samples: Iterable[Sample], bought: set[str] | None, *, batch: bool
) -> JudgePlan:
    count, n = _Count(), 0
    for sample in samples:
        n += 1
        case = Case.of(
            sample.query,
            sample.responses,
            reference=sample.reference,
            principles=sample.principles or None,
        )
        for planned in judge.plan(case):
            count.add(planned, bought)
    return JudgePlan(
        judge=judge.name,
        samples=n,
        votes=count.votes,
        requests=count.requests,
        shared=count.shared,
        tokens_in=count.tokens_in,
        tokens_out=count.tokens_out,
        cost=count.cost(batch=batch),
        draws=count.draws,
    )
