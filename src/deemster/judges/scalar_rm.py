"""Scalar reward models as judges: one forward pass per response, no words.

The field's standard baseline (Bradley-Terry models). `ClassifierJudge` is what it shares with
other judges whose verdict comes from a classifier's outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from deemster.aggregators import Mean
from deemster.errors import BackendError, InputError
from deemster.judges.base import BaseJudge
from deemster.judges.building import Site
from deemster.judges.case import Case
from deemster.judges.classifier import Classifier, Encode, Reading, usage_of
from deemster.judges.decide import decide
from deemster.judges.settings import whole_number
from deemster.judges.spec import JudgeSpec, Positive
from deemster.schemas import (
    Conversation,
    Failure,
    JudgeInfo,
    Judgment,
    Scale,
    Usage,
    Verdict,
    Vote,
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

    A reference and principles do nothing: such models were not trained with any. A response that
    the model cannot read (too long, images) makes the vote a `Failure`: without its reward the
    responses cannot be compared. Closing it frees the model; it may be used again.

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
        InputError: an argument is wrong. A model that cannot be loaded is reported at first use.
    """

    uses_principles = False
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
        self.seed = whole_number("seed", seed, 0, 2**63 - 1)
        self._classifier = self._own(
            Classifier(
                model.removeprefix("hf:"),
                what=self.kind,
                device=device,
                dtype=dtype,
                batch_size=batch_size,
                max_context=max_context,
            )
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

    async def _judge(self, case: Case) -> Verdict:
        self._check(case.n)
        vote: Vote
        try:
            readings = await self._classifier.read(self._encode(case.query, case.responses))
        except BackendError as error:
            vote = self._failure(str(error), case.n, error=type(error).__name__)
        else:
            vote = self._vote(readings, case.n)
        return decide([vote], n=case.n, k=1, reducer=Mean(), info=self.info)

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

    def _vote(self, readings: Sequence[Reading], n: int) -> Vote:
        usage = usage_of(readings)
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


class ClassifierSpec(JudgeSpec, ABC):
    """A trained reward model that gives numbers and no words."""

    model: Annotated[str, Field(min_length=1)]
    """`hf:` and a folder or a repository."""
    device: str | None = None
    """As torch names it; default: a GPU if there is one."""
    dtype: str | None = None
    """As torch names it; default: bfloat16 on a GPU, float32 on the CPU."""
    batch_size: Positive = 8
    """Texts that go through the model together."""
    max_context: Positive | None = None
    """Most tokens of one text; default: the model's."""

    def _label(self) -> str:
        return self.model

    def arguments(self, site: Site) -> dict[str, Any]:
        """Keyword arguments of the judge."""
        return {
            "model": site.model(self.model),
            "name": self.label,
            "seed": site.seed,
            "device": self.device,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "max_context": self.max_context,
        }


class ScalarSpec(ClassifierSpec):
    """A scalar reward model: each response by itself, one forward pass, the reward is its logit."""

    type: Literal["scalar"] = "scalar"

    def build(self, site: Site) -> ScalarRM:
        """See `JudgeSpec.build`."""
        return ScalarRM(**self.arguments(site))
