"""slime's remote reward model: `--rm-type remote_rm --rm-url http://HOST:PORT/remote_rm`.

The client posts one sample a request, waits 120 s, tries 10 times and then stops the rollout. The
reply is the reward itself, or an object of which `--reward-key` names the entry.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from deemster.judges.case import Case
from deemster.schemas import Message, as_query
from deemster.serve.contracts.asking import Chosen, TheDesk, rollout_reward
from deemster.serve.contracts.chat_text import bare_answer, read_chat_text
from deemster.serve.http_errors import ERRORS

router = APIRouter(responses=ERRORS, tags=["trainers"])


class SlimeRequest(BaseModel):
    """One sample of a rollout."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    prompt: str | Annotated[tuple[Message, ...], Field(min_length=1)]
    """What was asked: messages, or the text that a chat template made of them."""
    response: str
    label: JsonValue = None
    """The gold answer, where the data has one: shown to the judge as a reference."""


class SlimeChosen(Chosen):
    """What the URL may say."""

    detail: bool = Field(
        False, description="Reply with an object; start slime with --reward-key reward."
    )


class SlimeReward(BaseModel):
    """A reward with what is known of it."""

    reward: float
    confidence: float | None
    valid_votes: int
    votes: int


@router.post("/remote_rm")
async def remote_rm(
    asked: SlimeRequest,
    request: Request,
    desk: TheDesk,
    chosen: Annotated[SlimeChosen, Query()],
) -> float | SlimeReward:
    """The reward of one sample, judged with the others of its group if it has one."""
    query = read_chat_text(asked.prompt) if isinstance(asked.prompt, str) else asked.prompt
    reference = asked.label if isinstance(asked.label, str) and asked.label.strip() else None
    case = Case.of(as_query(query), [bare_answer(asked.response)], reference=reference)
    number, share = await rollout_reward(request, desk, chosen, case)
    if not chosen.detail:
        return number
    verdict = share.verdict
    return SlimeReward(
        reward=number,
        confidence=verdict.confidence,
        valid_votes=verdict.n_valid,
        votes=len(verdict.votes),
    )
