"""The providers that are asked directly, without LiteLLM: where they are and what they take."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from deemster.backends._api.keys import Grant, check_sent, grant, show, tell_withheld
from deemster.backends.base import Trust
from deemster.backends.structured import StructuredMode
from deemster.errors import UnusableModelError
from deemster.redaction import (
    environment_secrets,
    forms_of,
    hidden_in,
    note_login,
    note_secret,
    secrets_in,
)


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
    login: str = ""
    """`user:password` of the URL as it was given, which goes in place of a key."""

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    @property
    def authorization(self) -> str:
        """The header; empty: none."""
        if self.login:
            return f"Basic {base64.b64encode(self.login.encode()).decode()}"
        return f"Bearer {self.key}" if self.key else ""

    @property
    def shown(self) -> str:
        """The URL as messages show it, without login and query."""
        return show(self.url)


@dataclass(frozen=True)
class Given:
    """What was said about the way to a model."""

    name: str
    """The model string."""
    api_base: str | None = None
    api_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of the request."""
    trust: Trust = True
    """See `APIBackend`."""

    @property
    def sent(self) -> dict[str, Any]:
        """By option, what goes to the server."""
        return {
            "api_key": self.api_key,
            "extra_headers": self.headers,
            "extra": self.extra,
            "api_base": self.api_base,
        }


def sent_secrets(given: Given, key: str) -> tuple[str, ...]:
    """The secrets that a server is shown, and may show again; no text shows them from now on."""
    base = urlsplit(given.api_base or "")
    login = base.netloc.rpartition("@")[0]
    if login:
        note_login(login)
    values = (value for _, value in parse_qsl(base.query))
    header = base64.b64encode(unquote(login).encode()).decode()
    password = unquote(login.partition(":")[2])
    found = [key, *map(str, given.headers.values()), password, header, *values]
    found += [*hidden_in(given.sent), *secrets_in(given.extra)]
    secrets = tuple(text for text in found if len(text) >= _SHORTEST)
    for secret in secrets:
        note_secret(secret)
    every = {form for secret in secrets for form in forms_of(secret)}
    # LiteLLM finds keys by itself.
    every |= {form for form in environment_secrets() if len(form) >= _SHORTEST}
    return tuple(sorted(every, key=lambda form: (-len(form), form)))  # one may be part of another


_SHORTEST = 8
"""Characters of the shortest secret that is looked for in answers; `EMPTY` is no key."""


def find_access(given: Given, provider: Provider, *, path: str = "/chat/completions") -> Access:
    """URL and key from the arguments, else from the environment, else the provider's own.

    Args:
        given: what was said of the way to the model; what it lacks is looked for.
        provider: its service, or its kind of server.
        path: of the endpoint, after the base.

    Raises:
        UnusableModelError: there is no URL, or no key where the provider's own service needs one,
            or a file's server would get what only the user may give it.
    """
    environment = [os.environ[name] for name in provider.bases if os.environ.get(name)]
    base = given.api_base or next(iter(environment), None) or provider.base
    if base is None:
        variable = f", or set {provider.bases[0]}" if provider.bases else ""
        raise UnusableModelError(
            f"model {given.name!r} needs the URL of its server; give api_base, for example "
            f"'http://127.0.0.1:8000/v1'{variable}"
        )
    allowed = grant(given.api_base, (provider.base, *environment), given.trust)
    check_sent(base, given.sent, allowed, given.name)
    base, login = _parted(base)
    key = given.api_key or ("" if login else _key(given, provider, base, allowed))
    if not key and base == provider.base:
        raise UnusableModelError(
            f"no API key for model {given.name!r}; set {provider.keys[0]}, or give api_key, "
            "or the api_base of a server that needs none"
        )
    return Access(_endpoint(base, path), key, "" if given.api_key else login)


def _key(given: Given, provider: Provider, base: str, allowed: Grant) -> str:
    """The key of the environment that may go to the server; empty if there is none."""
    variable = next((name for name in provider.keys if os.environ.get(name)), None)
    if not allowed.everything:
        if allowed.variable is not None:
            return os.environ.get(allowed.variable, "")
        if variable is not None:
            tell_withheld(given.name, base, variable)
        return ""
    return os.environ[variable] if variable else ""


def _parted(base: str) -> tuple[str, str]:
    """A URL without its login, and the login."""
    parts = urlsplit(base)
    login, at, host = parts.netloc.rpartition("@")
    return (parts._replace(netloc=host).geturl(), unquote(login)) if at else (base, "")


def server_root(base: str) -> str:
    """The URL without `/v1`, which a server's own endpoints do not stand under."""
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    return parts._replace(path=path.removesuffix("/v1")).geturl()


def _endpoint(base: str, path: str) -> str:
    """The URL of an endpoint under `base`, whose query stays at its end."""
    url, mark, query = base.partition("?")
    url = url.rstrip("/")
    url = url if url.endswith(path) else f"{url}{path}"
    return f"{url}{mark}{query}"
