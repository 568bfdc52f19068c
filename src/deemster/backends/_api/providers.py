"""The providers that are asked directly, without LiteLLM: where they are and what they take."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from deemster.backends.structured import StructuredMode
from deemster.errors import UnusableModelError


@dataclass(frozen=True)
class Provider:
    """An OpenAI-compatible service, or a kind of server."""

    base: str | None
    """URL up to `/chat/completions`; None: there is no public one, so `api_base` is needed."""
    keys: tuple[str, ...]
    """Environment variables that may hold the key."""
    bases: tuple[str, ...]
    """Environment variables that may hold the URL."""
    mode: StructuredMode = "json_schema"
    """How a JSON schema is asked for at first; a refusal leads to the next weaker way."""
    most_n: int = 128
    """Completions that one request may ask for."""
    logprobs: bool = True
    prefill: bool = False
    """Whether it goes on from an assistant turn that the request begins."""
    listed: bool = True
    """Whether LiteLLM lists prices of its models."""


LEAN: Mapping[str, Provider] = {
    "openai": Provider(
        "https://api.openai.com/v1", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL", "OPENAI_API_BASE")
    ),
    "hosted_vllm": Provider(
        None, ("HOSTED_VLLM_API_KEY",), ("HOSTED_VLLM_API_BASE",), listed=False
    ),
    "lm_studio": Provider(
        None, ("LM_STUDIO_API_KEY",), ("LM_STUDIO_API_BASE",), most_n=1, listed=False
    ),
    "openrouter": Provider(
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_KEY", "OR_API_KEY"),
        ("OPENROUTER_API_BASE",),
        most_n=1,
    ),
    "together_ai": Provider(
        "https://api.together.xyz/v1",
        ("TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_TOKEN"),
        ("TOGETHERAI_API_BASE",),
    ),
    "deepseek": Provider(
        "https://api.deepseek.com/beta",
        ("DEEPSEEK_API_KEY",),
        ("DEEPSEEK_API_BASE",),
        mode="json",
        most_n=1,
        prefill=True,
    ),
    "groq": Provider(
        "https://api.groq.com/openai/v1",
        ("GROQ_API_KEY",),
        ("GROQ_API_BASE",),
        most_n=1,
        logprobs=False,
    ),
}

ANY = Provider(None, (), (), listed=False)
"""A server at an `api_base`, of which nothing is known."""

_REASONING = re.compile(
    r"(^|[/:_-])(o[1345]|gpt-[5-9]|deepseek-r\d|deepseek-reasoner|qwq|qwen3|magistral|gpt-oss|"
    r"glm-[45]|kimi-k2|minimax-m\d|grok-[34]|gemini-[23]\.?5?|nemotron)(?![a-z0-9])"
    r"|reason|think",
    re.IGNORECASE,
)


def seems_to_reason(model: str) -> bool:
    """Whether a model's name is that of one that thinks before it answers."""
    return bool(_REASONING.search(model))


@dataclass(frozen=True)
class Access:
    """Where requests go, and with which key."""

    url: str
    """Of the endpoint."""
    key: str
    """Empty: none is sent."""

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc


def find_access(
    name: str,
    provider: Provider,
    *,
    api_base: str | None,
    api_key: str | None,
    path: str = "/chat/completions",
) -> Access:
    """URL and key from the arguments, else from the environment, else the provider's own.

    Args:
        name: how messages call the model.
        provider: its service, or its kind of server.
        api_base: URL of the server; None looks for it.
        api_key: None looks for it.
        path: of the endpoint, after the base.

    Raises:
        UnusableModelError: there is no URL, or no key where the provider's own service needs one.
    """
    base = api_base or _first(provider.bases) or provider.base
    if base is None:
        variable = f", or set {provider.bases[0]}" if provider.bases else ""
        raise UnusableModelError(
            f"model {name!r} needs the URL of its server; give api_base, for example "
            f"'http://127.0.0.1:8000/v1'{variable}"
        )
    key = api_key or _first(provider.keys) or ""
    if not key and base == provider.base:
        raise UnusableModelError(
            f"no API key for model {name!r}; set {provider.keys[0]}, or give api_key, "
            "or the api_base of a server that needs none"
        )
    url = base.rstrip("/")
    return Access(url if url.endswith(path) else f"{url}{path}", key)


def _first(variables: tuple[str, ...]) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)
