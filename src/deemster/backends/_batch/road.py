"""The road through a provider's batch API: a request is kept, or answered by what came back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from deemster.backends._api.answer import WireAnswer, fault_of, read_answer, usage_of
from deemster.backends._api.faults import Fault
from deemster.backends._api.prices import Pricing
from deemster.backends._api.road import UnansweredError
from deemster.backends._batch.ledger import BatchLedger, Line
from deemster.backends._batch.sealing import sealed
from deemster.backends._batch.service import BatchService
from deemster.backends.limits import Budget
from deemster.backends.waiting import give_up_without
from deemster.errors import BackendError, BackendTimeout, OverBudgetError
from deemster.schemas import Usage

_CHARACTERS_PER_TOKEN = 4


@dataclass
class Allowance:
    """A budget for requests whose cost is known only when the whole batch has come back.

    A request is let in while the budget holds all that was let in before, at the most that it can
    take.
    """

    budget: Budget
    pricing: Pricing
    _promised: dict[str, Usage] = field(default_factory=dict)
    """By request, the most that those take which have not come back."""
    _tokens: int = 0
    """Of all of them, kept beside them: there may be a hundred thousand."""
    _usd: float = 0.0

    def admit(self, line: str, body: str, settings: dict[str, Any]) -> None:
        """Let a request in.

        Raises:
            OverBudgetError: the budget does not hold it.
        """
        budget = self.budget
        if budget.tokens is None and budget.usd is None:
            budget.admit()
            return
        tokens_out = settings.get("max_completion_tokens") or settings.get("max_tokens") or 0
        most = Usage(
            tokens_in=len(body) // _CHARACTERS_PER_TOKEN,
            tokens_out=tokens_out * (settings.get("n") or 1),
        )
        most = most.model_copy(update={"cost": self.pricing.cost(most)})
        spent = budget.spent
        tokens = self._tokens + _size(spent) + _size(most)
        if budget.tokens is not None and tokens > budget.tokens:
            raise OverBudgetError(
                f"budget of {budget.tokens} tokens does not hold the next request of a batch; "
                "raise it to go on"
            )
        if budget.usd is not None and (
            spent.cost is None
            or most.cost is None
            or self._usd + spent.cost + most.cost > budget.usd
        ):
            raise OverBudgetError(
                f"budget of {budget.usd} USD does not hold the next request of a batch; "
                "raise it to go on"
            )
        budget.admit()
        self._promised[line] = most
        self._count(most, 1)

    def settle(self, line: str, found: Line) -> Usage:
        """Account for a request that is answered or lost; what it cost."""
        if (most := self._promised.pop(line, None)) is not None:
            self._count(most, -1)
        if found.state == "lost":
            return Usage()
        read = read_answer(found.answer.encode())
        usage = None if read is None else usage_of(read)
        if usage is None or read is None:
            if (found.status or 0) >= 400:  # refused, and so free
                return Usage(calls=1)
            unknown = Usage(cost=None)
            self.budget.charge(unknown, tokens_known=False)
            return unknown.model_copy(update={"calls": 1})
        usage = usage.model_copy(update={"cost": self.pricing.cost(usage, read.usage)})
        self.budget.charge(usage)
        return usage.model_copy(update={"calls": 1})

    def _count(self, most: Usage, sign: int) -> None:
        self._tokens += sign * _size(most)
        self._usd += sign * (most.cost or 0.0)


def _size(usage: Usage) -> int:
    return usage.tokens_in + usage.tokens_out


@dataclass(frozen=True)
class BatchRoad:
    """Answers requests from a ledger, and notes those that it lacks. Sends nothing itself."""

    name: str
    """Of the model at its provider, as the ledger calls it."""
    service: BatchService
    ledger: BatchLedger
    allowance: Allowance
    secrets: tuple[str, ...] = ()
    """What may be in a request and is not kept."""

    async def send(
        self, _session: aiohttp.ClientSession, body: dict[str, Any], draws: tuple[int, ...]
    ) -> WireAnswer:
        """See `Road.send`.

        Raises:
            AwaitsBatch: there is no answer yet; the request is in the ledger.
        """
        text = json.dumps({"model": self.service.model} | body)
        line = line_id(self.name, text, draws)
        known = self.ledger.get(line)
        if known is None:
            self.allowance.admit(line, text, body)
            self.ledger.add(line, self.name, sealed(text, self.secrets))
        if known is None or known.state in {"new", "sent"}:
            give_up_without(line)
        return _answer(known)


def line_id(service: str, body: str, draws: tuple[int, ...]) -> str:
    """Identity of a request: of the model, of all that is sent, of the draws it is for.

    64 hex digits, which every provider takes as a custom id.
    """
    text = json.dumps([service, body, draws])
    return hashlib.sha256(text.encode()).hexdigest()


def _answer(line: Line) -> WireAnswer:
    if line.state == "lost":
        kind = BackendTimeout if "expired" in line.answer else BackendError
        raise kind(f"the batch gave no answer: {line.answer}")
    if line.status is not None and line.status >= 400:
        raise UnansweredError(Fault.read(line.status, json.loads(line.answer)))
    answer = read_answer(line.answer.encode())
    if answer is None:
        raise BackendError(f"the answer is not a completion: {line.answer[:100]!r}")
    fault = fault_of(answer)
    if fault is not None:
        raise UnansweredError(fault)
    return answer
