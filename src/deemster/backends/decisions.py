"""Decision models behind an API: `decisions:provider/model` and `systemone:provider/model`.

A decision model answers typed questions about a text with probabilities, in one forward pass and
without a word of its own. Retries, deadlines, rate and budget are those of every other backend
(`limits`, `gate`, `pace`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deemster.backends._api.breaker import Breaker
from deemster.backends._api.decision_road import DecisionProfile, read_decision_profile
from deemster.backends._api.decision_wire import Wire, read_reply, request_body, usage_of
from deemster.backends._api.lean import open_session
from deemster.backends._api.prices import Prices
from deemster.backends._api.profile import Wanted, check_access, read_pricing
from deemster.backends._api.providers import sent_secrets
from deemster.backends._api.road import UnansweredError
from deemster.backends._api.shared import LoopState
from deemster.backends.api import abandon_state, close_state
from deemster.backends.base import Outcome, Request, Trust, nothing_sampled
from deemster.backends.gate import Gate
from deemster.backends.limits import Budget, Patience, check_limits, with_retries
from deemster.backends.loops import PerLoop
from deemster.backends.pace import Pace, shared_pace
from deemster.errors import BackendError, UnusableModelError
from deemster.schemas import Completion, Usage, dump_decisions


class DecisionsBackend:
    """Decisions of a model behind an API. Answers requests that have `questions`, no others.

    All draws of a request are one call, because nothing is sampled. OpenAI-compatible services
    and servers are asked directly, others through LiteLLM's `adecisions` and `asystemone`.

    Args:
        model: `provider/model`; with `api_base` also the bare name of a model at that server.
        wire: which endpoint: `decisions` is `/v1/decisions`, `systemone` is `/v1/systemone`.
        api_base, api_key, concurrency, rate, timeout, attempt_timeout, retries, budget, prices,
            extra, only_litellm, trust: see `APIBackend`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        wire: Wire = "decisions",
        api_base: str | None = None,
        api_key: str | None = None,
        concurrency: int = 32,
        rate: float | None = None,
        timeout: float = 120.0,
        attempt_timeout: float | None = None,
        retries: int = 5,
        budget: Budget | None = None,
        prices: Prices | Mapping[str, float] | None = None,
        extra: Mapping[str, Any] | None = None,
        only_litellm: bool = False,
        trust: Trust = True,
    ) -> None:
        check_limits(
            concurrency=concurrency,
            rate=rate,
            timeout=timeout,
            retries=retries,
            attempt_timeout=attempt_timeout,
        )
        self.name = f"{wire}:{model}"
        self._wire: Wire = wire
        self._wanted = Wanted.read(
            model,
            api_base=api_base,
            api_key=api_key,
            extra=extra,
            trust=trust,
            prices=prices,
            timeout=timeout,
            only_litellm=only_litellm,
        )
        self._extra = dict(self._wanted.given.extra)
        self._concurrency, self._rate, self._attempts = concurrency, rate, retries
        self._budget = budget or Budget()
        self._patience = Patience(attempt_timeout)
        self._breaker = Breaker()
        self._profile: DecisionProfile | None = None
        self._pace: Pace | None = None
        self._lock = threading.Lock()
        self._states: PerLoop[LoopState] = PerLoop(
            self._open, close=close_state, abandon=abandon_state
        )

    @property
    def spent(self) -> Usage:
        """What the budget's calls cost so far (those of others too, where it is shared)."""
        return self._budget.spent

    def check(self) -> None:
        """Make sure that the model can be asked: there is a key, and a URL. Sends nothing.

        Raises:
            InputError: one is missing; the text names the variable to set.
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
        profile = self._profile
        if profile is None:  # in a thread, because the first import of LiteLLM takes seconds
            profile = await asyncio.to_thread(self._load)
        state = await self._states.get()
        asked = _Asked(self, profile, state, request)
        try:
            completion = await with_retries(
                asked.attempt,
                gate=state.gate,
                attempts=self._attempts,
                timeout=self._wanted.timeout,
                patience=self._patience,
            )
        except BackendError as error:
            error.usage = asked.spent
            raise
        return nothing_sampled(completion.model_copy(update={"usage": asked.spent}), request.n)

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._states.aclose()

    def _load(self) -> DecisionProfile:
        with self._lock:
            if self._profile is None:
                profile = read_decision_profile(self._wanted, self._wire)
                if self._budget.usd is not None and not profile.pricing.known:
                    raise UnusableModelError(
                        f"a budget in USD needs the price of {self.name!r}, which LiteLLM does not "
                        "list; give prices=Prices(tokens_in=…, tokens_out=…), or a budget in "
                        "tokens or calls"
                    )
                self._pace = shared_pace(profile.host, profile.key)
                self._profile = profile
            return self._profile

    def _open(self) -> LoopState:
        return LoopState(Gate(self._concurrency, self._rate, self._pace), open_session())


@dataclass
class _Asked:
    """One request on its way, and what its attempts cost."""

    backend: DecisionsBackend
    profile: DecisionProfile
    state: LoopState
    request: Request
    spent: Usage = field(default_factory=Usage)

    async def attempt(self) -> Completion:
        """Send it once."""
        one, request = self.backend, self.request
        breaker, wire = one._breaker, one._wire  # noqa: SLF001 - same module
        breaker.check()
        text = "\n\n".join(message.text for message in request.messages)
        body = request_body(wire, text, request.questions) | one._extra  # noqa: SLF001
        body = {name: value for name, value in body.items() if value is not None}
        try:
            reply = await self._send(body)
        except UnansweredError as unanswered:
            fault = unanswered.fault
            secrets = sent_secrets(one._wanted.given, self.profile.key)  # noqa: SLF001
            error = fault.to_error(one.name, secrets)
            breaker.failed(fault.status, str(error), final=not error.retryable)
            raise error from None
        breaker.answered()
        decisions = read_reply(wire, reply, request.questions)
        return Completion(text=dump_decisions(decisions), model=str(reply.get("model") or ""))

    async def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        budget = self.backend._budget  # noqa: SLF001 - same module
        budget.admit()
        started = time.monotonic()
        usage = Usage()
        try:
            reply = await self.profile.road.send(self.state.session, body)
            reported = usage_of(reply)
            usage = (
                Usage(cost=None)
                if reported is None
                else reported.model_copy(update={"cost": self.profile.pricing.cost(reported)})
            )
            self.backend._patience.saw(time.monotonic() - started)  # noqa: SLF001 - same module
        finally:
            usage += Usage(calls=1, seconds=time.monotonic() - started)
            budget.charge(usage)
            self.spent += usage
        return reply


systemone = partial(DecisionsBackend, wire="systemone")
"""The backend of `systemone:provider/model`."""
