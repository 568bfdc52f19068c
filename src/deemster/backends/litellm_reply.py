"""From what LiteLLM returns or raises to completions, usage and this package's errors."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from deemster.backends.base import Outcome
from deemster.backends.structured import StructuredMode, payload
from deemster.errors import BackendError, ContextLengthError, RefusedError
from deemster.schemas import Completion, Record, TokenLogprob, Usage

_RETRYABLE = frozenset({408, 409, 425, 429})
_QUOTA = re.compile(
    r"insufficient_quota|billing|credit balance|exceeded your current quota", re.IGNORECASE
)
_BLOCKED = re.compile(r"content_filter|content_policy|content management policy", re.IGNORECASE)
_KEY = re.compile(r"\b(sk|pk|rk|gsk|xai|hf|AIza|Bearer)[-_ ][A-Za-z0-9_\-.*]{6,}")
_LONGEST = 300
"""Characters of a provider's error text that are kept."""


class Prices(Record):
    """What a model costs, for models that LiteLLM has no price of. US dollars per million."""

    tokens_in: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tokens_out: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tokens_cached: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Tokens read from the prompt cache; None charges them like any other."""

    def cost(self, usage: Usage) -> float:
        """US dollars for these tokens."""
        cached = self.tokens_in if self.tokens_cached is None else self.tokens_cached
        fresh = usage.tokens_in - usage.tokens_cached
        total = (
            fresh * self.tokens_in
            + usage.tokens_cached * cached
            + usage.tokens_out * self.tokens_out
        )
        return total / 1e6


class Pricing:
    """Finds the price of an answer: the user's, LiteLLM's, or none.

    Args:
        model: name without the provider.
        provider: LiteLLM's name of it.
        prices: what the user said it costs.
    """

    def __init__(self, model: str, provider: str, prices: Prices | None) -> None:
        self._model = model
        self._provider = provider
        self._prices = prices
        self._known = prices is not None or self._listed(1, 1) is not None

    @property
    def known(self) -> bool:
        """Whether answers have a cost."""
        return self._known

    def cost(self, usage: Usage, reported: object) -> float | None:
        """US dollars of one answer; None if the model's price or its tokens are unknown."""
        if not self._known or usage.tokens_in + usage.tokens_out == 0:
            return None
        if self._prices is not None:
            return self._prices.cost(usage)
        return self._listed(usage.tokens_in, usage.tokens_out, reported)

    def _listed(self, tokens_in: int, tokens_out: int, reported: object = None) -> float | None:
        import litellm  # noqa: PLC0415

        try:
            cost_in, cost_out = litellm.cost_per_token(
                model=self._model,
                custom_llm_provider=self._provider,
                prompt_tokens=tokens_in,
                completion_tokens=tokens_out,
                usage_object=reported,
            )
        except Exception:  # noqa: BLE001 - it raises plain Exception for a model it does not list
            return None
        return float(cost_in + cost_out)


def read_usage(response: Any, pricing: Pricing) -> Usage:  # noqa: ANN401 - LiteLLM's ModelResponse
    """Tokens and cost of a whole answer; `calls` and `seconds` are the caller's to add."""
    reported = getattr(response, "usage", None)
    if reported is None:
        return Usage(cost=None)
    tokens_in = int(getattr(reported, "prompt_tokens", 0) or 0)
    details = getattr(reported, "prompt_tokens_details", None)
    cached = int(getattr(details, "cached_tokens", 0) or 0)
    usage = Usage(
        tokens_in=tokens_in,
        tokens_out=int(getattr(reported, "completion_tokens", 0) or 0),
        tokens_cached=min(cached, tokens_in),
        cost=None,
    )
    cost = pricing.cost(usage, reported)
    return usage if cost is None else usage.model_copy(update={"cost": cost})


def share(usage: Usage, n: int) -> list[Usage]:
    """Split into `n` parts that sum to it, counts exactly, the remainders to the first parts."""

    def part(count: int, i: int) -> int:
        return count // n + (i < count % n)

    return [
        Usage(
            calls=part(usage.calls, i),
            tokens_in=part(usage.tokens_in, i),
            tokens_out=part(usage.tokens_out, i),
            tokens_cached=part(usage.tokens_cached, i),
            cost=None if usage.cost is None else usage.cost / n,
            seconds=usage.seconds / n,
        )
        for i in range(n)
    ]


def read_choices(
    response: Any,  # noqa: ANN401 - LiteLLM's ModelResponse
    usage: Usage,
    *,
    mode: StructuredMode | None,
    prefix: str,
) -> list[Outcome]:
    """One outcome per choice, in the provider's order, the usage split between them."""
    choices = sorted(response.choices, key=lambda choice: choice.index or 0)
    parts = share(usage, len(choices)) if choices else []
    model = str(response.model or "")
    return [
        _read_choice(choice, part, model=model, mode=mode, prefix=prefix)
        for choice, part in zip(choices, parts, strict=True)
    ]


def _read_choice(
    choice: Any,  # noqa: ANN401 - LiteLLM's Choices
    usage: Usage,
    *,
    model: str,
    mode: StructuredMode | None,
    prefix: str,
) -> Outcome:
    message = choice.message
    extra = getattr(message, "provider_specific_fields", None) or {}
    refusal = getattr(message, "refusal", None) or extra.get("refusal")
    if refusal:
        return RefusedError(f"the model refused: {str(refusal)[:_LONGEST]}", usage=usage)
    if choice.finish_reason == "content_filter":
        return RefusedError("the provider's content filter stopped the answer", usage=usage)
    text = str(message.content or "") if mode is None else payload(mode, message)
    finish: Literal["stop", "length"] = "length" if choice.finish_reason == "length" else "stop"
    return Completion(
        text=text.removeprefix(prefix),
        finish=finish,
        logprobs=_read_logprobs(getattr(choice, "logprobs", None)),
        usage=usage,
        model=model,
    )


def _read_logprobs(logprobs: object) -> tuple[TokenLogprob, ...] | None:
    content = _field(logprobs, "content")
    if not isinstance(content, Sequence):
        return None
    return tuple(
        TokenLogprob(
            token=_field(entry, "token"),
            logprob=_field(entry, "logprob"),
            top=tuple(
                (_field(top, "token"), _field(top, "logprob"))
                for top in _field(entry, "top_logprobs") or ()
            ),
        )
        for entry in content
    )


def _field(value: object, name: str) -> Any:  # noqa: ANN401 - some providers give dicts
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def translate(
    error: Exception, *, model: str, provider: str, secrets: Iterable[str]
) -> BackendError:
    """This package's error for what a LiteLLM call raised, with no key in its text."""
    import litellm  # noqa: PLC0415

    try:
        mapped = litellm.exception_type(
            model=model, custom_llm_provider=provider, original_exception=error
        )
    except Exception as raised:  # noqa: BLE001 - it raises what it maps to
        mapped = raised
    status = getattr(error, "status_code", None) or getattr(mapped, "status_code", None)
    said = str(getattr(error, "message", "") or error)
    text = scrub(f"{provider}/{model}: {_summary(said, status, error)}", secrets)
    if isinstance(mapped, litellm.ContextWindowExceededError):
        return ContextLengthError(text)
    blocked = status in {400, 403} and _BLOCKED.search(said)
    if blocked or isinstance(mapped, litellm.ContentPolicyViolationError):
        return RefusedError(text)
    retryable = isinstance(status, int) and (
        status in _RETRYABLE or status >= 500 or status < 400  # an answer that is none
    )
    if _QUOTA.search(said):
        retryable = False
    return BackendError(text, retryable=retryable, retry_after=_retry_after(error, mapped))


def _summary(said: str, status: object, error: Exception) -> str:
    """The provider's own words, on one line."""
    found = re.search(r'"message"\s*:\s*"((?:[^"\\]|\\.)*)"', said)
    words = " ".join((found.group(1) if found else said).split())[:_LONGEST]
    what = f"HTTP {status}" if isinstance(status, int) else type(error).__name__
    return f"{what}: {words}" if words else what


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Replace keys: the given ones, those in the environment, and whatever looks like one."""
    known = [*secrets, *(v for k, v in os.environ.items() if k.endswith(("_KEY", "_TOKEN")))]
    for secret in known:
        if len(secret) >= 6:
            text = text.replace(secret, "***")
    return _KEY.sub(r"\1-***", text)


def _retry_after(*errors: object) -> float | None:
    """Seconds the provider asked to wait: `Retry-After` in seconds or as a date, or in ms."""
    for error in errors:
        headers = getattr(error, "headers", None) or getattr(
            getattr(error, "response", None), "headers", None
        )
        if headers is None:
            continue
        lowered = {str(name).lower(): str(value) for name, value in dict(headers).items()}
        try:
            if "retry-after-ms" in lowered:
                return max(0.0, float(lowered["retry-after-ms"]) / 1000)
            if "retry-after" in lowered:
                return max(0.0, _seconds(lowered["retry-after"]))
        except ValueError:
            continue
    return None


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        until = parsedate_to_datetime(value)
        if until.tzinfo is None:
            until = until.replace(tzinfo=dt.UTC)
        return (until - dt.datetime.now(tz=dt.UTC)).total_seconds()
    if not math.isfinite(seconds):
        raise ValueError(f"not a time: {value!r}")
    return seconds
