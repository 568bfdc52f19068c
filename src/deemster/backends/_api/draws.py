"""The draws of one request: grouped by `n` where the server takes it, one by one elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from deemster.backends._api.call import Asked, Call
from deemster.backends._api.outcome import share, usage_of, with_usage
from deemster.backends.base import Outcome
from deemster.backends.limits import with_retries
from deemster.backends.schema_check import find_problem
from deemster.backends.structured import correction, load_instructor
from deemster.errors import BackendError
from deemster.schemas import Completion, Usage


@dataclass(frozen=True)
class Draws:
    """What is drawn for one request, with a seed for each draw or none at all."""

    asked: Asked
    seeds: tuple[int, ...]

    def all(self, n: int) -> Coroutine[Any, Any, list[Outcome]]:
        """Draws 0 to n - 1."""
        # What only passes an answer on is no coroutine: each one would be run through again for
        # every event of its request.
        most = min(n, self.asked.shared.several.most(self.asked.shared.profile))
        return self._group(0, n) if most == n else self._groups(n, most)

    async def _groups(self, n: int, most: int) -> list[Outcome]:
        """Draws 0 to n - 1, at most so many in one request."""
        ended = await _together(
            [self._group(first, min(most, n - first)) for first in range(0, n, most)]
        )
        return [outcome for outcomes in ended for outcome in outcomes]

    def _group(self, first: int, count: int) -> Coroutine[Any, Any, list[Outcome]]:
        """Draws `first` to `first + count - 1`, in one request if the server goes along."""
        return self._request(first, 1) if count == 1 else self._several(first, count)

    async def _several(self, first: int, count: int) -> list[Outcome]:
        outcomes = await self._request(first, count)
        several = self.asked.shared.several
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
        self.asked.shared.several.refused = True
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

    def _request(self, first: int, count: int) -> Coroutine[Any, Any, list[Outcome]]:
        """One request for `count` draws: 1..count completions, or `count` errors."""
        more: dict[str, Any] = {}
        if count > 1:
            more["n"] = count
        if self.seeds and self._takes("seed"):
            more["seed"] = self.seeds[first]
        draws = range(first, first + count)
        if self.asked.shared.structured_retries and self.asked.prepared.schema:
            return self._send_and_check(more, draws)
        return self._send(more, draws)

    async def _send_and_check(self, more: dict[str, Any], draws: range) -> list[Outcome]:
        """The outcomes of one request; those that do not match the schema are asked for again."""
        outcomes = await self._send(more, draws)
        problems = [self._problem(outcome) for outcome in outcomes]
        if not any(problems):
            return outcomes
        again = (
            self._ask_again(more, draws.start + i, *one)
            for i, one in enumerate(zip(outcomes, problems, strict=True))
        )
        return list(await asyncio.gather(*again))

    async def _send(self, more: dict[str, Any], draws: range) -> list[Outcome]:
        """The outcomes of one request, each with its part of what all attempts cost."""
        call = Call(self.asked, more, draws)
        shared = self.asked.shared
        try:
            return await with_retries(
                call.attempt,
                gate=self.asked.state.gate,
                attempts=shared.attempts,
                timeout=shared.timeout,
                patience=shared.patience,
            )
        except BackendError as error:
            return [with_usage(error, part) for part in share(call.spent, len(draws))]

    def _problem(self, outcome: Outcome) -> str | None:
        """What is wrong with an answer that the model may write better when it is shown that.

        One that was cut would only be cut again.
        """
        if not isinstance(outcome, Completion) or outcome.finish == "length" or not outcome.text:
            return None
        return find_problem(self.asked.prepared.schema, outcome.text)

    async def _ask_again(
        self, more: dict[str, Any], draw: int, outcome: Outcome, problem: str | None
    ) -> Outcome:
        """The outcome, or a better one, if the model wrote no JSON that matches the schema.

        The model is shown its answer and what is wrong with it.
        """
        mode = self.asked.mode
        messages = self.asked.prepared.body(mode)["messages"]
        again = range(draw, draw + 1)
        for _ in range(self.asked.shared.structured_retries):
            if problem is None or not isinstance(outcome, Completion):
                return outcome
            await load_instructor()
            messages = correction(mode, messages, outcome.text, problem)
            (better,) = await self._send({**more, "n": None, "messages": messages}, again)
            spent = outcome.usage + usage_of(better)
            if not isinstance(better, Completion):
                return with_usage(outcome, spent)
            note = f"asked again, because the first answer did not match the schema: {problem}"
            outcome = better.model_copy(
                update={"usage": spent, "warnings": (*better.warnings, note)}
            )
            problem = self._problem(outcome)
        return outcome

    def _takes(self, parameter: str) -> bool:
        supported = self.asked.shared.profile.supported
        return supported is None or parameter in supported


async def _together(groups: Sequence[Awaitable[list[Outcome]]]) -> list[list[Outcome]]:
    """Await all; cancelling this cancels them."""
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
