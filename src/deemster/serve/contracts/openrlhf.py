"""OpenRLHF's remote reward model: `--reward.remote_url http://HOST:PORT/get_reward`.

The client posts one rollout a request, waits 180 s, tries 5 times, and then trains without that
rollout's reward: a judge without a verdict is therefore an error here, never a number.
"""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from deemster.judges.case import Case
from deemster.judges.together import together
from deemster.schemas import Conversation, Verdict
from deemster.serve.contracts.asking import ByUrl, TheDesk, group_rewards, rollout_reward
from deemster.serve.contracts.chat_text import answer_after, read_chat_text, split_chat_text
from deemster.serve.http_errors import ERRORS

router = APIRouter(responses=ERRORS, tags=["trainers"])
_MOST = 1_000


class RewardRequest(BaseModel):
    """Rollouts, one per place of the lists."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    query: Annotated[tuple[str, ...], Field(min_length=1, max_length=_MOST)]
    """Prompt and answer together, as the tokenizer decodes them."""
    prompts: tuple[str, ...] | None = None
    """The prompts alone."""
    labels: tuple[JsonValue, ...] | None = None
    """Gold answers, where the data has them: shown to the judge as references."""

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        for name in ("prompts", "labels"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.query):
                raise ValueError(f"{name} has {len(given)} entries for {len(self.query)} queries")
        return self

    def rollout(self, row: int) -> tuple[Conversation, str, str | None]:
        """Query, answer and reference of a row."""
        label = None if self.labels is None else self.labels[row]
        reference = label if isinstance(label, str) and label.strip() else None
        prompt = "" if self.prompts is None else self.prompts[row]
        answer = answer_after(prompt, self.query[row])
        if answer is not None:
            return read_chat_text(prompt), answer, reference
        return *split_chat_text(self.query[row]), reference


class RewardReply(BaseModel):
    """One number per rollout."""

    rewards: list[float]
    scores: list[float]
    """The same as the rewards."""
    extra_logs: dict[str, list[float]]
    """For the trainer's log: valid votes and failed ones, of each rollout's verdict."""


@router.post("/get_reward", operation_id="get_reward")
@router.post("/v1/rewards", operation_id="post_rewards")
async def rewards(
    asked: RewardRequest, request: Request, desk: TheDesk, chosen: ByUrl
) -> RewardReply:
    """Rewards of rollouts.

    Those of one request that share a prompt are judged together, all prompts at the same time. A
    request of one rollout waits for its group, if the server or the URL says how large groups are.
    """
    rows = [asked.rollout(row) for row in range(len(asked.query))]
    if len(rows) == 1:
        query, answer, reference = rows[0]
        case = Case.of(query, [answer], reference=reference)
        number, share = await rollout_reward(request, desk, chosen, case)
        return _reply([(number, share.verdict)])
    groups: dict[tuple[Conversation, str | None], list[int]] = {}
    for row, (query, _, reference) in enumerate(rows):
        groups.setdefault((query, reference), []).append(row)
    cases = [
        Case.of(query, [rows[row][1] for row in members], reference=reference)
        for (query, reference), members in groups.items()
    ]
    judged = await together(group_rewards(request, desk, chosen, case) for case in cases)
    found: dict[int, tuple[float, Verdict]] = {}
    for members, (numbers, verdict) in zip(groups.values(), judged, strict=True):
        for row, number in zip(members, numbers, strict=True):
            found[row] = number, verdict
    return _reply([found[row] for row in range(len(rows))])


def _reply(found: list[tuple[float, Verdict]]) -> RewardReply:
    numbers = [number for number, _ in found]
    verdicts = [verdict for _, verdict in found]
    logs = {
        "judge_valid_votes": [float(verdict.n_valid) for verdict in verdicts],
        "judge_failed_votes": [float(len(verdict.failures)) for verdict in verdicts],
    }
    return RewardReply(rewards=numbers, scores=numbers, extra_logs=logs)
