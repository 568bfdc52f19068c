"""The draws of one request: grouped by `n` where the server takes it, one by one elsewhere."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from deemster.backends._api.adapting import Adaptations
from deemster.backends._api.answer import WireAnswer, choices_of
from deemster.backends._api.answer import usage_of as reported_usage
from deemster.backends._api.breaker import Breaker
from deemster.backends._api.outcome import probably_cut, read_choice, share, usage_of, with_usage
from deemster.backends._api.profile import Profile
from deemster.backends._api.request import Prepared
from deemster.backends._api.road import UnansweredError
from deemster.backends.base import Outcome
from deemster.backends.gate import Gate
from deemster.backends.limits import Budget, Patience, with_retries
from deemster.backends.schema_check import find_problem
from deemster.backends.structured import StructuredMode, correction
from deemster.errors import BackendError
from deemster.schemas import Completion, Usage

NMode = Literal["auto", "batch", "single"]


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
        if self.mode == "batch":
            return max(profile.most_n, 8)
        return profile.most_n if self.mode == "auto" and not self.refused else 1


@dataclass(frozen=True)
class Shared:
    """What all requests of a backend have in common, on all loops."""

    profile: Profile
    several: Several
    adaptations: Adaptations
    breaker: Breaker
    budget: Budget
    patience: Patience
    attempts: int
    timeout: float
    secrets: tuple[str, ...]
    label: str
    """How errors call the model."""
    reasoning_as_answer: bool
    structured_retries: int
    """How often the model is asked again for JSON that matches the schema."""


@dataclass(frozen=True)
class LoopState:
    """What belongs to one event loop."""

    gate: Gate
    session: aiohttp.ClientSession


@dataclass(frozen=True)
class Draws:
    """A request made ready, and what its draws need."""

    shared: Shared
    state: LoopState
    prepared: Prepared
    seeds: tuple[int, ...]
    words: int
    """Words of the prompt."""
    needs: frozenset[str]
    """Parameters without which the answers are of no use."""

    async def all(self, n: int) -> list[Outcome]:
        """Draws 0 to n - 1."""
        most = min(n, self.shared.several.most(self.shared.profile))
        ended = await _together(
            [self._group(first, min(most, n - first)) for first in range(0, n, most)]
        )
        return [outcome for outcomes in ended for outcome in outcomes]

    async def _group(self, first: int, count: int) -> list[Outcome]:
        """Draws `first` to `first + count - 1`, in one request if the server goes along."""
        outcomes = await self._request(first, count)
        if count == 1:
            return outcomes
        several = self.shared.several
        if several.mode != "batch" and not several.works and _is_bad_request(outcomes[0]):
            return await self._without_n(first, count, outcomes)
        outcomes = await self._mend(first, outcomes)
        if several.mode == "batch":
            missing = f"the server returned {len(outcomes)} of {count} completions"
            return outcomes + [BackendError(missing) for _ in range(count - len(outcomes))]
        if len(outcomes) < count:
            several.refused = True
        elif isinstance(outcomes[0], Completion):
            several.works = True
        return outcomes + await self._singles(range(first + len(outcomes), first + count))

    async def _without_n(self, first: int, count: int, refused: list[Outcome]) -> list[Outcome]:
        """Draws of a request that was refused, by `n` or for a reason that one meets as well.

        One more request tells, and a request that can never work is not sent n times.
        """
        spent = Usage.total(usage_of(outcome) for outcome in refused)
        probe = (await self._request(first, 1))[0]
        spent += usage_of(probe)
        if _is_bad_request(probe):
            return [with_usage(probe, part) for part in share(spent, count)]
        self.shared.several.refused = True
        rest = await self._singles(range(first + 1, first + count))
        return [with_usage(probe, spent), *rest]

    async def _mend(self, first: int, outcomes: list[Outcome]) -> list[Outcome]:
        """The choices of an answer, with those that are errors of a moment drawn again."""
        lost = [
            i
            for i, outcome in enumerate(outcomes)
            if isinstance(outcome, BackendError) and outcome.retryable
        ]
        if not lost or len(lost) == len(outcomes):
            return outcomes
        again = await self._singles([first + i for i in lost])
        mended = dict(zip(lost, again, strict=True))
        return [
            with_usage(mended[i], usage_of(mended[i]) + usage_of(outcome))
            if i in mended
            else outcome
            for i, outcome in enumerate(outcomes)
        ]

    async def _singles(self, draws: Sequence[int]) -> list[Outcome]:
        """One request for each of these draws."""
        if not draws:
            return []
        ended = await _together([self._request(draw, 1) for draw in draws])
        return [outcome for outcomes in ended for outcome in outcomes]

    async def _request(self, first: int, count: int) -> list[Outcome]:
        """One request for `count` draws: 1..count completions, or `count` errors."""
        more: dict[str, Any] = {}
        if count > 1:
            more["n"] = count
        if self.seeds and self._takes("seed"):
            more["seed"] = self.seeds[first]
        outcomes = await self._send(more, count)
        if self.shared.structured_retries and self.prepared.schema is not None:
            return list(await asyncio.gather(*(self._ask_again(more, out) for out in outcomes)))
        return outcomes

    async def _send(self, more: dict[str, Any], count: int) -> list[Outcome]:
        """The outcomes of one request, each with its part of what all attempts cost."""
        call = _Call(self, more, count)
        shared = self.shared
        try:
            outcomes = await with_retries(
                call.attempt,
                gate=self.state.gate,
                attempts=shared.attempts,
                timeout=shared.timeout,
                patience=shared.patience,
            )
        except BackendError as error:
            return [with_usage(error, part) for part in share(call.spent, count)]
        parts = share(call.spent, len(outcomes))
        return [with_usage(outcome, part) for outcome, part in zip(outcomes, parts, strict=True)]

    async def _ask_again(self, more: dict[str, Any], outcome: Outcome) -> Outcome:
        """The outcome, or a better one, if the model wrote no JSON that matches the schema.

        The model is shown its answer and what is wrong with it. An answer that was cut would only
        be cut again.
        """
        schema, mode = self.prepared.schema, self.mode
        messages = self.prepared.body(mode)["messages"]
        for _ in range(self.shared.structured_retries):
            if not isinstance(outcome, Completion) or outcome.finish == "length":
                return outcome
            if schema is None or not outcome.text:
                return outcome
            problem = find_problem(schema, outcome.text)
            if problem is None:
                return outcome
            messages = correction(mode, messages, outcome.text, problem)
            (better,) = await self._send({**more, "n": None, "messages": messages}, 1)
            spent = outcome.usage + usage_of(better)
            if not isinstance(better, Completion):
                return with_usage(outcome, spent)
            told = f"asked again, because the first answer did not match the schema: {problem}"
            outcome = better.model_copy(
                update={"usage": spent, "warnings": (*better.warnings, told)}
            )
        return outcome

    @property
    def mode(self) -> StructuredMode:
        """How a schema is asked for by now."""
        return self.shared.adaptations.mode(self.shared.profile.mode)

    def _takes(self, parameter: str) -> bool:
        supported = self.shared.profile.supported
        return supported is None or parameter in supported


class _Call:
    """One request, sent until it is answered, and what that cost."""

    def __init__(self, draws: Draws, more: dict[str, Any], count: int) -> None:
        self._draws = draws
        self._more = more
        self._count = count
        self.spent = Usage()

    async def attempt(self) -> list[Outcome]:
        """Send it; a parameter that is refused is left out and it is sent once more."""
        draws, shared = self._draws, self._draws.shared
        while True:
            shared.breaker.check()
            mode = draws.mode
            whole = {
                k: v for k, v in (draws.prepared.body(mode) | self._more).items() if v is not None
            }
            body, told = shared.adaptations.apply(whole)
            try:
                answer = await self._send(body)
            except UnansweredError as unanswered:
                fault = unanswered.fault
                error = fault.to_error(shared.label, shared.secrets)
                if shared.adaptations.learn(fault, body, mode, needs=draws.needs):
                    continue
                shared.breaker.failed(fault.status, str(error), final=not error.retryable)
                raise error from None
            shared.breaker.answered()
            return self._read(answer, body, told, mode)

    async def _send(self, body: dict[str, Any]) -> WireAnswer:
        shared = self._draws.shared
        shared.budget.admit()
        started = time.monotonic()
        # An attempt without an answer is counted with the tokens that are known of: none.
        usage = Usage()
        try:
            answer = await shared.profile.road.send(self._draws.state.session, body)
            usage = self._usage(answer)
            shared.patience.saw(time.monotonic() - started)
        finally:
            usage += Usage.model_construct(calls=1, seconds=time.monotonic() - started)
            shared.budget.charge(usage)
            self.spent += usage
        return answer

    def _usage(self, answer: WireAnswer) -> Usage:
        usage = reported_usage(answer)
        if usage is None:
            return Usage.model_construct(cost=None)
        cost = self._draws.shared.profile.pricing.cost(usage, answer.usage)
        return usage.model_copy(update={"cost": cost})

    def _read(
        self,
        answer: WireAnswer,
        body: dict[str, Any],
        told: tuple[str, ...],
        mode: StructuredMode,
    ) -> list[Outcome]:
        draws = self._draws
        choices = choices_of(answer)[: self._count]
        if not choices:
            raise BackendError("the server's answer has no choice", retryable=True)
        reported = reported_usage(answer)
        if reported is not None and (cut := probably_cut(reported.tokens_in, draws.words)):
            told = (*told, cut)
        each = share(reported or Usage(), len(choices))
        sent = draws.prepared.changed(body)
        outcomes = [
            read_choice(
                choice,
                draws.prepared,
                tools=mode == "tools" and draws.prepared.schema is not None,
                usage=usage,
                model=str(answer.model or ""),
                reasoning_as_answer=draws.shared.reasoning_as_answer,
            )
            for choice, usage in zip(choices, each, strict=True)
        ]
        if len(outcomes) == 1 and isinstance(outcomes[0], BackendError) and outcomes[0].retryable:
            raise outcomes[0]
        if not told and sent is None:
            return outcomes
        return [
            outcome.model_copy(update={"sent": sent, "warnings": (*outcome.warnings, *told)})
            if isinstance(outcome, Completion)
            else outcome
            for outcome in outcomes
        ]


async def _together(groups: Sequence[Awaitable[list[Outcome]]]) -> list[list[Outcome]]:
    """Await all; cancelling this cancels them. One alone needs no task of its own."""
    if len(groups) == 1:
        return [await groups[0]]
    # A failed draw is an outcome; what is raised here is a fault of this package or the user's,
    # and is raised only when the other draws have ended.
    ended = await asyncio.gather(*groups, return_exceptions=True)
    fine = [group for group in ended if not isinstance(group, BaseException)]
    for group in ended:
        if isinstance(group, BaseException):
            raise group
    return fine


def _is_bad_request(outcome: Outcome) -> bool:
    """Whether a request was refused as wrong, for which `n` may be the reason."""
    return type(outcome) is BackendError and bool(re.search(r"HTTP (400|422)\b", str(outcome)))
