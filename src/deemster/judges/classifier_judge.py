"""What judges share whose verdict comes from a classifier's outputs: `ScalarRM`, `PairRM`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, JsonValue

from deemster.aggregators import Mean
from deemster.backends import CLASSIFY_SCHEMES
from deemster.errors import BackendError, InputError
from deemster.judges.base import BaseJudge
from deemster.judges.building import Site
from deemster.judges.case import Case
from deemster.judges.classifier import Classifier, Encode, Reading, usage_of
from deemster.judges.decide import decide
from deemster.judges.plan import Planned
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
from deemster.zoo import ZooEntry, find_model

if TYPE_CHECKING:
    from deemster.backends.classify import Layout, Passage
    from deemster.judges.remote_classifier import RemoteClassifier


def _check_known(known: ZooEntry | None, model: str, remote_code: str | None) -> None:
    """Raise `InputError` if a released model is known not to open."""
    if known is None or known.kind != "scalar" or known.opens == "hf":
        return
    if known.opens == "no" or remote_code is None:
        path = model.removeprefix("hf:")
        remedy = f"; give remote_code={path!r} to let it run" if known.opens != "no" else ""
        raise InputError(
            f"model {model!r} is {known.name}, which does not open: {known.opening}{remedy}"
        )


class ClassifierJudge(BaseJudge):
    """A judge whose one vote comes from the outputs of a classifier. Deterministic.

    A reference and principles do nothing: such models were not trained with any. A response that
    the model cannot read (too long, images) makes the vote a `Failure`: without its reward the
    responses cannot be compared. Closing it frees the model; it may be used again.

    Args:
        model: `hf:` and a folder or a repository with safetensors weights, or a classifier behind
            HTTP: `vllm-classify:URL`, `vllm-pooling:URL`, `vllm-score:URL`, `tei-predict:URL`.
        name: what records call this judge; default: the model string.
        seed: breaks ties.
        device: as torch names it; by default a GPU if there is one.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: texts that go through the model together.
        max_context: most tokens of one text; by default the model's. A longer one makes the
            sample unscored; nothing is cut.
        reduction: of a model with several outputs, how they become one number: an output's name
            or number, `NAME=WEIGHT,NAME=WEIGHT`, `mean`, or `expected`.
        remote_code: the path of `model` once more, which lets the code of that repository run.
        options: of a model behind HTTP, see `ClassifyService`.

    Raises:
        InputError: an argument is wrong. A model that cannot be loaded is reported at first use.
    """

    uses_principles = False
    kind: ClassVar[str]
    """What records and messages call this kind of judge."""
    pairs: ClassVar[bool] = False
    """Whether it reads two responses at a time."""

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
        reduction: str | None = None,
        remote_code: str | None = None,
        **options: Any,  # noqa: ANN401 - those of the service
    ) -> None:
        self.model = model
        # At a server the name stands behind the URL.
        self._known = find_model(model.partition("#")[2] or model)
        self.reduction = reduction
        self.seed = whole_number("seed", seed, 0, 2**63 - 1)
        self._remote: RemoteClassifier | None = None
        if model.partition(":")[0] in CLASSIFY_SCHEMES:
            local = {"device": device, "dtype": dtype, "max_context": max_context}
            for given in (k for k, v in {**local, "remote_code": remote_code}.items() if v):
                raise InputError(f"{given} is for models that run here; leave it out for {model!r}")
            self._remote = self._own(self._open_remote(options))
            self.model = self._remote.service.name  # without a login
        elif options:
            raise InputError(
                f"option {min(options)!r} is for models behind HTTP; leave it out for {model!r}"
            )
        elif not model.startswith("hf:"):
            raise InputError(
                f"{self.kind} model {model!r} must be 'hf:FOLDER' or 'hf:OWNER/REPOSITORY', or one "
                "of: " + ", ".join(f"{scheme}:URL" for scheme in CLASSIFY_SCHEMES)
            )
        else:
            _check_known(self._known, model, remote_code)
            self._classifier = self._own(
                Classifier(
                    model.removeprefix("hf:"),
                    what=self.kind,
                    device=device,
                    dtype=dtype,
                    batch_size=batch_size,
                    max_context=max_context,
                    reduction=reduction,
                    remote_code=remote_code,
                    pairs=self.pairs,
                )
            )
        self.name = name or self.model

    def _open_remote(self, options: dict[str, Any]) -> RemoteClassifier:
        from deemster.judges.remote_classifier import RemoteClassifier  # noqa: PLC0415 - aiohttp

        return RemoteClassifier(self.model, what=self.kind, reduction=self.reduction, **options)

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        settings = ", ".join(f"{name}={value}" for name, value in self._settings.items() if value)
        return JudgeInfo(
            name=self.name,
            model=f"{self.kind}:{self.model}" + (f" ({settings})" if settings else ""),
            seed=self.seed,
            aggregator=str(Mean()),
        )

    @property
    def _settings(self) -> dict[str, str | None]:
        """Settings beside the model that decide verdicts; None where they are the usual ones."""
        layout = None
        if self._remote is not None and self._remote.service.layout != self._usual_layout:
            layout = self._remote.service.layout
        return {"reduction": self.reduction, "layout": layout}

    @property
    def _usual_layout(self) -> str | None:
        """What a server is sent if nobody says otherwise."""
        return None if self._remote is None else self._remote.service.layouts[0]

    async def _judge(self, case: Case) -> Verdict:
        self._check(case.n)
        vote: Vote
        try:
            if self._remote is None:
                readings = await self._classifier.read(self._encode(case.query, case.responses))
            else:
                passages = self._passages(case.query, case.responses, self._remote.service.layout)
                readings = await self._remote.read(passages)
        except BackendError as error:
            vote = self._failure(str(error), case.n, cause=error)
        else:
            vote = self._vote(readings, case.n)
        return decide([vote], n=case.n, k=1, reducer=Mean(), info=self.info)

    def plan(self, case: Case) -> Iterator[Planned]:
        """See `BaseJudge.plan`: a model that runs here takes no request."""
        if self._remote is not None:
            layout = self._remote.service.layout
            with suppress(BackendError):  # images, which are not sent
                yield from self._remote.plan(self._passages(case.query, case.responses, layout))

    def _check(self, n: int) -> None:
        """Raise `InputError` if `n` responses cannot be judged."""

    @abstractmethod
    def _encode(self, query: Conversation, responses: Conversation) -> Encode:
        """What the model has to read about them."""

    @abstractmethod
    def _passages(
        self, query: Conversation, responses: Conversation, layout: Layout
    ) -> Sequence[Passage]:
        """What a server has to read about them, in the order of `_encode`.

        Raises:
            BackendError: there are images.
        """

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
            lost = next(one for one in readings if one.logit is None)
            return self._failure(lost.problem, n, usage=usage, cause=lost.error)
        return Judgment(
            scores=self._scores(logits, n),
            scale=self._scale(n),
            judge=self.name,
            order=tuple(range(n)),
            raw=self._said(logits),
            usage=usage,
        )

    def _failure(
        self,
        message: str,
        n: int,
        *,
        cause: BackendError | None = None,
        usage: Usage | None = None,
    ) -> Vote:
        return Failure(
            status="api_error" if cause is None else cause.status,
            message=message,
            error="" if cause is None else type(cause).__name__,
            judge=self.name,
            order=tuple(range(n)),
            usage=usage or Usage(),
        )


class ClassifierSpec(JudgeSpec, ABC):
    """A trained reward model that gives numbers and no words."""

    model: Annotated[str, Field(min_length=1)]
    """`hf:` and a folder or a repository, or a classifier behind HTTP: `vllm-classify:URL`, …"""
    device: str | None = None
    """As torch names it; default: a GPU if there is one."""
    dtype: str | None = None
    """As torch names it; default: bfloat16 on a GPU, float32 on the CPU."""
    batch_size: Positive = 8
    """Texts that go through the model together."""
    max_context: Positive | None = None
    """Most tokens of one text; default: the model's."""
    reduction: str | None = None
    """Of several outputs: a name or number, `NAME=WEIGHT,…`, `mean` or `expected`."""
    remote_code: str | None = None
    """The path of the model once more: the code of its repository may run."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Of a model behind HTTP: `api_key`, `concurrency`, `rate`, `timeout`, `layout`, …"""

    def _label(self) -> str:
        return self.model

    def arguments(self, site: Site) -> dict[str, Any]:
        """Keyword arguments of the judge.

        Raises:
            InputError: code of a repository is to run, and the judges are not the user's own.
        """
        if self.remote_code is not None and site.trust is not True:
            raise InputError(
                f"remote_code {self.remote_code!r} of a file lets the code of a repository run; if "
                "that is meant, give --trust-suite (in Python: trust=True)"
            )
        # A server in the URL gets no key that it may not have: see `ClassifyService`.
        served = self.model.partition(":")[0] in CLASSIFY_SCHEMES
        model = self.model if served else site.model(self.model)
        remote_code = self.remote_code
        if remote_code is not None and f"hf:{remote_code}" == self.model:
            remote_code = model.removeprefix("hf:")  # a folder beside the suite has its whole path
        return {
            "model": model,
            "name": self.label,
            "seed": site.seed,
            "device": self.device,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "max_context": self.max_context,
            "reduction": self.reduction,
            "remote_code": remote_code,
            **site.service_options(self.model, self.options),
        }
