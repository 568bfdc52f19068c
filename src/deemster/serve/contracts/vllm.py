"""vLLM's shapes for reward models: `/classify` and `/score`; SGLang's `/v1/embeddings`.

verl's reward router is one of these (`reward.reward_model.rollout.name` vllm or sglang): it posts
one completion a call, written out by the chat template, and takes the last number of the reply. It
does not repeat what is refused with 4xx, repeats 5xx 16 times, and then the step fails.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from deemster.errors import InputError
from deemster.judges.case import Case
from deemster.judges.together import together
from deemster.schemas import Message, Usage, Verdict, as_query
from deemster.serve.contracts.asking import ByUrl, Chosen, TheDesk, group_rewards, rollout_reward
from deemster.serve.contracts.chat_text import split_chat_text
from deemster.serve.desk import Desk
from deemster.serve.http_errors import ERRORS

router = APIRouter(responses=ERRORS, tags=["trainers"])
_MOST = 1_000
_Texts = str | Annotated[tuple[str, ...], Field(min_length=1, max_length=_MOST)]


class PoolingRequest(BaseModel):
    """Conversations that end with the answer to be judged. Other fields of vLLM are not used."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    model: str | None = None
    """Not looked at; the URL names the judge."""
    input: _Texts | None = None
    """Written out by a chat template, one or several."""
    messages: Annotated[tuple[Message, ...], Field(min_length=2)] | None = None
    """Or one conversation as messages."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.input is None) == (self.messages is None):
            raise ValueError("give one of input and messages")
        return self

    def cases(self) -> list[Case]:
        """Each with one response."""
        if self.messages is not None:
            return [Case.of(as_query(self.messages[:-1]), [self.messages[-1]])]
        texts = [self.input] if isinstance(self.input, str) else list(self.input or ())
        parts = [split_chat_text(text) for text in texts]
        return [Case.of(query, [answer]) for query, answer in parts]


class ScoreRequest(BaseModel):
    """One query and its answers, or as many queries as answers."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    model: str | None = None
    """Not looked at; the URL names the judge."""
    queries: Annotated[_Texts, Field(validation_alias=AliasChoices("queries", "text_1", "data_1"))]
    documents: Annotated[
        _Texts, Field(validation_alias=AliasChoices("documents", "text_2", "data_2", "items"))
    ]


class TokenUsage(BaseModel):
    """Tokens of the judge's model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ClassifyItem(BaseModel):
    """The reward, as the only class of a classifier without an activation."""

    index: int
    label: str = "reward"
    probs: tuple[float]
    num_classes: Literal[1] = 1


class ScoreItem(BaseModel):
    """The reward of one answer."""

    index: int
    object: Literal["score"] = "score"
    score: float


class EmbeddingItem(BaseModel):
    """The reward, as an embedding of one number."""

    index: int
    object: Literal["embedding"] = "embedding"
    embedding: tuple[float]


class _Reply(BaseModel):
    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    usage: TokenUsage


class ClassifyReply(_Reply):
    """vLLM's reply to `/classify`."""

    data: tuple[ClassifyItem, ...]


class ScoreReply(_Reply):
    """vLLM's reply to `/score`."""

    data: tuple[ScoreItem, ...]


class EmbeddingReply(_Reply):
    """SGLang's reply to `/v1/embeddings` of a reward model."""

    data: tuple[EmbeddingItem, ...]


@router.post("/classify")
async def classify(
    asked: PoolingRequest, request: Request, desk: TheDesk, chosen: ByUrl
) -> ClassifyReply:
    """The reward of each conversation's last turn, in `data[i].probs[-1]`."""
    numbers, verdicts = await _each(request, desk, chosen, asked.cases())
    items = tuple(ClassifyItem(index=i, probs=(one,)) for i, one in enumerate(numbers))
    return ClassifyReply(data=items, **_frame("classify", verdicts))


@router.post("/v1/embeddings")
async def embeddings(
    asked: PoolingRequest, request: Request, desk: TheDesk, chosen: ByUrl
) -> EmbeddingReply:
    """The reward of each conversation's last turn, in `data[i].embedding[-1]`."""
    numbers, verdicts = await _each(request, desk, chosen, asked.cases())
    items = tuple(EmbeddingItem(index=i, embedding=(one,)) for i, one in enumerate(numbers))
    return EmbeddingReply(data=items, **_frame("embd", verdicts))


@router.post("/score")
async def score(asked: ScoreRequest, request: Request, desk: TheDesk, chosen: ByUrl) -> ScoreReply:
    """Rewards of documents.

    One query: they are its responses and are judged together. As many queries as documents: each
    pair is judged by itself.
    """
    documents = [asked.documents] if isinstance(asked.documents, str) else list(asked.documents)
    if isinstance(asked.queries, str) or len(asked.queries) == 1:
        query = asked.queries if isinstance(asked.queries, str) else asked.queries[0]
        numbers, verdict = await group_rewards(request, desk, chosen, Case.of(query, documents))
        verdicts: Sequence[Verdict] = [verdict]
    else:
        if len(asked.queries) != len(documents):
            raise InputError(
                f"{len(asked.queries)} queries and {len(documents)} documents; give one query, or "
                "as many as documents"
            )
        cases = [
            Case.of(query, [document])
            for query, document in zip(asked.queries, documents, strict=True)
        ]
        alone = chosen.model_copy(update={"group_size": 1})
        numbers, verdicts = await _each(request, desk, alone, cases)
    items = tuple(ScoreItem(index=i, score=one) for i, one in enumerate(numbers))
    return ScoreReply(data=items, **_frame("score", verdicts))


async def _each(
    request: Request, desk: Desk, chosen: Chosen, cases: list[Case]
) -> tuple[tuple[float, ...], list[Verdict]]:
    found = await together(rollout_reward(request, desk, chosen, case) for case in cases)
    return tuple(number for number, _ in found), [share.verdict for _, share in found]


def _frame(kind: str, verdicts: Sequence[Verdict]) -> dict[str, object]:
    spent = Usage.total(verdict.usage for verdict in verdicts)
    return {
        "id": f"{kind}-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": verdicts[0].judge.name,
        "usage": TokenUsage(
            prompt_tokens=spent.tokens_in,
            completion_tokens=spent.tokens_out,
            total_tokens=spent.tokens_in + spent.tokens_out,
        ),
    }
