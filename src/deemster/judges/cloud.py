"""Critique-out-loud judges (CLoud): a critique of each response, then a number for the critique.

The paper's semi-scalar baseline (section 4): a language model writes a critique of one response
and a value head on top of it gives a scalar; k critiques are averaged (Eq. 12).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from deemster.aggregators import Mean
from deemster.backends import Backend, Outcome, Request, generate_all
from deemster.errors import BackendError, FailureStatus, InputError
from deemster.files import exists, read_text
from deemster.judges.base import BaseJudge
from deemster.judges.building import Site
from deemster.judges.case import Case
from deemster.judges.classifier import Classifier, Reading, usage_of
from deemster.judges.decide import decide
from deemster.judges.orders import derive_seed
from deemster.judges.plan import Planned
from deemster.judges.scalar_rm import chat_ids
from deemster.judges.settings import sampling_of, split_options, whole_number
from deemster.judges.spec import ModelSpec, Positive, sampling_fields
from deemster.judges.together import together
from deemster.prompts import PromptTemplate, builtin_template
from deemster.schemas import (
    Completion,
    Conversation,
    Critique,
    Failure,
    JudgeInfo,
    Judgment,
    Message,
    SamplingSettings,
    Scale,
    Usage,
    Verdict,
    Vote,
)

VALUE = "value"
"""Folder of the value model inside a trained critic's folder."""
TEMPLATE = "cloud"
"""The critic's prompt that ships."""
MAX_K = 10_000
MAX_TOKENS = 1024
"""Default length of a critique."""
_NO_SCALE = Scale(low=0, high=1)  # the prompt has no slot for scores


def critic_messages(
    case: Case, response: int, *, template: PromptTemplate, seed: int
) -> Conversation:
    """The prompt for a critique of one response; training and inference share it.

    Args:
        case: what is judged.
        response: index of the response to criticise; the others are not shown.
        template: with the slots `conversation` and `responses`.
        seed: of the judge; it decides the markers around untrusted text.

    Raises:
        InputError: the template leaves out the reference or the principles that there are.
    """
    for slot in ("reference", "principles"):
        if getattr(case, slot) and slot not in template.slots:
            raise InputError(
                f"template {template.name!r} does not use the slot {slot!r}, but there is "
                f"something to put there; add the slot, or leave out the {slot}"
            )
    alone = replace(case, responses=(case.responses[response],))
    return alone.view((0,), scale=_NO_SCALE, seed=seed).render(template)


def with_critique(messages: Conversation, critique: str) -> Conversation:
    """What the value model reads: the text of the critic's prompt and what it wrote."""
    texts = (message.model_copy(update={"content": message.text}) for message in messages)
    return (*texts, Message(role="assistant", content=critique))


def with_lead_in(case: Case, response: int, lead_in: str, critique: str) -> Conversation:
    """What a value model of the CLoud authors reads: the chat, then the critique as a user turn.

    The critique stands behind the sentence that the model was trained with.
    """
    said = Message(role="user", content=f"{lead_in.rstrip()} {critique}")
    return (*case.query, case.responses[response], said)


class CLoud(BaseJudge):
    """Scores each response by k critiques of it and a value model's number for each critique.

    Every response is criticised by itself. Vote j holds the numbers of each response's j-th
    critique; rewards are their mean (paper Eq. 12) and have no fixed range. A draw that lost a
    critique or its number is a `Failure`.

    Args:
        model: the critic: a model string, or a `Backend`.
        value: `hf:` and a folder or a repository of the value model, with one output. None is
            the folder `value` inside the critic's, where
            `deemster.training.baselines.cloud` puts it.
        lead_in: for a value model of the CLoud authors: the sentence that stood before every
            critique in its training, or a file with it (docs/reward-models.md).
        k: critiques per response, >= 1.
        temperature: 0 to 2; None is 0 (greedy) for k = 1 and 0.5 for more.
        template: your own Jinja template file with the slots of `cloud.j2`.
        seed: decides draws and tie-breaks.
        min_valid: fewest valid votes for a verdict with rewards.
        device: of the value model; by default a GPU if there is one.
        dtype: of the value model; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: critiques that go through the value model together.
        name: what records call this judge; default: the model string.
        options: fields of `SamplingSettings` (`max_tokens=`, 1024 by default); the others are
            passed to the backend when `model` is a string.

    Raises:
        InputError: an argument is wrong; nothing was sent.
    """

    def __init__(
        self,
        model: str | Backend,
        *,
        value: str | None = None,
        lead_in: str | None = None,
        k: int = 1,
        temperature: float | None = None,
        template: str | Path | None = None,
        seed: int = 0,
        min_valid: int = 1,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
        name: str | None = None,
        **options: Any,  # noqa: ANN401 - each backend has its own
    ) -> None:
        self.k = whole_number("k", k, 1, MAX_K)
        self.min_valid = whole_number("min_valid", min_valid, 1, self.k)
        self.seed = whole_number("seed", seed, 0, 2**63 - 1)
        sampling, options = split_options(options)
        if temperature is None:
            temperature = 0.5 if self.k > 1 else 0.0
        self.sampling = sampling_of(
            **{"max_tokens": MAX_TOKENS, **sampling, "temperature": temperature}
        )
        self.template = PromptTemplate.load(template) if template else builtin_template(TEMPLATE)
        self.value = value or _value_beside(model)
        if not self.value.startswith("hf:"):
            raise InputError(f"value {value!r} must be 'hf:FOLDER' or 'hf:OWNER/REPOSITORY'")
        self.lead_in = None if lead_in is None else _sentence(lead_in)
        self._classifier = self._own(
            Classifier(
                self.value.removeprefix("hf:"),
                what="value model",
                device=device,
                dtype=dtype,
                batch_size=batch_size,
            )
        )
        self.backend = self._backend(model, options)
        self.name = name or self.backend.name

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        return JudgeInfo(
            name=self.name,
            model=f"cloud:{self.backend.name}+{self.value}"
            + (f" (lead_in={_digest(self.lead_in)})" if self.lead_in else ""),
            prompt=self.template.hash,
            principles="self",
            sampling=self.sampling,
            k=self.k,
            seed=self.seed,
            aggregator=str(Mean()),
            min_valid=self.min_valid,
        )

    async def _judge(self, case: Case) -> Verdict:
        prompts = self._prompts(case)
        drawn = await together(
            generate_all(self.backend, self._request(prompt)) for prompt in prompts
        )
        votes = await self._votes(case, prompts, drawn)
        return decide(
            votes, n=case.n, k=self.k, reducer=Mean(), info=self.info, min_valid=self.min_valid
        )

    def plan(self, case: Case) -> Iterator[Planned]:
        """See `BaseJudge.plan`: the critiques; the value model costs no request."""
        for number, prompt in enumerate(self._prompts(case)):
            votes = self.k if number == 0 else 0  # a vote is one critique of every response
            yield Planned(self.backend, self._request(prompt), votes=votes)

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Put something between this judge and its critic."""
        self.backend = wrap(self.backend)

    def _prompts(self, case: Case) -> list[Conversation]:
        return [
            critic_messages(case, i, template=self.template, seed=self.seed) for i in range(case.n)
        ]

    def _request(self, prompt: Conversation) -> Request:
        seeds = tuple(derive_seed(self.seed, draw) for draw in range(self.k))
        return Request(messages=prompt, sampling=self.sampling, n=self.k, seeds=seeds)

    async def _votes(
        self,
        case: Case,
        prompts: Sequence[Conversation],
        drawn: Sequence[Sequence[Outcome]],
    ) -> list[Vote]:
        """Vote j from the j-th outcome of every response."""
        draws = list(zip(*drawn, strict=True))
        complete = {
            draw: critiques
            for draw, outcomes in enumerate(draws)
            if len(critiques := [one for one in outcomes if isinstance(one, Completion)])
            == len(prompts)
        }
        texts = [
            with_critique(prompts[i], critique.text)
            if self.lead_in is None
            else with_lead_in(case, i, self.lead_in, critique.text)
            for critiques in complete.values()
            for i, critique in enumerate(critiques)
        ]
        try:
            readings = await self._classifier.read(
                lambda tokenizer, encoder: [chat_ids(tokenizer, encoder, one) for one in texts]
            )
        except BackendError as error:  # its chat template knows no such turns
            readings = [Reading(None, Usage(), str(error))] * len(texts)
        votes: list[Vote] = []
        for draw, outcomes in enumerate(draws):
            if draw not in complete:
                lost = next(one for one in outcomes if isinstance(one, BackendError))
                votes.append(
                    self._failure(draw, outcomes, str(lost), lost.status, type(lost).__name__)
                )
            else:
                mine, readings = readings[: len(prompts)], readings[len(prompts) :]
                votes.append(self._vote(draw, complete[draw], mine))
        return votes

    def _vote(
        self, draw: int, completions: Sequence[Completion], readings: Sequence[Reading]
    ) -> Vote:
        values = [one.logit for one in readings if one.logit is not None]
        if len(values) < len(readings):
            problem = next(one.problem for one in readings if one.logit is None)
            return self._failure(draw, completions, problem)
        return Judgment(
            scores=tuple(values),
            critiques=tuple(
                Critique(response=i, text=one.text) for i, one in enumerate(completions)
            ),
            usage=_usage(completions) + usage_of(readings),
            **self._drawn(draw, completions),
        )

    def _failure(
        self,
        draw: int,
        outcomes: Sequence[Outcome],
        message: str,
        status: FailureStatus = "api_error",
        error: str = "",
    ) -> Failure:
        drawn = self._drawn(draw, outcomes)
        return Failure(status=status, message=message, error=error, usage=_usage(outcomes), **drawn)

    def _drawn(self, draw: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        texts = [one.text if isinstance(one, Completion) else "" for one in outcomes]
        return {
            "draw": draw,
            "judge": self.name,
            "order": tuple(range(len(outcomes))),
            "seed": derive_seed(self.seed, draw),
            "raw": "\n\n".join(f"# Response {i}\n{text}" for i, text in enumerate(texts, 1)),
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _sentence(given: str) -> str:
    """A sentence, or the one in a file of that name."""
    text = read_text(given) if exists(Path(given)) else given
    if not text.strip():
        raise InputError(f"lead_in {given!r} is empty; give the sentence or a file with it")
    return text.strip()


def _usage(outcomes: Sequence[Outcome]) -> Usage:
    return Usage.total(outcome.usage or Usage() for outcome in outcomes)


def _value_beside(model: str | Backend) -> str:
    name = model if isinstance(model, str) else model.name
    path = name.removeprefix("hf:")
    if path == name or not (Path(path).expanduser() / VALUE).is_dir():
        raise InputError(
            f"no value model beside {name!r}; give value='hf:FOLDER', "
            "a sequence-classification model with one output"
        )
    return f"hf:{path}/{VALUE}"


class CloudSpec(SamplingSettings, ModelSpec):
    """Critiques out loud, then a number for each by a value model."""

    type: Literal["cloud"] = "cloud"
    value: str | None = None
    """The value model, `hf:PATH`; default: the folder `value` inside the critic's."""
    lead_in: str | None = None
    """For a value model of the CLoud authors: the sentence before every critique, or its file."""
    k: Annotated[int, Field(strict=True, ge=1, le=MAX_K)] = 1
    """Critiques of each response."""
    template: str | None = None
    """Your own Jinja prompt with the slots of `cloud.j2`."""
    min_valid: Positive = 1
    """Fewest valid votes for a verdict with rewards."""
    device: str | None = None
    """Of the value model, as torch names it."""
    dtype: str | None = None
    """Of the value model, as torch names it."""
    batch_size: Positive = 8
    """Critiques that go through the value model together."""

    def build(self, site: Site) -> CLoud:
        """See `JudgeSpec.build`."""
        options = site.options(self, signature(CLoud).parameters.keys())
        return CLoud(
            site.model(self.model),
            value=None if self.value is None else site.model(self.value),
            lead_in=self._lead_in(site),
            k=self.k,
            template=None if self.template is None else site.file(self.template),
            seed=site.seed,
            min_valid=self.min_valid,
            device=self.device,
            dtype=self.dtype,
            batch_size=self.batch_size,
            name=self.label,
            **sampling_fields(self),
            **options,
        )

    def _lead_in(self, site: Site) -> str | None:
        """The sentence; a file that stands beside the suite gets its whole path."""
        if self.lead_in is None or not exists(site.file(self.lead_in)):
            return self.lead_in
        return str(site.file(self.lead_in))
