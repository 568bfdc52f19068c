"""One request on its way: sent, fitted to what the server takes, accounted for, read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from deemster.backends._api.answer import WireAnswer, choices_of, words_of
from deemster.backends._api.answer import usage_of as reported_usage
from deemster.backends._api.outcome import probably_cut, read_choice, share
from deemster.backends._api.request import Prepared
from deemster.backends._api.road import UnansweredError
from deemster.backends._api.shared import LoopState, Shared
from deemster.backends.base import Outcome
from deemster.backends.structured import StructuredMode, load_instructor
from deemster.errors import BackendError
from deemster.schemas import Usage
from deemster.usage import Account

_MOST_REFUSALS = 10
"""Parameters that one request may lose, one after the other."""


@dataclass(frozen=True)
class Asked:
    """A request made ready, and what its draws need."""

    shared: Shared
    state: LoopState
    prepared: Prepared
    texts: tuple[str, ...]
    """Of the prompt's messages."""
    needs: frozenset[str]
    """Parameters without which the answers are of no use."""
    draws: tuple[int, ...]
    """A number for each draw, which tells it from the others of the same prompt."""

    @property
    def mode(self) -> StructuredMode:
        """How a schema is asked for by now."""
        return self.shared.adaptations.mode(self.shared.profile.mode)


class Call:
    """One request, sent until it is answered, and what that cost.

    The outcomes have shares of what all attempts so far cost.

    Args:
        asked: the request made ready, and what it needs.
        more: what is this request's own in the body; None removes a parameter.
        draws: which draws of `asked` it is for, one completion each.
    """

    def __init__(self, asked: Asked, more: dict[str, Any], draws: range) -> None:
        self._asked = asked
        self._more = more
        self._count = len(draws)
        self._draws = asked.draws[draws.start : draws.stop]
        self.spent = Account()

    async def attempt(self) -> list[Outcome]:
        """Send it; a parameter that is refused is left out and it is sent once more."""
        asked, shared = self._asked, self._asked.shared
        for left in reversed(range(_MOST_REFUSALS)):
            shared.breaker.check()
            mode = asked.mode
            if asked.prepared.schema and mode != "json_schema":
                await load_instructor()
            whole = {
                k: v for k, v in (asked.prepared.body(mode) | self._more).items() if v is not None
            }
            body, notes = shared.adaptations.apply(whole)
            try:
                answer, reported = await self._send(body)
            except UnansweredError as unanswered:
                fault = unanswered.fault
                error = fault.to_error(shared.label, shared.secrets)
                if left and shared.adaptations.learn(fault, body, mode, needs=asked.needs):
                    continue
                shared.breaker.failed(fault.status, str(error), final=not error.retryable)
                raise error from None
            shared.breaker.answered()
            return self._read(answer, reported, body, notes, mode)
        raise AssertionError("unreachable: the last round returns or raises")

    async def _send(self, body: dict[str, Any]) -> tuple[WireAnswer, Usage | None]:
        """The answer, and the tokens that it says it took."""
        shared = self._asked.shared
        shared.budget.admit()
        started = time.monotonic()
        # An attempt without an answer is counted with the tokens that are known of: none.
        spent, known = Account(calls=1), True
        try:
            answer = await shared.profile.road.send(self._asked.state.session, body, self._draws)
            reported = reported_usage(answer)
            if reported is None:
                spent.cost, known = None, False
            else:
                spent.add(reported)
                spent.cost = shared.profile.pricing.cost(reported, answer.usage)
            shared.patience.saw(time.monotonic() - started)
        finally:
            spent.seconds = time.monotonic() - started
            shared.budget.charge(spent, tokens_known=known)
            self.spent.add(spent)
        return answer, reported

    def _read(
        self,
        answer: WireAnswer,
        reported: Usage | None,
        body: dict[str, Any],
        notes: tuple[str, ...],
        mode: StructuredMode,
    ) -> list[Outcome]:
        asked = self._asked
        choices = choices_of(answer)[: self._count]
        if not choices:
            said = words_of(answer, asked.shared.secrets)
            raise BackendError(f"the server's answer has no choice: {said}", retryable=True)
        if reported is not None and (cut := probably_cut(reported.tokens_in, asked.texts)):
            notes = (*notes, cut)
        sent = asked.prepared.changed(body)
        outcomes = [
            read_choice(
                choice,
                asked.prepared,
                tools=mode == "tools" and bool(asked.prepared.schema),
                usage=usage,
                tokens_out=(reported.tokens_out if reported else 0) // len(choices),
                model=str(answer.model or ""),
                sent=sent,
                warnings=notes,
                reasoning_as_answer=asked.shared.reasoning_as_answer,
                secrets=asked.shared.secrets,
            )
            for choice, usage in zip(choices, share(self.spent, len(choices)), strict=True)
        ]
        lost = [one for one in outcomes if isinstance(one, BackendError) and one.retryable]
        if len(lost) == len(outcomes):
            raise lost[0]
        return outcomes
