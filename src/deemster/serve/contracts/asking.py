"""What every route needs: the desk, which judge is meant, and how a request is judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.judges.case import Case
from deemster.schemas import Verdict
from deemster.serve.asked import JudgeName, Votes
from deemster.serve.cohort import Cohorts, Share
from deemster.serve.desk import Desk
from deemster.serve.http_errors import no_verdict_error
from deemster.serve.traffic import note


async def _desk(request: Request) -> Desk:
    # Async: FastAPI would run it in a thread, which costs more than the rest of the route.
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]
"""The server's desk."""


class Chosen(BaseModel):
    """What the URL of a reward server may say: a trainer's client posts a fixed body."""

    judge: JudgeName = Field(None, description="Which judge; the first if left out.")
    k: Votes = Field(None, description="Votes to draw; the judge's own number if left out.")
    group_size: Annotated[int | None, Field(ge=1, le=1024)] = Field(
        None, description="Rollouts of one prompt that are judged together; see --group-size."
    )
    group: Annotated[str | None, Field(min_length=1, max_length=200)] = Field(
        None, description="Name of the rollout's group; without it the same prompt is one group."
    )
    value: Literal["rewards", "scores"] = Field(
        "rewards",
        description="`rewards`: the judge's aggregate; `scores`: the mean on the judge's scale.",
    )


ByUrl = Annotated[Chosen, Query()]


async def judged(
    request: Request, desk: Desk, judge: BaseJudge, case: Case, *, seconds: float | None = None
) -> Verdict:
    """One verdict, within the limits of the server; it may have no rewards.

    Raises:
        HttpError: the queue is full, or the deadline passed.
        InputError: the case cannot be judged.
    """
    with desk.admitted():
        async with desk.within(seconds):
            verdict = await desk.verdict(judge, case)
    noted(request, desk, verdict, case)
    return verdict


async def group_rewards(
    request: Request, desk: Desk, chosen: Chosen, case: Case
) -> tuple[tuple[float, ...], Verdict]:
    """The rewards of responses that are all there, for clients that take nothing but numbers.

    Raises:
        HttpError: also if there are none.
    """
    verdict = await judged(request, desk, desk.judge(chosen.judge, chosen.k), case)
    return _numbers(verdict, chosen), verdict


async def rollout_reward(
    request: Request, desk: Desk, chosen: Chosen, case: Case
) -> tuple[float, Share]:
    """The reward of one rollout, judged with the others of its group if it has one.

    Raises:
        HttpError: also if there is none.
    """
    cohorts: Cohorts = request.app.state.cohorts
    judge = desk.judge(chosen.judge, chosen.k)
    size = chosen.group_size or desk.settings.group_size
    if size > desk.settings.max_responses:
        raise InputError(
            f"group_size {size}; this server judges {desk.settings.max_responses} responses at most"
        )
    with desk.admitted():
        async with desk.within():
            share = await cohorts.share(judge, case, size=size, group=chosen.group)
    noted(request, desk, share.verdict, case)
    return _numbers(share.verdict, chosen)[share.index], share


def _numbers(verdict: Verdict, chosen: Chosen) -> tuple[float, ...]:
    if verdict.rewards is None:
        raise no_verdict_error(verdict)
    numbers = verdict.rewards if chosen.value == "rewards" else verdict.scores
    if numbers is None:
        raise InputError(
            f"judge {verdict.judge.name!r} has no scores on one scale; use value=rewards"
        )
    return numbers


def noted(request: Request, desk: Desk, verdict: Verdict, case: Case) -> None:
    """Add a verdict to the request's line in the log; its texts only if they are asked for."""
    state: dict[str, Any] = request.scope["state"]
    note(
        state,
        judge=verdict.judge.name,
        responses=len(verdict.rewards or case.responses),
        votes=verdict.k,
        valid=verdict.n_valid,
        tokens=verdict.usage.tokens_in + verdict.usage.tokens_out,
    )
    if desk.settings.log_texts:
        note(
            state,
            query=[f"{turn.role}: {turn.text}" for turn in case.query],
            texts=[response.text for response in case.responses],
            rewards=verdict.rewards,
        )
