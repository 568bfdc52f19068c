"""deemster's own routes: a sample in, a verdict out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import StreamingResponse

from deemster.errors import InputError
from deemster.judges.decide import unscored
from deemster.judges.together import together
from deemster.schemas import JudgeInfo, Verdict
from deemster.serve.asked import Asked, rubric_names
from deemster.serve.contracts.asking import TheDesk, judged, noted
from deemster.serve.http_errors import ERRORS
from deemster.serve.live import Progress
from deemster.serve.traffic import as_http_error

router = APIRouter(responses=ERRORS, tags=["verdicts"])
MAX_BATCH = 1_000


class Batch(BaseModel):
    """Samples to be judged at the same time."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    samples: Annotated[tuple[Asked, ...], Field(min_length=1, max_length=MAX_BATCH)]
    timeout: Annotated[float, Field(ge=1, le=86_400)] | None = None
    """Seconds for all of them; the samples' own are not looked at."""


class BatchReply(BaseModel):
    """One verdict per sample, in order. A sample that cannot be judged has failures only."""

    verdicts: tuple[Verdict, ...]


class JudgeEntry(BaseModel):
    """A judge that requests may name."""

    name: str
    fingerprint: str
    info: JudgeInfo


class JudgeList(BaseModel):
    """The judges of a server, the default first."""

    judges: tuple[JudgeEntry, ...]
    max_k: int
    """Most votes that a request may ask for."""
    max_responses: int
    rubrics: tuple[str, ...]
    """Names that `principles` may be."""


@router.post("/v1/score", response_model=Verdict)
async def score(asked: Asked, request: Request, desk: TheDesk) -> Response:
    """Judge 1..n responses to a query. A verdict without rewards says in its votes why."""
    judge = desk.judge(asked.judge, asked.k)
    verdict = await judged(request, desk, judge, asked.case(), seconds=asked.timeout)
    return Response(verdict.model_dump_json(), media_type="application/json")


@router.post("/v1/score/batch", response_model=BatchReply)
async def score_batch(batch: Batch, request: Request, desk: TheDesk) -> Response:
    """Judge several samples at once. One that cannot be judged does not harm the others."""

    async def one(asked: Asked) -> Verdict:
        judge = desk.judge(asked.judge, asked.k)
        try:
            case = asked.case()
        except InputError as error:
            return unscored(error, k=max(judge.info.k, 1), info=judge.info)
        verdict = await desk.verdict_or_failures(judge, case)
        noted(request, desk, verdict, case)
        return verdict

    with desk.admitted(len(batch.samples)):
        async with desk.within(batch.timeout):
            verdicts = await together(one(asked) for asked in batch.samples)
    reply = BatchReply(verdicts=tuple(verdicts))
    return Response(reply.model_dump_json(), media_type="application/json")


@router.post(
    "/v1/score/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def score_stream(asked: Asked, request: Request, desk: TheDesk) -> StreamingResponse:
    """The same as `/v1/score`, by server-sent events.

    `vote` for each vote, with the rewards so far; then `verdict`, or `error`.
    """
    judge = desk.judge(asked.judge, asked.k)
    case = asked.case()

    async def events() -> AsyncIterator[str]:
        verdict: Verdict | None = None
        try:
            with desk.admitted():
                async with desk.within(asked.timeout), aclosing(desk.live(judge, case)) as steps:
                    async for step in steps:
                        verdict = step.verdict
                        yield _event("vote", _so_far(step))
        except Exception as error:  # noqa: BLE001 - the reply has begun, so it is an event
            told = as_http_error(error, request.scope["state"]["request_id"])
            yield _event("error", {"type": told.kind, "message": str(told)})
        else:
            if verdict is not None:
                noted(request, desk, verdict, case)
                yield f"event: verdict\ndata: {verdict.model_dump_json()}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _so_far(step: Progress) -> dict[str, JsonValue]:
    verdict = step.verdict
    return {
        "vote": step.vote.model_dump(mode="json"),
        "rewards": None if verdict.rewards is None else list(verdict.rewards),
        "confidence": verdict.confidence,
        "best": verdict.best,
        "n_valid": verdict.n_valid,
        "votes": len(verdict.votes),
        "k": verdict.k,
    }


def _event(name: str, data: Mapping[str, JsonValue]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


@router.get("/v1/judges")
async def judges(desk: TheDesk) -> JudgeList:
    """Which judges there are, and what decides their verdicts."""
    return JudgeList(
        judges=tuple(
            JudgeEntry(name=name, fingerprint=judge.info.fingerprint, info=judge.info)
            for name, judge in desk.judges.items()
        ),
        max_k=desk.settings.max_k,
        max_responses=desk.settings.max_responses,
        rubrics=rubric_names(),
    )
