"""Decision models behind an API: `decisions:provider/model` and `systemone:provider/model`.

A decision model answers typed questions about a text with probabilities, in one forward pass and
without a word of its own. Retries, deadlines, rate and budget are those of every other backend
(`limits`, `gate`, `pace`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Unpack

from deemster.backends._api.decision_road import read_decision_profile
from deemster.backends._api.decision_wire import Wire, read_reply, request_body, usage_of
from deemster.backends._api.json_service import JsonService
from deemster.backends._api.profile import Wanted, check_access, read_pricing
from deemster.backends._api.settings import ProviderOptions, ProviderSettings
from deemster.backends.base import Outcome, Request, nothing_sampled
from deemster.errors import BackendError, UnusableModelError
from deemster.schemas import Completion, Usage, dump_decisions


class DecisionsBackend:
    """Decisions of a model behind an API. Answers requests that have `questions`, no others.

    All draws of a request are one call, because nothing is sampled. OpenAI-compatible services
    and servers are asked directly, others through LiteLLM's `adecisions` and `asystemone`.

    Args:
        model: `provider/model`; with `api_base` also the bare name of a model at that server.
        wire: which endpoint: `decisions` is `/v1/decisions`, `systemone` is `/v1/systemone`.
        options: api_base, api_key, concurrency, rate, timeout, attempt_timeout, retries, budget,
            prices, extra, only_litellm, trust: see `APIBackend`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        wire: Wire = "decisions",
        **options: Unpack[ProviderOptions],
    ) -> None:
        self.name = f"{wire}:{model}"
        self._wire: Wire = wire
        settings = ProviderSettings(**options)
        self._wanted = Wanted.read(model, settings)
        self._extra = dict(self._wanted.given.extra)
        self._service = JsonService(
            self.name,
            settings,
            given=self._wanted.given,
            load=lambda: read_decision_profile(self._wanted, wire),
            count=usage_of,
        )

    @property
    def spent(self) -> Usage:
        """What the budget's calls cost so far (those of others too, where it is shared)."""
        return self._service.budget.spent

    def check(self) -> None:
        """Make sure that the model can be asked: a provider, a key and a URL. Sends nothing.

        Raises:
            InputError: one is missing; the text says what to give or to set.
        """
        check_access(self._wanted)

    def price(self, tokens_in: int, tokens_out: int) -> float | None:
        """US dollars for so many tokens; None where the price is not known.

        Raises:
            InputError: LiteLLM does not know the provider.
        """
        return read_pricing(self._wanted).cost(Usage(tokens_in=tokens_in, tokens_out=tokens_out))

    async def generate(self, request: Request) -> list[Outcome]:
        """Ask once; every draw is the same completion, and the first carries what it cost.

        Raises:
            BackendError: there was no answer, or not one to these questions.
            InputError: the provider is unknown.
            UnusableModelError: there is no key or URL, a budget in money is set and the price is
                unknown, or request after request was refused for the same reason.
        """
        if not request.questions:
            raise UnusableModelError(
                f"model {self.name!r} answers questions and writes no text; use it with the judge "
                "type 'decision', or give a model that writes"
            )
        if any(message.images for message in request.messages):
            raise BackendError(f"{self.name}: decision models are asked about text only")
        text = "\n\n".join(message.text for message in request.messages)
        body = request_body(self._wire, text, request.questions) | self._extra
        completion, usage = await self._service.ask(
            {name: value for name, value in body.items() if value is not None},
            lambda reply: self._read(reply, request),
        )
        return nothing_sampled(completion.model_copy(update={"usage": usage}), request.n)

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._service.aclose()

    def _read(self, reply: Any, request: Request) -> Completion:  # noqa: ANN401 - JSON
        if not isinstance(reply, dict):
            raise BackendError(f"the answer is not a JSON object: {str(reply)[:100]!r}")
        decisions = read_reply(self._wire, reply, request.questions)
        return Completion(text=dump_decisions(decisions), model=str(reply.get("model") or ""))


systemone = partial(DecisionsBackend, wire="systemone")
"""The backend of `systemone:provider/model`."""
