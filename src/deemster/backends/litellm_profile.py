"""What LiteLLM knows about a model, looked up once."""

from __future__ import annotations

from dataclasses import dataclass

from deemster.backends.litellm_client import has_openai_access, litellm, takes_prefill
from deemster.backends.litellm_reply import Prices, Pricing
from deemster.backends.structured import StructuredMode, choose_mode
from deemster.errors import InputError


@dataclass(frozen=True)
class Profile:
    """Name, capabilities and price of a model."""

    model: str
    """Without the provider."""
    provider: str
    supported: frozenset[str]
    """The OpenAI parameters that LiteLLM passes on to the provider."""
    mode: StructuredMode
    """How a JSON schema is asked for."""
    prefill: bool
    """Whether it goes on from an assistant turn that the request begins."""
    pricing: Pricing


def read_profile(
    name: str,
    *,
    api_base: str | None,
    api_key: str | None,
    structured: StructuredMode,
    prices: Prices | None,
) -> Profile:
    """Look a LiteLLM model string up.

    Raises:
        InputError: the provider is unknown, or OpenAI is meant and there is no key.
    """
    model, provider = _find(name, api_base)
    if provider == "openai" and not has_openai_access(api_base, api_key):
        raise InputError(
            f"no API key for model {name!r}; set OPENAI_API_KEY, or give api_key, "
            "or the api_base of a server that needs none"
        )
    supported = frozenset(litellm.get_supported_openai_params(model, provider) or ())
    return Profile(
        model=model,
        provider=provider,
        supported=supported,
        mode=choose_mode(model, provider, supported) if structured == "auto" else structured,
        prefill=takes_prefill(model, provider),
        pricing=Pricing(model, provider, prices),
    )


def read_pricing(name: str, *, api_base: str | None, prices: Prices | None) -> Pricing:
    """The price of a LiteLLM model string; needs no key.

    Raises:
        InputError: the provider is unknown.
    """
    return Pricing(*_find(name, api_base), prices)


def _find(name: str, api_base: str | None) -> tuple[str, str]:
    """(model, provider) as LiteLLM names them."""
    try:
        model, provider, _, _ = litellm.get_llm_provider(name, api_base=api_base)
    except Exception as error:
        raise InputError(
            f"LiteLLM knows no provider for model {name!r}; give 'provider/model', "
            "for example 'openai/gpt-5-mini'"
        ) from error
    return model, provider
