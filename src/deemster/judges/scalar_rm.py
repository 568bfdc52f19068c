"""Scalar reward models as judges: one forward pass per response, no words.

The field's standard baseline (Bradley-Terry models). `ClassifierJudge` is what it shares with
other judges whose verdict comes from a classifier's outputs.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from deemster.aggregators import Mean
from deemster.backends import Backend
from deemster.errors import BackendError, InputError
from deemster.judges.base import BaseJudge
from deemster.judges.classifier import Classifier, Encode, Reading
from deemster.judges.decide import decide
from deemster.judges.settings import whole
from deemster.schemas import (
    Conversation,
    Failure,
    JudgeInfo,
    Judgment,
    QueryLike,
    ResponseLike,
    Scale,
    Usage,
    Verdict,
    Vote,
    as_query,
    as_responses,
)


def chat_ids(
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    encoder: Any,  # noqa: ANN401 - as above
    turns: Conversation,
    template_args: Mapping[str, Any] | None = None,
) -> list[int]:
    """Ids of a conversation that ends with the response, by the model's chat template.

    A model without one sees `User: …` and `Assistant: …`, separated by empty lines. Text in the
    turns never becomes control tokens. Training and inference share this.

    Args:
        tokenizer: the model's.
        encoder: its `SafeEncoder`.
        turns: the query's turns and the response.
        template_args: further variables of the chat template.

    Raises:
        BackendError: there are images, or the template refuses the turns.
    """
    from deemster.backends._local.chat import Chat  # noqa: PLC0415 - local models only

    return Chat(tokenizer, encoder, template_args or {}).encode_whole(turns)


class ClassifierJudge(BaseJudge):
    """A judge whose one vote comes from the outputs of a local classifier. Deterministic.

    Args:
        model: `hf:` and a folder or a repository, with safetensors weights and one output.
        name: what records call this judge; default: the model string.
        seed: breaks ties.
        device: as torch names it; by default a GPU if there is one.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: texts that go through the model together.
        max_context: most tokens of one text; by default the model's. A longer one makes the
            sample unscored; nothing is cut.

    Raises:
        InputError: an argument is wrong. That the model cannot be loaded is told at first use.
    """

    kind: ClassVar[str]
    """What records and messages call this kind of judge."""

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        seed: int = 0,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
        max_context: int | None = None,
    ) -> None:
        if not model.startswith("hf:"):
            raise InputError(
                f"{self.kind} model {model!r} must be 'hf:FOLDER' or 'hf:OWNER/REPOSITORY'"
            )
        self.model = model
        self.name = name or model
        self.seed = whole("seed", seed, 0, 2**63 - 1)
        self._classifier = Classifier(
            model.removeprefix("hf:"),
            what=self.kind,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            max_context=max_context,
        )

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        return JudgeInfo(
            name=self.name,
            model=f"{self.kind}:{self.model}",
            seed=self.seed,
            aggregator=str(Mean()),
        )

    async def score(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,  # noqa: ARG002 - the model was not trained with any
        principles: Any = None,  # noqa: ANN401, ARG002 - as above
    ) -> Verdict:
        """Score the responses; see `BaseJudge.score`. `reference` and `principles` do nothing.

        A response that the model cannot read (too long, images) makes the vote a `Failure`:
        without its reward the responses cannot be compared.
        """
        asked, shown = as_query(query), as_responses(responses)
        self._check(len(shown))
        started = time.monotonic()
        vote: Vote
        try:
            readings = await self._classifier.read(self._encode(asked, shown))
        except BackendError as error:
            vote = self._failure(str(error), len(shown), error=type(error).__name__)
        else:
            vote = self._vote(readings, len(shown), seconds=time.monotonic() - started)
        return decide([vote], n=len(shown), k=1, reducer=Mean(), info=self.info)

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Nothing to wrap: it draws no completions."""

    async def aclose(self) -> None:
        """Release the model's memory. Idempotent; a closed judge may be used again."""
        await self._classifier.aclose()

    def _check(self, n: int) -> None:
        """Raise `InputError` if `n` responses cannot be judged."""

    @abstractmethod
    def _encode(self, query: Conversation, responses: Conversation) -> Encode:
        """What the model has to read about them."""

    @abstractmethod
    def _scores(self, logits: Sequence[float], n: int) -> tuple[float, ...]:
        """One score per response, from the model's outputs in the order of `_encode`."""

    def _scale(self, n: int) -> Scale | None:  # noqa: ARG002 - some scales depend on n
        return None

    def _said(self, logits: Sequence[float]) -> str:
        return " ".join(f"{logit:.6g}" for logit in logits)

    def _vote(self, readings: Sequence[Reading], n: int, *, seconds: float) -> Vote:
        usage = Usage(
            calls=len(readings), tokens_in=sum(one.tokens for one in readings), seconds=seconds
        )
        logits = [one.logit for one in readings if one.logit is not None]
        if len(logits) < len(readings):
            problem = next(one.problem for one in readings if one.logit is None)
            return self._failure(problem, n, usage=usage)
        return Judgment(
            scores=self._scores(logits, n),
            scale=self._scale(n),
            judge=self.name,
            order=tuple(range(n)),
            raw=self._said(logits),
            usage=usage,
        )

    def _failure(
        self, message: str, n: int, *, error: str = "", usage: Usage | None = None
    ) -> Vote:
        return Failure(
            status="api_error",
            message=message,
            error=error,
            judge=self.name,
            order=tuple(range(n)),
            usage=usage or Usage(),
        )


class ScalarRM(ClassifierJudge):
    """Scores each response by itself with a scalar reward model: the reward is its logit.

    Works with the models of `deemster.training.baselines.bradley_terry` and with any
    sequence-classification model that reads a chat and has one output. Rewards have no fixed
    range; differences are log-odds (Bradley-Terry). See `ClassifierJudge` for the arguments.
    """

    kind = "scalar-rm"

    def _encode(self, query: Conversation, responses: Conversation) -> Encode:
        return lambda tokenizer, encoder: [
            chat_ids(tokenizer, encoder, (*query, response)) for response in responses
        ]

    def _scores(self, logits: Sequence[float], n: int) -> tuple[float, ...]:  # noqa: ARG002
        return tuple(logits)
