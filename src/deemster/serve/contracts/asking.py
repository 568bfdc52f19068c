"""What every route needs: the desk, which judge is meant, and how a request is judged."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from deemster.judges.base import BaseJudge
from deemster.judges.case import Case
from deemster.schemas import Verdict
from deemster.serve.desk import Desk
from deemster.serve.http_errors import no_verdict_error
from deemster.serve.traffic import note


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]
"""The server's desk."""
JudgeName = Annotated[str | None, Field(max_length=200)]
"""Name of a judge; see `GET /v1/judges`."""
Votes = Annotated[int | None, Field(ge=1, le=10_000)]


class Chosen(BaseModel):
    """What the URL of a trainer's reward server may say: its client posts a fixed body."""

    judge: JudgeName = None
    k: Votes = None


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


async def rewarded(request: Request, desk: Desk, judge: BaseJudge, case: Case) -> Verdict:
    """The same for clients that take nothing but numbers.

    Raises:
        HttpError: also if there are no rewards.
    """
    verdict = await judged(request, desk, judge, case)
    if not verdict.is_scored:
        raise no_verdict_error(verdict)
    return verdict


def noted(request: Request, desk: Desk, verdict: Verdict, case: Case) -> None:
    """Add a verdict to the request's line in the log; its texts only if they are asked for."""
    state: dict[str, Any] = request.scope["state"]
    note(
        state,
        judge=verdict.judge.name,
        responses=case.n,
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
