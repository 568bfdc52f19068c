"""Services that answer a JSON body with JSON: decisions, classifiers.

What they share with chat completions: one gate, one budget, one owner of retries, and keys that
no error text shows.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import aiohttp

from deemster.backends._api.breaker import Breaker
from deemster.backends._api.lean import LeanRoad, open_session
from deemster.backends._api.prices import Pricing
from deemster.backends._api.providers import Given, sent_secrets
from deemster.backends._api.road import UnansweredError
from deemster.backends._api.settings import ServiceSettings
from deemster.backends._api.shared import LoopState, abandon_state, close_state
from deemster.backends.gate import Gate
from deemster.backends.limits import Budget, Patience, with_retries
from deemster.backends.loops import PerLoop
from deemster.backends.pace import Pace, shared_pace
from deemster.errors import BackendError, UnusableModelError
from deemster.schemas import Usage

T = TypeVar("T")
FREE = Usage()
"""What `count` gives for an answer that no model was asked for."""


class JsonRoad(Protocol):
    """Sends a request once."""

    async def send(self, session: aiohttp.ClientSession, body: dict[str, Any], /) -> Any:  # noqa: ANN401 - JSON
        """The answer as it came; errors as those of `Road.send`."""
        ...


@dataclass(frozen=True)
class JsonProfile:
    """The road to a service, and its price."""

    road: JsonRoad
    host: str
    key: str
    pricing: Pricing


class LeanJson:
    """Requests to one endpoint, straight."""

    def __init__(self, road: LeanRoad) -> None:
        self._road = road

    async def send(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """See `JsonRoad.send`."""
        content = await self._road.post(session, body)
        try:
            reply = json.loads(content)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict | list):
            shown = content[:100].decode(errors="replace")
            raise BackendError(f"the answer is not JSON: {shown!r}", retryable=True)
        return reply


class JsonService:
    """Asks a service, on any loop.

    Args:
        name: what errors call it.
        settings: the limits; see `APIBackend`.
        given: the way to it, as the user said.
        load: finds out where it is and what it costs; runs once, in a thread.
        count: tokens of an answer; None where they are not reported.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        given: Given,
        load: Callable[[], JsonProfile],
        count: Callable[[Any], Usage | None],
    ) -> None:
        self.name = name
        self.given = given
        self.budget = settings.budget or Budget()
        self.breaker = Breaker()
        self.patience = Patience(settings.attempt_timeout)
        self.count = count
        self._find = load
        self._settings = settings
        self.secrets: tuple[str, ...] = ()
        self._profile: JsonProfile | None = None
        self._pace: Pace | None = None
        self._lock = threading.Lock()
        self._states: PerLoop[LoopState] = PerLoop(
            self._open, close=close_state, abandon=abandon_state
        )

    async def ask(self, body: dict[str, Any], read: Callable[[Any], T]) -> tuple[T, Usage]:
        """Send a body until there is an answer that `read` takes; with all that it cost.

        Raises:
            BackendError: there was none; its `usage` is what the attempts cost.
            InputError: the provider is unknown.
            UnusableModelError: there is no key or URL, a budget in money is set and the price is
                unknown, or request after request was refused for the same reason.
        """
        profile = self._profile
        if profile is None:  # in a thread, because the first import of LiteLLM takes seconds
            profile = await asyncio.to_thread(self._load)
        state = await self._states.get()
        asked = _Asked(self, profile, state, body, read)
        try:
            answer = await with_retries(
                asked.attempt,
                gate=state.gate,
                attempts=self._settings.retries,
                timeout=float(self._settings.timeout),
                patience=self.patience,
            )
        except BackendError as error:
            error.usage = asked.spent
            raise
        return answer, asked.spent

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._states.aclose()

    def _load(self) -> JsonProfile:
        with self._lock:
            if self._profile is None:
                profile = self._find()
                if self.budget.usd is not None and not profile.pricing.known:
                    raise UnusableModelError(
                        f"a budget in USD needs the price of {self.name!r}, which LiteLLM does not "
                        "list; give prices=Prices(tokens_in=…, tokens_out=…), or a budget in "
                        "tokens or calls"
                    )
                # Before anything is sent: from now on no text shows them, of a server's answer too.
                self.secrets = sent_secrets(self.given, profile.key)
                self._pace = shared_pace(profile.host, profile.key)
                self._profile = profile
            return self._profile

    def _open(self) -> LoopState:
        settings = self._settings
        return LoopState(Gate(settings.concurrency, settings.rate, self._pace), open_session())


@dataclass
class _Asked(Generic[T]):
    """One request on its way, and what its attempts cost."""

    service: JsonService
    profile: JsonProfile
    state: LoopState
    body: dict[str, Any]
    read: Callable[[Any], T]
    spent: Usage = field(default_factory=Usage)

    async def attempt(self) -> T:
        """Send it once."""
        service = self.service
        service.breaker.check()
        try:
            reply = await self._send()
        except UnansweredError as unanswered:
            fault = unanswered.fault
            error = fault.to_error(service.name, service.secrets)
            service.breaker.failed(fault.status, str(error), final=not error.retryable)
            raise error from None
        service.breaker.answered()
        return self.read(reply)

    async def _send(self) -> Any:  # noqa: ANN401 - JSON
        service = self.service
        service.budget.admit()
        started = time.monotonic()
        usage, known = Usage(), True
        try:
            reply = await self.profile.road.send(self.state.session, self.body)
            reported = service.count(reply)
            known = reported is not None
            if reported is not FREE:
                cost = None if reported is None else self.profile.pricing.cost(reported)
                usage = (reported or usage).model_copy(update={"cost": cost})
            service.patience.saw(time.monotonic() - started)
        finally:
            usage += Usage(calls=1, seconds=time.monotonic() - started)
            service.budget.charge(usage, tokens_known=known)
            self.spent += usage
        return reply
