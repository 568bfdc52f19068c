"""What a user says about any service: where it is, how it is paid, and how hard it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from deemster.backends._api.keys import show, split
from deemster.backends._api.prices import Prices, read_prices
from deemster.backends._api.providers import Given
from deemster.backends.base import Trust
from deemster.backends.limits import Budget, check_limits
from deemster.errors import InputError


class ServiceOptions(TypedDict, total=False):
    """Keyword arguments of all that ask a service; see `APIBackend`."""

    api_key: str | None
    concurrency: int
    rate: float | None
    timeout: float
    attempt_timeout: float | None
    retries: int
    budget: Budget | None
    prices: Prices | Mapping[str, float] | None
    extra: Mapping[str, Any] | None
    trust: Trust


class ProviderOptions(ServiceOptions, total=False):
    """Those of backends whose model string names a provider."""

    api_base: str | None
    only_litellm: bool


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """`ServiceOptions` with their defaults.

    Raises:
        InputError: one is out of range.
    """

    api_key: str | None = field(default=None, repr=False)
    concurrency: int = 32
    rate: float | None = None
    timeout: float = 120.0
    attempt_timeout: float | None = None
    retries: int = 5
    budget: Budget | None = None
    prices: Prices | Mapping[str, float] | None = None
    extra: Mapping[str, Any] | None = field(default=None, repr=False)
    trust: Trust = True

    def __post_init__(self) -> None:
        check_limits(
            concurrency=self.concurrency,
            rate=self.rate,
            timeout=self.timeout,
            retries=self.retries,
            attempt_timeout=self.attempt_timeout,
        )
        if self.budget is not None and not isinstance(self.budget, Budget):
            raise InputError(
                f"budget must be a Budget, such as Budget(usd=5), got {type(self.budget).__name__}"
            )
        if self.api_key is not None and not isinstance(self.api_key, str):
            raise InputError(f"api_key must be a text, got {type(self.api_key).__name__}")

    def given(self, name: str, api_base: str | None) -> Given:
        """The way to a model; headers are taken out of `extra`."""
        extra = dict(self.extra or {})
        headers = extra.pop("extra_headers", None) or {}
        return Given(name, api_base, self.api_key, headers, extra, self.trust)

    def own_prices(self) -> Prices | None:
        """What the user says that the model costs.

        Raises:
            InputError: the prices are malformed.
        """
        return None if self.prices is None else read_prices(self.prices)


@dataclass(frozen=True, kw_only=True)
class ProviderSettings(ServiceSettings):
    """`ProviderOptions` with their defaults.

    Raises:
        InputError: one is out of range, or `api_base` is no URL.
    """

    api_base: str | None = None
    only_litellm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        base = self.api_base
        if base is not None and not isinstance(base, str):
            raise InputError(f"api_base must be a URL, got {base!r}")
        if base is not None and not base.startswith(("http://", "https://")):
            raise InputError(f"api_base must start with http:// or https://, got {show(base)}")
        if base is not None and split(base) is None:
            raise InputError(f"api_base is no URL, got {show(base)}")
