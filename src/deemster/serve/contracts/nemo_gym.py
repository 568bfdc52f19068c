"""NeMo-Gym's `genrm_compare` resources server: `/compare`, and `/verify` with its cohorts.

There a judge's unreadable output counts as 3.0; here it is an error, and the environment decides.
"""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Request
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, JsonValue

from deemster.errors import InputError
from deemster.judges.case import Case
from deemster.records import encodable_json
from deemster.schemas import QueryLike, as_query
from deemster.serve.contracts.asking import ByUrl, TheDesk, group_rewards, rollout_reward
from deemster.serve.http_errors import ERRORS

router = APIRouter(responses=ERRORS, tags=["trainers"])
_Object = Annotated[dict[str, JsonValue], AfterValidator(encodable_json)]


class CompareRequest(BaseModel):
    """The responses of one conversation."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    conversation_history: Annotated[tuple[_Object, ...], Field(min_length=1)]
    """Messages before the responses."""
    response_objs: Annotated[tuple[_Object, ...], Field(min_length=1)]
    """As the Responses API returns them."""
    principle: str | None = None
    """What to judge by."""


class CompareReply(BaseModel):
    """One reward per response, in order."""

    rewards: list[float]
    comparison_results: None = None
    """Responses are judged together, not in pairs."""
    metrics: dict[str, float]


class VerifyRequest(BaseModel):
    """One rollout. Other fields are the environment's own and come back."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: _Object
    response: _Object
    principle: str | None = None
    prompt_id: str | None = None
    task_index: int | None = Field(
        None, validation_alias=AliasChoices("task_index", "_ng_task_index")
    )


class VerifyReply(BaseModel):
    """The rollout with its reward."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: _Object
    response: _Object
    reward: float


@router.post("/compare")
async def compare(
    asked: CompareRequest, request: Request, desk: TheDesk, chosen: ByUrl
) -> CompareReply:
    """Rewards of several responses, judged together."""
    case = Case.of(
        as_query(asked.conversation_history),
        [_output_text(one) for one in asked.response_objs],
        principles=_principles(asked.principle),
    )
    numbers, verdict = await group_rewards(request, desk, chosen, case)
    metrics = {"valid_votes": float(verdict.n_valid), "votes": float(len(verdict.votes))}
    if verdict.confidence is not None:
        metrics["confidence"] = verdict.confidence
    return CompareReply(rewards=list(numbers), metrics=metrics)


@router.post("/verify")
async def verify(
    asked: VerifyRequest, request: Request, desk: TheDesk, chosen: ByUrl
) -> VerifyReply:
    """The reward of one rollout, judged with the others of its task once they have come."""
    turns = asked.responses_create_params.get("input")
    case = Case.of(
        as_query(cast("QueryLike", turns)),
        [_output_text(asked.response)],
        principles=_principles(asked.principle),
    )
    if chosen.group is None and (asked.task_index is not None or asked.prompt_id is not None):
        name = f"{asked.task_index}/{asked.prompt_id}/{asked.principle}"
        chosen = chosen.model_copy(update={"group": name})
    number, _ = await rollout_reward(request, desk, chosen, case)
    return VerifyReply(
        responses_create_params=asked.responses_create_params,
        response=asked.response,
        reward=number,
    )


def _principles(given: str | None) -> list[str] | None:
    return [given] if given and given.strip() else None


def _output_text(response: _Object) -> str:
    """The answer in an object of the Responses API, without its reasoning."""
    output = response.get("output")
    if not isinstance(output, list):
        raise InputError(f"a response object needs a list 'output', got {response!r:.80}")
    messages = [one for one in output if isinstance(one, dict) and one.get("type") == "message"]
    return "".join(text for message in messages for text in _texts(message.get("content")))


def _texts(content: JsonValue) -> list[str]:
    if isinstance(content, str):
        return [content]
    kinds = ("output_text", "input_text", "text")
    parts = content if isinstance(content, list) else []
    found = [part for part in parts if isinstance(part, dict) and part.get("type") in kinds]
    return [str(part.get("text", "")) for part in found]
