"""Any model that LiteLLM reaches, by its model string (`provider/model`).

One request draws `n` completions where the provider has `n`; elsewhere each draw is a request
of its own. Retries, deadline, rate and budget are this package's (`limits`); those of LiteLLM,
the SDKs and instructor are off. LiteLLM is imported at the first call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import ValidationError

from deemster.backends.base import Outcome, Request
from deemster.backends.limits import Budget, Gate, Pause, check_limits
from deemster.backends.litellm_reply import Prices
from deemster.backends.loops import PerLoop
from deemster.backends.structured import StructuredMode, check_mode, request_options
from deemster.errors import InputError
from deemster.schemas import Usage, first_problem

if TYPE_CHECKING:
    from deemster.backends.litellm_draws import LoopState, Several
    from deemster.backends.litellm_profile import Profile

NMode = Literal["auto", "batch", "single"]


class LiteLLMBackend:
    """Completions through LiteLLM.

    Safe to share between tasks, threads and event loops: connections are per loop, and close
    when `asyncio.run` ends or at `aclose`. Concurrency and rate hold for each loop by itself;
    the budget and the pauses that a provider asks for hold for all.

    Args:
        model: a LiteLLM model string, e.g. `openai/gpt-5-mini`.
        api_base: URL of the server; None is the provider's own.
        api_key: None takes it from the provider's environment variable.
        concurrency: requests under way at once.
        rate: requests started per second; None is no limit.
        timeout: seconds for one request with all its retries, from its first attempt on.
        retries: attempts at most, the first included.
        budget: limit on money, tokens or calls; may be shared between backends.
        n_mode: `auto` asks for `n` completions in one request where the provider has it and
            copes with servers that ignore it; `batch` always does; `single` never.
        structured: how a JSON schema is asked for; `auto` takes the best the provider has.
        prices: of a model that LiteLLM has no price of; a mapping has the fields of `Prices`.
        extra: further options of `litellm.completion`, e.g. `{"reasoning_effort": "low"}`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        concurrency: int = 32,
        rate: float | None = None,
        timeout: float = 120.0,
        retries: int = 5,
        budget: Budget | None = None,
        n_mode: NMode = "auto",
        structured: StructuredMode = "auto",
        prices: Prices | Mapping[str, float] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        check_limits(concurrency=concurrency, rate=rate, timeout=timeout, retries=retries)
        check_mode(structured)
        if n_mode not in get_args(NMode):
            raise InputError(f"unknown n_mode {n_mode!r}; known: {', '.join(get_args(NMode))}")
        if api_base is not None and not api_base.startswith(("http://", "https://")):
            raise InputError(f"api_base must start with http:// or https://, got {api_base!r}")
        self.name = model
        self._api_base = api_base
        self._api_key = api_key
        self._concurrency = concurrency
        self._rate = rate
        self._timeout = float(timeout)
        self._attempts = retries
        self._budget = budget or Budget()
        self._n_mode: NMode = n_mode
        self._structured: StructuredMode = structured
        self._prices = prices if prices is None else _prices(prices)
        self._extra = dict(extra or {})
        self._pause = Pause()
        self._known: tuple[Profile, Several] | None = None
        self._lock = threading.Lock()
        self._states: PerLoop[LoopState] = PerLoop(
            self._open, close=_close_state, abandon=_abandon_state
        )

    @property
    def spent(self) -> Usage:
        """What the budget's calls cost so far (those of others too, where it is shared)."""
        return self._budget.spent

    @property
    def one_by_one(self) -> bool:
        """Whether every draw is a request of its own; False until the server is known."""
        return self._known is not None and self._known[1].most(self._known[0]) == 1

    async def generate(self, request: Request) -> list[Outcome]:
        """Draw `request.n` outcomes; a lost draw is its error in the list.

        Raises:
            InputError: LiteLLM does not know the provider, there is no key, or a budget in
                money is set and the model's price is unknown.
        """
        known = self._known
        if known is None:  # in a thread, because the first import of LiteLLM takes seconds
            known = await asyncio.to_thread(self._load)
        profile, several = known
        from deemster.backends.litellm_draws import Draws, Limits  # noqa: PLC0415

        options, mode, prefix = self._options(profile, request)
        draws = Draws(
            profile=profile,
            state=await self._states.get(),
            limits=Limits(self._budget, self._pause, self._attempts, self._timeout),
            several=several,
            options=options,
            seeds=request.seeds,
            mode=mode,
            prefix=prefix,
            api_key=self._api_key,
        )
        return await draws.all(request.n)

    def price(self, tokens_in: int, tokens_out: int) -> float | None:
        """US dollars for so many tokens; None where LiteLLM does not list the model's price.

        Raises:
            InputError: LiteLLM does not know the provider.
        """
        from deemster.backends.litellm_profile import read_pricing  # noqa: PLC0415

        pricing = read_pricing(self.name, api_base=self._api_base, prices=self._prices)
        return pricing.cost(Usage(tokens_in=tokens_in, tokens_out=tokens_out), None)

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._states.aclose()

    def _load(self) -> tuple[Profile, Several]:
        from deemster.backends.litellm_draws import Several  # noqa: PLC0415
        from deemster.backends.litellm_profile import read_profile  # noqa: PLC0415

        with self._lock:
            known = self._known
            if known is None:
                profile = read_profile(
                    self.name,
                    api_base=self._api_base,
                    api_key=self._api_key,
                    structured=self._structured,
                    prices=self._prices,
                )
                if self._budget.usd is not None and not profile.pricing.known:
                    raise InputError(
                        f"a budget in USD needs the price of {self.name!r}, which LiteLLM does "
                        "not list; give prices=Prices(tokens_in=…, tokens_out=…), or a budget in "
                        "tokens or calls"
                    )
                known = self._known = profile, Several(self._n_mode)
            return known

    def _open(self) -> LoopState:
        from deemster.backends.litellm_client import open_client  # noqa: PLC0415
        from deemster.backends.litellm_draws import LoopState  # noqa: PLC0415

        client = open_client(self.name, self._api_base, self._api_key)
        return LoopState(Gate(self._concurrency, self._rate), client)

    def _options(
        self, profile: Profile, request: Request
    ) -> tuple[dict[str, Any], StructuredMode | None, str]:
        """Options for LiteLLM, how the schema is asked for, and the prefix that is forced."""
        sampling = request.sampling
        messages = [message.to_openai() for message in request.messages]
        prefix = request.prefix if profile.prefill else ""
        if prefix:
            messages.append({"role": "assistant", "content": prefix, "prefix": True})
        options: dict[str, Any] = {
            "model": self.name,
            "messages": messages,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "timeout": self._timeout,
            "drop_params": True,  # of those the provider does not have: seed, logprobs
            "api_base": self._api_base,
            "api_key": self._api_key,
        }
        if sampling.top_p < 1:
            options["top_p"] = sampling.top_p
        if sampling.stop:
            options["stop"] = list(sampling.stop)
        if sampling.top_logprobs:
            options |= {"logprobs": True, "top_logprobs": sampling.top_logprobs}
        mode = None
        if request.json_schema is not None:
            mode = profile.mode
            options |= request_options(mode, request.json_schema, messages)
        return options | self._extra, mode, prefix


def _prices(given: Prices | Mapping[str, float]) -> Prices:
    try:
        return Prices.model_validate(given if isinstance(given, Prices) else dict(given))
    except ValidationError as error:
        raise InputError(f"prices: {first_problem(error)}") from error


async def _close_state(state: LoopState) -> None:
    from deemster.backends.litellm_client import close  # noqa: PLC0415

    await close(state.client)


def _abandon_state(state: LoopState) -> None:
    from deemster.backends.litellm_client import abandon  # noqa: PLC0415

    abandon(state.client)
