"""Process rewards: a response judged step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from deemster.judges.case import Case
from deemster.judges.matches import ask_judge
from deemster.judges.scaling import per_vote
from deemster.judges.scorer import Scorer
from deemster.judges.settings import whole_number
from deemster.judges.together import together
from deemster.principles import PrinciplesLike
from deemster.prompts import builtin_template
from deemster.schemas import (
    Conversation,
    Finite,
    Message,
    QueryLike,
    Record,
    ReferenceLike,
    ResponseLike,
    Usage,
    Verdict,
)


class StepRewards(Record):
    """Rewards of the steps of one response."""

    rewards: tuple[Finite | None, ...]
    """One per step, on the scale of one vote of the judge; None where it gave none."""
    verdicts: tuple[Verdict | None, ...]
    """One per step; None where the judge raised an error, which `messages` tells."""
    messages: tuple[str, ...]
    """Why a step has no reward; empty where it has one."""
    usage: Usage

    @property
    def lowest(self) -> float | None:
        """The reward of the weakest step; None if one is unknown: it might be the weakest."""
        known = [reward for reward in self.rewards if reward is not None]
        return min(known) if len(known) == len(self.rewards) else None

    def first_below(self, threshold: float) -> int | None:
        """The first step with a reward below a threshold; None if none is known to be."""
        for step, reward in enumerate(self.rewards):
            if reward is not None and reward < threshold:
                return step
        return None


async def score_steps(
    judge: Scorer,
    query: QueryLike,
    steps: Sequence[ResponseLike],
    *,
    reference: ReferenceLike | None = None,
    principles: PrinciplesLike | None = None,
    in_flight: int = 16,
) -> StepRewards:
    """Process rewards: judge every step of a response, given the steps before it.

    Each step is the single response to a conversation that ends with the steps before it and a
    request for the next one, so any judge of single responses can do it: one call per step.

    Args:
        judge: anything with `score`.
        query: what the response answers.
        steps: its parts in order, none blank.
        reference: shown to the judge.
        principles: for the judge.
        in_flight: steps judged at a time.

    Raises:
        InputError: the input cannot be judged.
    """
    case = Case.of(query, steps, reference=reference, principles=principles)
    gate = asyncio.Semaphore(whole_number("in_flight", in_flight, 1, 10_000))

    async def ask(step: int) -> Verdict | str:
        async with gate:
            before = _up_to(case.query, case.responses, step)
            return await ask_judge(
                judge, replace(case, query=before, responses=(case.responses[step],))
            )

    found = await together(ask(step) for step in range(case.n))
    verdicts = tuple(one if isinstance(one, Verdict) else None for one in found)
    rewards = [None if one is None else per_vote(one) for one in verdicts]
    return StepRewards(
        rewards=tuple(None if reward is None else reward[0] for reward in rewards),
        verdicts=verdicts,
        messages=tuple(map(_why_not, found)),
        usage=Usage.total(verdict.usage for verdict in verdicts if verdict is not None),
    )


def _up_to(query: Conversation, steps: Conversation, step: int) -> Conversation:
    """The query, the steps before `step`, and a request for that one."""
    before = "\n\n".join(part.text for part in steps[:step])
    (request,) = builtin_template("step", ()).render({"first": step == 0})
    request = request.model_copy(update={"content": request.text.strip()})
    if step == 0:
        return (*query, request)
    return (*query, Message(role="assistant", content=before), request)


def _why_not(found: Verdict | str) -> str:
    if isinstance(found, str):
        return found
    if found.rewards is not None:
        return ""
    return found.failures[0].message if found.failures else "too few valid votes"
