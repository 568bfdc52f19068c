"""Models behind an HTTP API, by a model string `provider/model`.

OpenAI-compatible services and servers are asked directly; every other provider through LiteLLM,
which also knows prices and capabilities. One request draws `n` completions where the provider has
`n`; elsewhere each draw is a request of its own. Retries, deadlines, rate and budget are this
package's (`limits`); those of LiteLLM, the SDKs and instructor are off.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack, get_args

from deemster.backends._api.adapting import Adaptations
from deemster.backends._api.breaker import Breaker
from deemster.backends._api.call import Asked
from deemster.backends._api.draws import Draws
from deemster.backends._api.lean import open_session
from deemster.backends._api.profile import Wanted, check_access, read_pricing, read_profile
from deemster.backends._api.providers import seems_to_reason, sent_secrets
from deemster.backends._api.request import needed, prepare
from deemster.backends._api.settings import ProviderOptions, ProviderSettings
from deemster.backends._api.shared import (
    LoopState,
    NMode,
    Several,
    Shared,
    abandon_state,
    close_state,
)
from deemster.backends.base import Outcome, Request, refuse_questions
from deemster.backends.gate import Gate
from deemster.backends.limits import Budget, Patience
from deemster.backends.loops import PerLoop
from deemster.backends.pace import Pace, shared_pace
from deemster.backends.structured import StructuredMode, check_mode
from deemster.errors import InputError, UnusableModelError
from deemster.schemas import Usage

if TYPE_CHECKING:
    from deemster.backends._api.profile import Profile

Route = Callable[["Profile", tuple[str, ...], Budget], "Profile"]
"""From a model's profile, the secrets that its server is sent, and the budget, to the profile with
another road."""
_FOR_EVER = 1e9
"""Seconds."""
_NO_LIMIT = 2**31
_REASONING_ROOM = 8192
"""Tokens for the reasoning of a model that reasons, if the user does not say."""


class APIBackend:
    """Completions of a model behind an API.

    Safe to share between tasks, threads and event loops: connections are per loop, and close
    when `asyncio.run` ends or at `aclose`. Concurrency and rate hold for each loop by itself; the
    budget, and what is learned about the provider's limit, hold for all.

    Args:
        model: `provider/model`, e.g. `openai/gpt-5-mini`; with `api_base` also the bare name of
            a model at an OpenAI-compatible server.
        api_base: URL of the server; None is the provider's own.
        api_key: None takes it from the provider's environment variable.
        concurrency: requests under way at once.
        rate: requests started per second; None is no limit but the provider's, which is learned.
        timeout: seconds for one request with all its retries, from its first attempt on.
        attempt_timeout: seconds for one attempt; None learns it from how long answers take.
        retries: attempts at most, the first included; requests that the provider refused as too
            many are not counted.
        budget: limit on money, tokens or calls; may be shared between backends.
        n_mode: `auto` asks for `n` completions in one request where the provider has it and
            copes with servers that ignore it; `batch` always does; `single` never.
        structured: how a JSON schema is asked for; `auto` takes the best the provider has.
        structured_retries: how often a model is asked again for JSON that matches the schema,
            with the error shown.
        reasoning_room: tokens for reasoning, on top of `max_tokens`; None is 8192 for models that
            reason by their name, and 0 for others.
        reasoning_as_answer: read the reasoning as the answer where there is no other text.
        prices: of a model that LiteLLM has no price of; a mapping has the fields of `Prices`.
        extra: further parameters of the request, e.g. `{"reasoning_effort": "low"}`; None as a
            value removes one that would be sent (`{"seed": None}`). `extra_headers` is a mapping
            of headers.
        trust: whose words these options are: True is the caller's; see `Trust` and
            docs/providers.md for where keys go.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        n_mode: NMode = "auto",
        structured: StructuredMode = "auto",
        structured_retries: int = 1,
        reasoning_room: int | None = None,
        reasoning_as_answer: bool = False,
        **options: Unpack[ProviderOptions],
    ) -> None:
        settings = ProviderSettings(**options)
        check_mode(structured)
        if n_mode not in get_args(NMode):
            raise InputError(f"unknown n_mode {n_mode!r}; known: {', '.join(get_args(NMode))}")
        _check_count("structured_retries", structured_retries)
        _check_count("reasoning_room", reasoning_room or 0)
        self.name = model
        self._wanted = Wanted.read(model, settings, structured)
        self._extra = dict(self._wanted.given.extra)
        self._settings = settings
        self._budget = settings.budget or Budget()
        self._patience = Patience(settings.attempt_timeout)
        self._n_mode: NMode = n_mode
        self._structured_retries = structured_retries
        self._room = reasoning_room
        self._reasoning_as_answer = reasoning_as_answer
        self._begin(None)

    def _begin(self, route: Route | None) -> None:
        self._route = route
        self._shared: Shared | None = None
        self._pace: Pace | None = None
        self._lock = threading.Lock()
        self._states: PerLoop[LoopState] = PerLoop(
            self._open, close=close_state, abandon=abandon_state
        )

    def over(self, route: Route) -> APIBackend:
        """The same model on another road: one that keeps requests for a batch, say.

        Nothing bounds or repeats its calls; that is up to the road.

        Args:
            route: called once, before the first request.
        """
        made = copy.copy(self)
        made._begin(route)  # noqa: SLF001 - of its own class
        return made

    async def load(self) -> None:
        """Find out how the model is reached, if that is not known yet. Sends nothing.

        Raises:
            InputError: the provider is unknown.
            UnusableModelError: there is no key or URL.
        """
        if self._shared is None:  # in a thread, because the first import of LiteLLM takes seconds
            await asyncio.to_thread(self._load)

    @property
    def spent(self) -> Usage:
        """What the budget's calls cost so far (those of others too, where it is shared)."""
        return self._budget.spent

    @property
    def one_by_one(self) -> bool:
        """Whether every draw is a request of its own; False until the server is known."""
        shared = self._shared
        return shared is not None and shared.several.most(shared.profile) == 1

    def check(self) -> None:
        """Make sure that the model can be asked: a provider, a key and a URL. Sends nothing.

        Raises:
            InputError: one is missing; the text says what to give or to set.
        """
        check_access(self._wanted)

    async def generate(self, request: Request) -> list[Outcome]:
        """Draw `request.n` outcomes; a lost draw is its error in the list.

        Raises:
            InputError: the provider is unknown.
            UnusableModelError: there is no key or URL, the model does not give what the dialect
                needs, a budget in money is set and the model's price is unknown, or request
                after request was refused for the same reason.
        """
        refuse_questions(self.name, request)
        shared = self._shared
        if shared is None:  # in a thread, because the first import of LiteLLM takes seconds
            shared = await asyncio.to_thread(self._load)
        profile = shared.profile
        needs = needed(request.sampling)
        if needs and profile.supported is not None and not needs <= profile.supported:
            raise UnusableModelError(
                f"model {self.name!r} gives no log-probabilities, which this dialect needs; "
                "use another dialect or another model"
            )
        prepared = prepare(
            request,
            prefill=profile.prefill,
            output_limit=profile.output_limit,
            room=self._room_for_reasoning(),
            extra=self._extra,
        )
        asked = Asked(
            shared=shared,
            state=await self._states.get(),
            prepared=prepared,
            texts=tuple(message.text for message in request.messages),
            needs=needs,
            draws=request.seeds or tuple(range(request.n)),
        )
        draws = Draws(asked, seeds=() if "seed" in self._extra else request.seeds)
        return await draws.all(request.n)

    def price(self, tokens_in: int, tokens_out: int, *, batch: bool = False) -> float | None:
        """US dollars for so many tokens; None where LiteLLM does not list the model's price.

        Args:
            tokens_in: of the prompts.
            tokens_out: of the completions.
            batch: in batches; prices that the user gave are taken as they are.

        Raises:
            InputError: LiteLLM does not know the provider.
        """
        pricing = read_pricing(self._wanted)
        if batch:
            pricing = pricing.in_batches()
        return pricing.cost(Usage(tokens_in=tokens_in, tokens_out=tokens_out))

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._states.aclose()

    def _room_for_reasoning(self) -> int:
        if self._room is not None:
            return self._room
        return _REASONING_ROOM if seems_to_reason(self.name) else 0

    def _load(self) -> Shared:
        with self._lock:
            if self._shared is None:
                profile, budget = read_profile(self._wanted), self._budget
                secrets = sent_secrets(self._wanted.given, profile.key)
                if self._route is None:
                    # Held here, because it lives as long as somebody holds it.
                    self._pace = shared_pace(profile.host, profile.key)
                else:
                    profile, budget = self._route(profile, secrets, budget), Budget()
                self._check_price(profile)
                self._shared = self._share(profile, secrets, budget)
            return self._shared

    def _share(self, profile: Profile, secrets: tuple[str, ...], budget: Budget) -> Shared:
        return Shared(
            profile=profile,
            several=Several(self._n_mode),
            adaptations=Adaptations(self.name, profile.supported),
            breaker=Breaker(),
            budget=budget,
            patience=self._patience if self._route is None else Patience(_FOR_EVER),
            attempts=self._settings.retries if self._route is None else 1,
            timeout=self._wanted.timeout if self._route is None else _FOR_EVER,
            secrets=secrets,
            label=self.name,
            reasoning_as_answer=self._reasoning_as_answer,
            structured_retries=self._structured_retries,
        )

    def _check_price(self, profile: Profile) -> None:
        if self._budget.usd is not None and not profile.pricing.known:
            raise UnusableModelError(
                f"a budget in USD needs the price of {self.name!r}, which LiteLLM does not list; "
                "give prices=Prices(tokens_in=…, tokens_out=…), or a budget in tokens or calls"
            )

    def _open(self) -> LoopState:
        if self._route is not None:
            return LoopState(Gate(_NO_LIMIT, None), open_session())
        settings = self._settings
        return LoopState(Gate(settings.concurrency, settings.rate, self._pace), open_session())


def through_litellm(model: str, **options: Any) -> APIBackend:  # noqa: ANN401
    """The backend of `litellm:provider/model`: through LiteLLM whatever the provider."""
    return APIBackend(model, only_litellm=True, **options)


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{name} must be a whole number >= 0, got {value!r}")
