"""What is known about a model before it is asked, looked up once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deemster.backends._api.lean import LeanRoad
from deemster.backends._api.prices import Prices, Pricing
from deemster.backends._api.providers import ANY, LEAN, Access, Given, Provider, find_access
from deemster.backends._api.road import Road
from deemster.backends._api.settings import ProviderSettings
from deemster.backends.structured import StructuredMode, choose_mode
from deemster.errors import InputError, UnusableModelError


@dataclass(frozen=True)
class Profile:
    """The road to a model, its capabilities and its price."""

    road: Road
    host: str
    """What the provider's limit is kept by, together with the key."""
    key: str
    supported: frozenset[str] | None
    """The parameters that the provider takes; None: unknown, the server is asked."""
    mode: StructuredMode
    """How a JSON schema is asked for."""
    most_n: int
    """Completions that one request may ask for."""
    prefill: bool
    """Whether it goes on from an assistant turn that the request begins."""
    pricing: Pricing
    output_limit: str
    """The name that `max_tokens` has."""


@dataclass(frozen=True)
class Wanted:
    """What the user said about a model."""

    given: Given
    structured: StructuredMode
    prices: Prices | None
    timeout: float
    only_litellm: bool

    @classmethod
    def read(
        cls, name: str, settings: ProviderSettings, structured: StructuredMode = "auto"
    ) -> Wanted:
        """It from a backend's arguments.

        Raises:
            InputError: the prices are malformed.
        """
        return cls(
            given=settings.given(name, settings.api_base),
            structured=structured,
            prices=settings.own_prices(),
            timeout=float(settings.timeout),
            only_litellm=settings.only_litellm,
        )

    @property
    def name(self) -> str:
        """The model string."""
        return self.given.name

    @property
    def lean(self) -> tuple[str, Provider] | None:
        """(model, provider) if the model is asked without LiteLLM."""
        provider, slash, model = self.name.partition("/")
        if self.only_litellm or not slash or provider not in LEAN:
            return None
        return model, LEAN[provider]


def check_access(wanted: Wanted) -> None:
    """Refuse a model that cannot be asked: nobody has it, or a key or URL is missing.

    Sends nothing.

    Raises:
        InputError: the text names what to give or to set.
    """
    _, slash, model = wanted.name.partition("/")
    if slash and not model.strip():
        raise InputError(
            f"model {wanted.name!r} names a provider and no model; give 'provider/model', "
            "for example 'openai/gpt-5-mini'"
        )
    if (lean := wanted.lean) is not None:
        find_access(wanted.given, lean[1])
        return
    given = wanted.given
    read_profile(wanted)  # finds out where it would go
    from deemster.backends._api import with_litellm  # noqa: PLC0415 - takes seconds

    if given.api_base is None and (
        missing := with_litellm.missing_keys(wanted.name, given.api_key, given.api_base)
    ):
        raise UnusableModelError(
            f"no API key for model {wanted.name!r}; set {', '.join(missing)}, or give api_key"
        )


def read_profile(wanted: Wanted) -> Profile:
    """Look a model up. May import LiteLLM, which takes seconds.

    Raises:
        InputError: the provider is unknown, or a key or URL is missing.
    """
    if (lean := wanted.lean) is not None:
        return _lean(wanted, *lean)
    from deemster.backends._api import with_litellm  # noqa: PLC0415 - takes seconds

    given = wanted.given
    try:
        model, provider = with_litellm.find_provider(wanted.name, given.api_base)
    except InputError:
        if given.api_base is None or wanted.only_litellm:
            raise
        return _lean(wanted, wanted.name, ANY)  # a server that calls its model so
    given = with_litellm.with_keys_in_place(given, provider)
    supported = frozenset(with_litellm.litellm.get_supported_openai_params(model, provider) or ())
    options: dict[str, Any] = {
        "api_base": given.api_base,
        "api_key": given.api_key,
        "timeout": wanted.timeout,
    }
    if given.headers:
        options["extra_headers"] = dict(given.headers)
    mode = wanted.structured
    return Profile(
        road=with_litellm.LiteLLMRoad(wanted.name, provider, options),
        host=given.api_base or provider,
        key=given.api_key or "",
        supported=supported,
        mode=choose_mode(model, provider, supported) if mode == "auto" else mode,
        most_n=_MOST_N.get(provider, 128) if "n" in supported else 1,
        prefill=with_litellm.takes_prefill(model, provider),
        pricing=Pricing(model, provider, wanted.prices),
        output_limit="max_tokens",
    )


_MOST_N = {"gemini": 8, "vertex_ai": 8, "vertex_ai_beta": 8}
"""Completions that one request may ask for, where it is less than OpenAI's 128."""


def _lean(wanted: Wanted, model: str, provider: Provider) -> Profile:
    access = find_access(wanted.given, provider)
    return Profile(
        road=LeanRoad(model, access, wanted.given.headers),
        host=access.host,
        key=access.key,
        supported=None if provider.logprobs else _WITHOUT_LOGPROBS,
        mode=provider.mode if wanted.structured == "auto" else wanted.structured,
        most_n=provider.most_n,
        prefill=provider.prefill,
        pricing=_pricing(wanted, model, provider),
        output_limit=_output_limit(access),
    )


_WITHOUT_LOGPROBS = frozenset({"temperature", "top_p", "seed", "stop", "n"})


def _pricing(wanted: Wanted, model: str, provider: Provider) -> Pricing:
    name = wanted.name.partition("/")[0] if provider.listed else None
    return Pricing(model, name, wanted.prices)


def _output_limit(access: Access) -> str:
    """OpenAI's own service no longer takes `max_tokens` for all its models; others do."""
    return "max_completion_tokens" if access.host == "api.openai.com" else "max_tokens"


def read_pricing(wanted: Wanted) -> Pricing:
    """The price of a model; needs no key.

    Raises:
        InputError: the provider is unknown.
    """
    if (lean := wanted.lean) is not None:
        return _pricing(wanted, *lean)
    from deemster.backends._api import with_litellm  # noqa: PLC0415 - takes seconds

    return Pricing(*with_litellm.find_provider(wanted.name, wanted.given.api_base), wanted.prices)
