"""The other road: any provider that LiteLLM serves, through its documented calls.

Importing this module imports LiteLLM, which takes seconds: do so in a thread.
"""

from __future__ import annotations

import copy
import logging
import os
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

# Without it, the import fetches a price list from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import aiohttp
import httpx
import litellm as litellm  # noqa: PLC0414 - for those who import it from here
import openai
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
from litellm.llms.openai.common_utils import BaseOpenAILLM

from deemster.backends._api.answer import WireAnswer, fault_of, read_answer
from deemster.backends._api.decision_wire import Wire
from deemster.backends._api.faults import Fault
from deemster.backends._api.keys import check_sent, grant, remedy, show
from deemster.backends._api.lean import causes
from deemster.backends._api.providers import LEAN, Given
from deemster.backends._api.road import UnansweredError
from deemster.backends.loops import PerLoop
from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.redaction import redact
from deemster.runtime import run_in_background


def _staying(make: Callable[..., Any]) -> Callable[..., Any]:
    """Clients that follow no redirects: those carry keys in headers other than Authorization."""

    def made(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - httpx.AsyncClient
        client = make(*args, **options)
        client.follow_redirects = False
        return client

    return made


# LiteLLM has no setting for it, and makes its clients in these two places.
AsyncHTTPHandler.create_client = _staying(AsyncHTTPHandler.create_client)
BaseOpenAILLM._get_async_http_client = staticmethod(  # noqa: SLF001
    _staying(BaseOpenAILLM._get_async_http_client)  # noqa: SLF001
)


class _Redacting(logging.Filter):
    """Takes the secrets out of what LiteLLM and the clients under it log, headers above all."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)))
            record.exc_info = None
        return True


for _name in [*logging.root.manager.loggerDict]:
    if _name.partition(".")[0].partition(" ")[0] in {"LiteLLM", "openai", "httpx", "httpcore"}:
        logging.getLogger(_name).addFilter(_Redacting())
litellm.telemetry = False
litellm.suppress_debug_info = True  # it prints advice to stdout on every error


class LiteLLMRoad:
    """Requests through `litellm.acompletion`, whose own retries are off.

    Args:
        name: LiteLLM model string.
        provider: LiteLLM's name of the provider.
        options: for every call: `api_base`, `api_key`, `timeout`.
    """

    def __init__(self, name: str, provider: str, options: dict[str, Any]) -> None:
        self.name, self.provider, self.given = name, provider, options
        if provider in litellm.openai_compatible_providers:
            # Some of these lose `max_retries` on the way to the OpenAI SDK, which then sends a
            # failed request twice more.
            options = options | {"allowed_openai_params": ["max_retries"]}
        self._fetches = provider not in _TAKES_URLS
        self._options = {
            "model": name,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,  # what is not sent is to be known: see `Adaptations`
            **options,
        }

    async def send(
        self,
        _session: aiohttp.ClientSession,
        body: dict[str, Any],
        _draws: tuple[int, ...] = (),
    ) -> WireAnswer:
        """The answer to one request; see `Road.send`. LiteLLM has connections of its own."""
        if self._fetches:
            _refuse_images_by_url(body["messages"])
        try:
            # LiteLLM keeps a client, and a queue of its own, for every loop it is used on, and
            # never gives one up: all its calls run on one loop.
            # It also changes what it is given.
            response = await run_in_background(_complete(self._options | copy.deepcopy(body)))
        except Exception as error:  # noqa: BLE001 - boundary to third-party code
            raise translated(error) from None
        answer = read_answer(response.model_dump())
        if answer is None:
            raise BackendError("LiteLLM gave no completion", retryable=True)
        fault = fault_of(answer)
        if fault is not None:
            raise UnansweredError(fault)
        return answer


class LiteLLMDecisions:
    """Requests through `litellm.adecisions` or `litellm.asystemone`.

    Args:
        wire: which of them.
        name: LiteLLM model string.
        options: for every call: `api_base`, `api_key`, `timeout`.

    Raises:
        InputError: the installed LiteLLM has no decision models.
    """

    def __init__(self, wire: Wire, name: str, options: dict[str, Any]) -> None:
        call = getattr(litellm, f"a{wire}", None)
        if call is None:
            raise InputError(
                f"model '{wire}:{name}' needs a LiteLLM with a{wire}; update litellm, or give the "
                "api_base of a server and one of the providers that are asked directly"
            )
        self._call: Callable[..., Awaitable[Any]] = call
        self._options = {"model": name, "num_retries": 0, **options}

    async def send(self, _session: aiohttp.ClientSession, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request, as the wire's own server would give it."""
        try:
            reply = await run_in_background(self._ask(copy.deepcopy(body)))
        except Exception as error:  # noqa: BLE001 - boundary to third-party code
            raise translated(error) from None
        found: dict[str, Any] = reply.model_dump(mode="json")
        return found

    async def _ask(self, body: dict[str, Any]) -> Any:  # noqa: ANN401 - LiteLLM's responses
        await _CLIENTS.get()
        return await self._call(**self._options, **body)


_TAKES_URLS = frozenset({*litellm.openai_compatible_providers, "azure", "mistral", "openai"})
"""Providers to which LiteLLM passes the URL of an image on."""


def _refuse_images_by_url(messages: list[dict[str, Any]]) -> None:
    """Raise `BackendError` if LiteLLM would fetch an image for the provider.

    It does so from this machine, and the URL stands in the data: it may be one of a private
    network.
    """
    for message in messages:
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            url = part.get("image_url", {}).get("url", "data:")
            if not url.startswith("data:"):
                raise BackendError(
                    f"the image {url!r:.80} is not fetched, and this provider takes no URLs; "
                    "put the image itself into the data, as a data: URL"
                )


async def _complete(options: dict[str, Any]) -> Any:  # noqa: ANN401 - LiteLLM's ModelResponse
    await _CLIENTS.get()
    return await litellm.acompletion(**options)


async def _close_clients(_: bool) -> None:
    await litellm.close_litellm_async_clients()


_CLIENTS: PerLoop[bool] = PerLoop(lambda: True, close=_close_clients, abandon=lambda _: None)
"""Closes LiteLLM's connections when the loop that they belong to ends."""


def find_provider(name: str, api_base: str | None) -> tuple[str, str]:
    """(model, provider) as LiteLLM names them.

    Raises:
        InputError: it knows no such provider.
    """
    try:
        model, provider, _, _ = litellm.get_llm_provider(name, api_base=api_base)
    except Exception as error:
        raise InputError(
            f"LiteLLM knows no provider for model {name!r}; give 'provider/model', "
            "for example 'openai/gpt-5-mini'"
        ) from error
    return model, provider


def with_keys_in_place(given: Given, provider: str) -> Given:
    """The same, with a key for LiteLLM to use where it must not look for one itself.

    Raises:
        UnusableModelError: the options are a file's, and with them LiteLLM might send the keys
            of the environment to a server that the user did not name.
    """
    if given.trust is True:
        return given
    name, base = given.name, given.api_base
    odd = sorted(given.extra.keys() - _HARMLESS)
    if odd or "://" in name:
        what = f"extra {odd[0]!r}" if odd else "a URL in the model's name"
        raise UnusableModelError(
            f"model {name!r}: {what} of a file may change where LiteLLM sends keys; "
            "if that is meant, give --trust-suite (in Python: trust=True)"
        )
    if base is None:
        return given
    own = LEAN[provider].base if provider in LEAN else None
    allowed = grant(base, (own, _own_base(name)), given.trust)
    check_sent(base, given.sent, allowed, name)
    if allowed.everything or (given.api_key and provider in _BY_KEY_ALONE):
        return given
    if allowed.variable is not None and os.environ.get(allowed.variable):
        return replace(given, api_key=os.environ[allowed.variable])
    if provider in _KEYLESS:
        return replace(given, api_key="none")  # LiteLLM would look for one
    variable = next(iter(missing_keys(name, None, None)), f"{provider.upper()}_API_KEY")
    raise UnusableModelError(
        f"model {name!r}: LiteLLM would send keys of the environment to {show(base)}, which a file "
        f"names; for an OpenAI-compatible server write 'openai/…' or 'hosted_vllm/…'; "
        + remedy(base, variable)
    )


def _own_base(name: str) -> str | None:
    """The URL that LiteLLM asks a model at, where it has one for the provider."""
    try:
        base: str | None = litellm.get_llm_provider(name)[3]
    except Exception:  # noqa: BLE001 - it raises plain Exception for a model it does not know
        return None
    return base


_HARMLESS = frozenset({
    "api_version", "frequency_penalty", "keep_alive", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "min_p", "min_tokens", "n", "num_ctx",
    "parallel_tool_calls", "presence_penalty", "prompt_cache_key", "reasoning",
    "reasoning_effort", "repetition_penalty", "response_format", "safety_identifier", "seed",
    "service_tier", "stop", "store", "temperature", "thinking", "tool_choice", "tools", "top_a",
    "top_k", "top_logprobs", "top_p", "typical_p", "user", "verbosity",
})  # fmt: skip
"""Parameters that change what a model does, not where LiteLLM sends it and with which keys."""
_KEYLESS = frozenset({"ollama", "ollama_chat", "llamafile", "custom_openai", "xinference"})
"""Servers of one's own, which need no key."""
_BY_KEY_ALONE = _KEYLESS | {"deepinfra", "fireworks_ai", "mistral", "nvidia_nim", "perplexity"}
"""Where a key that is given is all that is sent to tell who asks."""


def takes_prefill(model: str, provider: str) -> bool:
    """Whether the model goes on from an assistant turn that the request begins."""
    try:
        info = litellm.get_model_info(model, provider)
    except Exception:  # noqa: BLE001 - it raises plain Exception for a model it does not list
        return False
    return bool(info.get("supports_assistant_prefill"))


def missing_keys(name: str, api_key: str | None, api_base: str | None) -> list[str]:
    """Environment variables that LiteLLM needs for this model and does not find."""
    found = litellm.validate_environment(name, api_key=api_key, api_base=api_base)
    return [] if found["keys_in_environment"] else list(found["missing_keys"])


def translated(error: Exception) -> Exception:
    """What a LiteLLM exception stands for: an answer of the provider's, or no connection."""
    if isinstance(error, litellm.Timeout):
        return BackendError(f"no answer: {error}", retryable=True)
    response = getattr(error, "response", None)
    said = getattr(error, "message", None) or str(error)
    status = getattr(error, "status_code", None)
    broken = any(isinstance(cause, _BROKEN) for cause in causes(error))
    if broken or not isinstance(status, int):
        # LiteLLM gives every broken connection, and many a fault of its own, the status 500.
        return BackendError(f"no answer: {' '.join(said.split())[:300]}", retryable=True)
    body = getattr(error, "body", None)
    fault = Fault.read(status, body if isinstance(body, dict) else said, _headers(error, response))
    if isinstance(error, litellm.ContextWindowExceededError):
        return _as(fault, "context_length_exceeded")
    if isinstance(error, litellm.ContentPolicyViolationError):
        return _as(fault, "content_policy")
    return UnansweredError(fault)


_BROKEN = (litellm.APIConnectionError, openai.APIConnectionError, httpx.TransportError, OSError)


def _as(fault: Fault, code: str) -> UnansweredError:
    return UnansweredError(replace(fault, status=400, code=code))


def _headers(error: Exception, response: object) -> dict[str, str]:
    for source in (error, response):
        headers = getattr(source, "headers", None) or getattr(
            source, "litellm_response_headers", None
        )
        if headers:
            return {str(name): str(value) for name, value in dict(headers).items()}
    return {}
