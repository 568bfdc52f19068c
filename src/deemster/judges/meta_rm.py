"""Meta reward models: how good is a judgment? (section 2: meta RM guided voting)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Protocol, runtime_checkable

from deemster.backends import (
    CLASSIFY_SCHEMES,
    EMBEDDED,
    Backend,
    Request,
    generate_all,
    open_backend,
)
from deemster.backends.base import SMOL
from deemster.dialects.boxed import read_boxed
from deemster.errors import BackendError, InputError, ParseError
from deemster.judges.case import Case
from deemster.judges.orders import derive_seed
from deemster.judges.plan import Planned
from deemster.judges.settings import announce
from deemster.judges.together import together
from deemster.prompts import PromptTemplate, View, builtin_template
from deemster.redaction import redact
from deemster.schemas import Conversation, Judgment, Sampling, Scale, Usage, Vote
from deemster.shown import one_line
from deemster.zoo import find_model

logger = logging.getLogger(__name__)

_SLOTS = ("conversation", "responses", "judgment")


@runtime_checkable
class MetaRM(Protocol):
    """Rates judgments."""

    @property
    def name(self) -> str:
        """What records call it."""
        ...

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        """One meta reward per judgment, higher is better; None where it gave none.

        Args:
            query: the conversation that was answered.
            responses: in the caller's order; each judgment's `order` tells what it saw.
            judgments: any number of them, about the same responses.
        """
        ...

    async def aclose(self) -> None:
        """Release connections and memory. Idempotent."""
        ...


@runtime_checkable
class CostedMetaRM(MetaRM, Protocol):
    """A meta RM whose rating costs calls."""

    async def rate_costed(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> tuple[list[float | None], Usage]:
        """`rate`, and what it cost."""
        ...


@runtime_checkable
class PlannedMetaRM(MetaRM, Protocol):
    """A meta RM whose calls can be counted before they are made."""

    def plan(self, case: Case, *, k: int, longest: int) -> Iterator[Planned]:
        """The requests for k judgments of a case, whose texts have up to `longest` tokens."""
        ...


class PromptedMetaRM:
    """Asks any model for the probability that a judgment's scores are right.

    Args:
        model: a model string, or a `Backend`, which stays the caller's to close.
        template: your own prompt with the slots `conversation`, `responses`, `judgment`.
        max_tokens: room for the check.
    """

    scale = Scale(low=0, high=100)

    def __init__(
        self,
        model: str | Backend,
        *,
        template: str | Path | None = None,
        max_tokens: int = 1024,
    ) -> None:
        self._opened: Backend | None = None
        if isinstance(model, str):
            model = self._opened = open_backend(model)
        self.backend = model
        self.template = (
            PromptTemplate.load(template, required=_SLOTS)
            if template
            else builtin_template("meta", _SLOTS)
        )
        self.sampling = Sampling(temperature=0.0, max_tokens=max_tokens)

    @property
    def name(self) -> str:
        """The model and the prompt's hash."""
        return f"prompted:{self.backend.name}:{self.template.hash}"

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        """Probabilities in 0..1; None where the call failed or gave no number."""
        rewards, _ = await self.rate_costed(query, responses, judgments)
        return rewards

    async def rate_costed(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> tuple[list[float | None], Usage]:
        """`rate`, and what the calls cost."""
        rated = await together(self._rate_one(query, responses, judgment) for judgment in judgments)
        return [reward for reward, _ in rated], Usage.total(usage for _, usage in rated)

    async def aclose(self) -> None:
        """Close the backend, if it was opened here."""
        if self._opened is not None:
            await self._opened.aclose()

    def plan(self, case: Case, *, k: int, longest: int) -> Iterator[Planned]:
        """One request for each of k judgments, whose texts have up to `longest` tokens."""
        for draw in range(k):
            blank = Judgment(scores=(0.0,) * case.n, draw=draw)
            request = self._request(case.query, case.responses, blank)
            yield Planned(self.backend, request, known=False, tokens_unknown=longest)

    def _request(self, query: Conversation, responses: Conversation, judgment: Judgment) -> Request:
        order = judgment.order or tuple(range(len(responses)))
        view = View(
            query=query,
            responses=tuple(responses[i] for i in order),
            scale=self.scale,
            judgment=judgment.raw,
        )
        return Request(
            messages=view.render(self.template),
            sampling=self.sampling,
            seeds=(derive_seed("meta", judgment.draw),),
        )

    async def _rate_one(
        self, query: Conversation, responses: Conversation, judgment: Judgment
    ) -> tuple[float | None, Usage]:
        request = self._request(query, responses, judgment)
        (outcome,) = await generate_all(self.backend, request)
        if isinstance(outcome, BackendError):
            return None, outcome.usage or Usage()
        try:
            (percent,) = read_boxed(outcome, n=1, scale=self.scale)
        except ParseError:
            return None, outcome.usage
        return percent / 100, outcome.usage


def open_meta_rm(spec: str, *, template: str | Path | None = None) -> MetaRM:
    """`hf:PATH` opens a trained sequence-classification model, `nano` and `smol` the package's.

    `vllm-classify:URL`, `vllm-pooling:URL` and `tei-predict:URL` ask one on another machine. Other
    model strings are prompted.

    Args:
        spec: which.
        template: how it is asked, see `HfMetaRM` and `PromptedMetaRM`; by default as a released
            meta RM of the zoo was trained, else as this package does it.

    Raises:
        InputError: the spec is empty or names an unknown scheme, the embedded meta RM is not
            installed, or the template is not usable.
    """
    if not spec.strip():
        raise InputError("meta_rm is empty; give 'hf:PATH', 'nano', 'smol' or a model string")
    if spec in (EMBEDDED, SMOL):
        from deemster.judges.meta_hf import embedded_meta_rm  # noqa: PLC0415 - as below

        if template is not None:
            raise InputError(f"meta RM {spec!r} has no template, got {str(template)!r}")
        return embedded_meta_rm(spec)
    if spec.startswith("hf:"):
        from deemster.judges.meta_hf import HfMetaRM  # noqa: PLC0415 - loads torch when used

        return HfMetaRM(spec.removeprefix("hf:"), template=template or _released_template(spec))
    if spec.partition(":")[0] in CLASSIFY_SCHEMES:
        from deemster.judges.meta_remote import RemoteMetaRM  # noqa: PLC0415 - as the others

        return RemoteMetaRM(spec, template=template)
    return PromptedMetaRM(spec, template=template)


def _released_template(spec: str) -> str | None:
    """How a meta RM of the zoo was trained, said on stderr."""
    entry = find_model(spec)
    if entry is None or not entry.meta_template:
        return None
    announce(
        f"deemster: {spec} is {entry.name} of the zoo: meta_template {entry.meta_template}; "
        "--meta-template or meta_template= names another"
    )
    return entry.meta_template


async def rate_votes(
    meta_rm: MetaRM, query: Conversation, responses: Conversation, votes: Sequence[Vote]
) -> tuple[list[Vote], Usage]:
    """The votes with meta rewards on their judgments, and what rating cost.

    A meta RM that fails leaves its judgments without a meta reward, and a number that is not
    finite is none; a warning says so.

    Raises:
        InputError: the meta RM returned something else than a number or None per judgment.
    """
    judgments = [vote for vote in votes if isinstance(vote, Judgment)]
    if not judgments:
        return list(votes), Usage()
    try:
        if isinstance(meta_rm, CostedMetaRM):
            rewards, usage = await meta_rm.rate_costed(query, responses, judgments)
        else:
            rewards, usage = await meta_rm.rate(query, responses, judgments), Usage()
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - a meta RM may be anybody's code
        logger.warning(
            "meta RM %s failed (%s: %s); its judgments get no meta reward",
            meta_rm.name, type(error).__name__, one_line(redact(str(error))),
        )  # fmt: skip
        spent = error.usage if isinstance(error, BackendError) else None
        rewards, usage = [None] * len(judgments), spent or Usage()
    given = iter(_checked(rewards, meta_rm.name, len(judgments)))
    rated: list[Vote] = [
        vote.model_copy(update={"meta_reward": next(given)}) if isinstance(vote, Judgment) else vote
        for vote in votes
    ]
    return rated, usage


def _checked(rewards: object, name: str, n: int) -> list[float | None]:
    """What a meta RM returned for n judgments, as plain finite numbers."""
    if isinstance(rewards, str | bytes | Mapping) or not isinstance(rewards, Iterable):
        kind = type(rewards).__name__
        raise InputError(f"meta RM {name!r} returned {kind}, not a list of meta rewards")
    every = list(rewards)
    if len(every) != n:
        raise InputError(f"meta RM {name!r} gave {len(every)} rewards for {n} judgments")
    return [None if one is None else _finite(one, name) for one in every]


def _finite(reward: object, name: str) -> float | None:
    if isinstance(reward, bool) or not isinstance(reward, Real):
        raise InputError(
            f"meta RM {name!r} gave the meta reward {reward!r:.80}, which is no number; give a "
            "float, or None where there is none"
        )
    try:
        number = float(reward)
    except OverflowError:
        number = math.inf
    if math.isfinite(number):
        return number
    logger.warning("meta RM %s gave the meta reward %s; it counts as none", name, number)
    return None
