"""The draws of one request: grouped by `n` where the server takes it, one by one elsewhere."""

from __future__ import annotations

import asyncio
import copy
import re
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deemster.backends.base import Outcome
from deemster.backends.limits import Budget, Gate, Pause, with_retries
from deemster.backends.litellm_client import Client, complete
from deemster.backends.litellm_profile import Profile
from deemster.backends.litellm_reply import read_choices, read_usage, share, translate
from deemster.backends.structured import StructuredMode
from deemster.errors import BackendError
from deemster.schemas import Completion, Usage

NMode = Literal["auto", "batch", "single"]

_MOST_N = {"gemini": 8, "vertex_ai": 8, "vertex_ai_beta": 8}
"""Completions that one request may ask for, where it is less than OpenAI's 128."""


@dataclass
class Several:
    """What is known about asking this server for several completions at once."""

    mode: NMode
    refused: bool = False
    """It ignored or refused `n` > 1."""
    works: bool = False
    """It answered a request for `n` > 1 in full."""

    def most(self, profile: Profile) -> int:
        """Completions to ask for in one request."""
        use = self.mode == "batch" or (
            self.mode == "auto" and "n" in profile.supported and not self.refused
        )
        return _MOST_N.get(profile.provider, 128) if use else 1


@dataclass(frozen=True)
class LoopState:
    """What belongs to one event loop."""

    gate: Gate
    client: Client


@dataclass(frozen=True)
class Limits:
    """What bounds the calls of a backend on all loops."""

    budget: Budget
    pause: Pause
    attempts: int
    timeout: float


@dataclass(frozen=True)
class Draws:
    """A request made ready, and what its draws need."""

    profile: Profile
    state: LoopState
    limits: Limits
    several: Several
    options: dict[str, Any]
    """For LiteLLM, the same for all draws."""
    seeds: tuple[int, ...]
    mode: StructuredMode | None
    """None for free text."""
    prefix: str
    """How the completion was made to start."""
    api_key: str | None

    async def all(self, n: int) -> list[Outcome]:
        """Draws 0 to n - 1."""
        most = min(n, self.several.most(self.profile))
        ended = await _together(
            [self._group(first, min(most, n - first)) for first in range(0, n, most)]
        )
        return [outcome for outcomes in ended for outcome in outcomes]

    async def _group(self, first: int, count: int) -> list[Outcome]:
        """Draws `first` to `first + count - 1`, in one request if the server goes along."""
        outcomes = await self._request(first, count)
        several = self.several
        if count == 1 or several.mode == "batch":
            missing = f"the server returned {len(outcomes)} of {count} completions"
            return outcomes + [BackendError(missing) for _ in range(count - len(outcomes))]
        if several.works or not _is_bad_request(outcomes[0]):
            if len(outcomes) < count:
                several.refused = True
            elif isinstance(outcomes[0], Completion):
                several.works = True
            return outcomes + await self._singles(first + len(outcomes), first + count)
        # Refused: because of n, or for a reason that one completion meets as well? One more
        # request tells, and a request that can never work is not sent n times.
        spent = Usage.total(_usage(outcome) for outcome in outcomes)
        probe = (await self._request(first, 1))[0]
        spent += _usage(probe)
        if _is_bad_request(probe):
            return [_with_usage(probe, part) for part in share(spent, count)]
        several.refused = True
        return [_with_usage(probe, spent), *await self._singles(first + 1, first + count)]

    async def _singles(self, first: int, end: int) -> list[Outcome]:
        """Draws `first` to `end - 1`, one request each."""
        ended = await _together([self._request(draw, 1) for draw in range(first, end)])
        return [outcome for outcomes in ended for outcome in outcomes]

    async def _request(self, first: int, count: int) -> list[Outcome]:
        """One request for `count` draws: 1..count completions, or `count` errors."""
        options = dict(self.options)
        if count > 1:
            options["n"] = count
        if self.seeds and "seed" in self.profile.supported:
            options["seed"] = self.seeds[first]
        limits = self.limits
        spent = Usage()

        async def attempt() -> Any:  # noqa: ANN401 - LiteLLM's ModelResponse
            nonlocal spent
            limits.budget.admit()
            started = time.monotonic()
            usage = Usage()
            try:
                response = await complete(self.state.client, self.profile.provider, options)
                usage = read_usage(response, self.profile.pricing)
            except Exception as error:  # noqa: BLE001 - boundary to third-party code
                raise self._translated(error) from None
            finally:
                # An attempt without an answer is counted with the tokens that are known of: none.
                usage += Usage(calls=1, seconds=time.monotonic() - started)
                limits.budget.charge(usage)
                spent += usage
            if not response.choices:
                raise BackendError("the server's answer has no choice", retryable=True)
            return response

        try:
            response = await with_retries(
                attempt,
                gate=self.state.gate,
                pause=limits.pause,
                attempts=limits.attempts,
                timeout=limits.timeout,
            )
        except BackendError as error:
            return [_with_usage(error, part) for part in share(spent, count)]
        del response.choices[count:]
        return read_choices(response, spent, mode=self.mode, prefix=self.prefix)

    def _translated(self, error: Exception) -> BackendError:
        secrets = [self.api_key] if self.api_key else []
        profile = self.profile
        return translate(error, model=profile.model, provider=profile.provider, secrets=secrets)


async def _together(groups: Sequence[Awaitable[list[Outcome]]]) -> list[list[Outcome]]:
    """Await all; cancelling this cancels them. One alone needs no task of its own."""
    if len(groups) == 1:
        return [await groups[0]]
    # A failed draw is an outcome; what is raised here is a fault of this package, and is raised
    # only when the other draws have ended.
    ended = await asyncio.gather(*groups, return_exceptions=True)
    fine = [group for group in ended if not isinstance(group, BaseException)]
    for group in ended:
        if isinstance(group, BaseException):
            raise group
    return fine


def _is_bad_request(outcome: Outcome) -> bool:
    """Whether a request was refused as wrong, for which `n` may be the reason."""
    return type(outcome) is BackendError and bool(re.search(r"HTTP (400|422)\b", str(outcome)))


def _usage(outcome: Outcome) -> Usage:
    return outcome.usage or Usage()


def _with_usage(outcome: Outcome, usage: Usage) -> Outcome:
    """The same outcome with another usage."""
    if isinstance(outcome, Completion):
        return outcome.model_copy(update={"usage": usage})
    changed = copy.copy(outcome)
    changed.usage = usage
    return changed
