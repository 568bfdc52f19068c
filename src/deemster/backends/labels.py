"""Label probabilities of a served language model: `labels:provider/model`.

Any causal language model answers a question about a text by how probable the labels of its options
are as the next token. vLLM gives exact ones for many prompts in one request
(`/generative_scoring`); elsewhere they are read from the alternatives of a chat completion's first
token. Retries, deadlines, rate and budget are those of every other backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Unpack

from pydantic import ValidationError

from deemster.backends._api.json_service import JsonService
from deemster.backends._api.label_scoring import Asked, LabelScoring, wait_for_all
from deemster.backends._api.profile import Wanted
from deemster.backends._api.scoring_wire import NotServedError, count_usage, load_endpoints
from deemster.backends._api.settings import ProviderOptions, ProviderSettings
from deemster.backends.api import APIBackend
from deemster.backends.base import Outcome, Request, generate_all, nothing_sampled
from deemster.backends.decision_file import KIND_NAMES, DecisionFile
from deemster.backends.label_prompts import asked_text, decision_of, labels_of, prompt_parts
from deemster.backends.limits import Budget
from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.schemas import (
    Completion,
    Decision,
    Message,
    Question,
    QuestionKind,
    Sampling,
    Usage,
    dump_decisions,
    first_problem,
)
from deemster.usage import Account

_ONE_TOKEN = Sampling(temperature=0.0, max_tokens=1, top_logprobs=20)
"""With as many alternatives as chat APIs give."""


class LabelsBackend:
    """Label probabilities of a served model. Answers requests that have `questions`, no others.

    Nothing is sampled, so all draws of a request are the same.

    Args:
        model: `provider/model`, as `APIBackend` takes it.
        labels: what the options are called, by kind of question (`predicate`, `choice`, `score`);
            default: `Yes` and `No`, or `A`, `B`, `C`, ….
        scoring: whether `/generative_scoring` is asked; None: where the server has it.
        options: api_base, api_key, concurrency, rate, timeout, attempt_timeout, retries, budget,
            prices, extra, only_litellm, trust: see `APIBackend`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        labels: Mapping[QuestionKind, Sequence[str]] | None = None,
        scoring: bool | None = None,
        **options: Unpack[ProviderOptions],
    ) -> None:
        named = dict(labels or {})
        self._file = _file_of(named)
        # With the labels, because they are in the prompt: recordings of others are not answers.
        parts = [f"{kind}={','.join(named[kind])}" for kind in sorted(named)]
        self.name = "@".join([f"labels:{model}", *parts])
        settings = ProviderSettings(**options)
        extra = dict(settings.extra or {})
        if model.startswith("hosted_vllm/"):  # a model that thinks first begins with no label
            extra = {"chat_template_kwargs": {"enable_thinking": False}} | extra
        self._budget = settings.budget or Budget()
        settings = replace(settings, extra=extra, budget=self._budget)
        self._chat = APIBackend(model, n_mode="single", reasoning_room=0, **vars(settings))
        wanted = Wanted.read(model, settings)
        service = JsonService(
            self.name,
            settings,
            given=wanted.given,
            load=lambda: load_endpoints(wanted),
            count=count_usage,
        )
        self._scoring = LabelScoring(service, wanted.given.extra)
        own = wanted.lean is not None and (
            settings.api_base is not None or wanted.lean[1].base is None
        )
        if scoring and not own:
            raise InputError(
                f"scoring is asked of vLLM servers, and model {model!r} names none; give "
                "'hosted_vllm/NAME' with api_base, or leave scoring out"
            )
        self._wants_scoring = bool(scoring)
        self._scores = own and scoring is not False

    @property
    def spent(self) -> Usage:
        """What the budget's calls cost so far (those of others too, where it is shared)."""
        return self._budget.spent

    def check(self) -> None:
        """Make sure that the model can be asked: there is a key, and a URL. Sends nothing.

        Raises:
            InputError: one is missing; the text names the variable to set.
        """
        self._chat.check()

    def price(self, tokens_in: int, tokens_out: int) -> float | None:
        """US dollars for so many tokens; None where the price is not known.

        Raises:
            InputError: LiteLLM does not know the provider.
        """
        return self._chat.price(tokens_in, tokens_out)

    def apart(self, request: Request) -> list[Request]:
        """See `AsksApart`. `/generative_scoring` asks all in a request, once for each label."""
        text = asked_text(request)
        return [_as_chat(text, one, labels_of(one, self._file)) for one in request.questions]

    async def generate(self, request: Request) -> list[Outcome]:
        """Read the labels once; every draw is the same, and the first carries what it cost.

        Raises:
            BackendError: there was no answer, or none that can be used.
            InputError: the provider is unknown, or a label is not one token of the model.
            UnusableModelError: there is no key or URL, `scoring` was asked for and the server does
                not have it, the model gives no log-probabilities, or what `APIBackend` says.
        """
        if not request.questions:
            raise UnusableModelError(
                f"model {self.name!r} answers questions and writes no text; use it with the judge "
                f"type 'decision', or give {self._chat.name!r}"
            )
        text = asked_text(request)
        asked = [(one, labels_of(one, self._file)) for one in request.questions]
        spent = Account()
        if self._scores:
            try:
                completion = await self._scoring.read(text, asked, spent)
                return nothing_sampled(completion, request.n)
            except NotServedError as error:
                if self._wants_scoring:
                    raise UnusableModelError(
                        f"model {self.name!r}: {error}; start vLLM 0.20 or later, or leave scoring "
                        "out, and a chat completion's alternatives are read"
                    ) from None
                self._scores = False
            except BackendError as error:
                error.usage = spent.total
                raise
        return nothing_sampled(await self._chat_answers(text, asked, spent), request.n)

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._scoring.aclose()
        await self._chat.aclose()

    async def _chat_answers(self, text: str, asked: Asked, spent: Account) -> Completion:
        """One request per question; labels are looked for among its first token's likeliest."""
        found = await wait_for_all(
            generate_all(self._chat, _as_chat(text, question, labels)) for question, labels in asked
        )
        for (outcome,) in found:
            spent.add(outcome.usage or Usage())
        decisions = []
        for (question, labels), (outcome,) in zip(asked, found, strict=True):
            try:
                decisions.append(_among_likeliest(question, labels, outcome))
            except BackendError as error:
                error.usage = spent.total
                raise
        model = next(one.model for (one,) in found if isinstance(one, Completion))
        return Completion(text=dump_decisions(decisions), model=model, usage=spent.total)


def _as_chat(text: str, question: Question, labels: Sequence[str]) -> Request:
    prompt = "".join(prompt_parts(text, question, labels))
    return Request(messages=(Message(role="user", content=prompt),), sampling=_ONE_TOKEN)


def _among_likeliest(question: Question, labels: Sequence[str], outcome: Outcome) -> Decision:
    """A label that is not among the likeliest tokens counts as improbable: its share is 0."""
    if isinstance(outcome, BackendError):
        raise outcome
    if not outcome.logprobs:
        raise BackendError("the server gave no log-probabilities of the answer")
    first = outcome.logprobs[0]
    seen = {first.token: first.logprob, **dict(first.top)}
    return decision_of(
        question,
        [[value for token, value in seen.items() if token.strip() == label] for label in labels],
    )


def _file_of(labels: Mapping[QuestionKind, Sequence[str]]) -> DecisionFile:
    unknown = set(labels) - set(KIND_NAMES)
    if unknown:
        raise InputError(
            f"labels of unknown kinds {sorted(unknown)}; allowed: {', '.join(KIND_NAMES)}"
        )
    for kind, given in labels.items():
        if len(set(given)) < len(given):
            raise InputError(f"labels of {kind} are {list(given)}, and must differ")
    named = {KIND_NAMES[kind]: given for kind, given in labels.items()}
    try:
        return DecisionFile.model_validate({"labels": named})
    except ValidationError as error:
        raise InputError(f"labels: {first_problem(error)}; quote words such as 'Yes'") from error
