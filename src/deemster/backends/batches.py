"""Models asked through their provider's batch API: slower, and mostly at half the price.

Judging goes in rounds. A judge that asks for an answer that is not there is given up for this
round (`AwaitsBatch`), its requests are kept; at the end of the round all of them are submitted,
waited for, and the judging is done again, until nothing is missing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from deemster.backends._api.keys import show
from deemster.backends._api.lean import LeanRoad, open_session
from deemster.backends._api.profile import Profile
from deemster.backends._batch.http import HttpBatches
from deemster.backends._batch.ledger import BatchLedger, Submission
from deemster.backends._batch.results import read_results
from deemster.backends._batch.road import Allowance, BatchRoad
from deemster.backends._batch.sealing import opened
from deemster.backends._batch.service import ENDPOINT, BatchService, BatchStatus
from deemster.backends.api import APIBackend
from deemster.backends.base import Backend
from deemster.backends.limits import Budget
from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.redaction import redact
from deemster.schemas import Usage

__all__ = ["BatchLedger", "BatchLimits", "BatchQueue"]

_TRIES_TO_MAKE = 5
_AROUND = 160
"""Bytes of a line beside its body: the custom id, the endpoint."""


@dataclass(frozen=True)
class BatchLimits:
    """How large batches are, and how they are waited for.

    Args:
        requests: most requests of a batch.
        megabytes: most of its file.
        tries: batches that a request goes into at most, where one after the other expires or
            loses it.
        first_look: seconds until a batch is looked at for the first time.
        longest_wait: seconds between two looks at most; the waits grow by half each time.

    Raises:
        InputError: one of them is not above 0.
    """

    requests: int = 50_000
    megabytes: float = 100.0
    tries: int = 3
    first_look: float = 5.0
    longest_wait: float = 120.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise InputError(f"batch limit {name} must be above 0, got {value!r}")


@dataclass(frozen=True)
class _Service:
    """A model at its provider."""

    road: BatchRoad

    @property
    def calls(self) -> BatchService:
        return self.road.service


class BatchQueue:
    """Requests of any number of backends, kept in one file until batches have answered them.

    Args:
        path: the file; made if missing. Where it waits for batches already, these are taken up.
        limits: of the batches.
        report: is told, in a line, whenever something happened.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        limits: BatchLimits | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.ledger = BatchLedger(path)
        self.limits = limits or BatchLimits()
        self.report = report
        self._services: dict[str, _Service] = {}
        self._made: list[tuple[APIBackend, APIBackend]] = []
        self._full: set[str] = set()
        """Models whose provider takes no more until one of their batches ends."""
        self.spent: dict[int, Usage] = {}
        """By owner, what the requests cost that were answered since this was made."""
        self.on_spent: Callable[[], None] = lambda: None
        """Called as `spent` grows, at once: the file says only that there is an answer."""

    def wrap(self, backend: Backend) -> Backend:
        """The backend with its requests kept here; one that has no batch API as it is."""
        if not isinstance(backend, APIBackend) or any(backend is new for _, new in self._made):
            return backend
        for old, new in self._made:
            if old is backend:
                return new

        def route(profile: Profile, secrets: tuple[str, ...], budget: Budget) -> Profile:
            pricing = profile.pricing.in_batches()
            host = show(profile.host) if "://" in profile.host else profile.host
            name = f"{backend.name}@{host}"
            if name not in self._services:
                road = BatchRoad(
                    name,
                    _service(profile, backend.name, secrets),
                    self.ledger,
                    Allowance(budget, pricing),
                    secrets,
                )
                self._services[name] = _Service(road)
            return replace(profile, road=self._services[name].road, pricing=pricing)

        new = backend.over(route)
        self._made.append((backend, new))
        return new

    def unwrap(self, backend: Backend) -> Backend:
        """The backend that `wrap` was given."""
        return next((old for old, new in self._made if new is backend), backend)

    @property
    def used(self) -> bool:
        """Whether a backend's requests are kept here."""
        return bool(self._made)

    async def load(self) -> None:
        """Look up how every model is reached, so that batches of an earlier process can be."""
        for _, new in self._made:
            await new.load()

    @property
    def waiting(self) -> int:
        """Requests without an answer."""
        return self.ledger.count("new") + self.ledger.count("sent")

    async def flush(self) -> None:
        """Submit what is new and wait until every request has an answer or is lost.

        Raises:
            BackendError: a provider gives no answer.
            UnusableModelError: a provider takes no batches, or refuses this one.
        """
        began, wait = time.monotonic(), self.limits.first_look
        unknown = self.ledger.services() - self._services.keys()
        if unknown:
            raise InputError(
                f"{str(self.ledger.path)!r} waits for batches of {', '.join(sorted(unknown))}, "
                "which is not asked now; give the models and servers of the run"
            )
        async with open_session() as session:
            while self.waiting:
                await self._submit(session)
                self._tell(began, wait)
                await asyncio.sleep(wait)
                wait = min(1.5 * wait, self.limits.longest_wait)
                for submission in self.ledger.open():
                    await self._look(session, submission)

    async def aclose(self) -> None:
        """Close the file, and the connections of the backends made here."""
        self.ledger.close()
        for _, new in self._made:
            await new.aclose()

    def _tell(self, began: float, wait: float) -> None:
        minutes, batches = (time.monotonic() - began) / 60, len(self.ledger.open())
        self.report(
            f"{self.waiting} requests in {batches} {'batch' if batches == 1 else 'batches'}, for "
            f"{minutes:.1f} min so far; looking again in {wait:.0f} s"
        )

    async def _submit(self, session: aiohttp.ClientSession) -> None:
        """Make batches of all requests that are in none, and those that were begun."""
        for name, service in self._services.items():
            if name not in self._full:
                for lines in self._chunks(name):
                    self.ledger.begin(name, lines)
            for submission in self.ledger.open():
                if submission.service == name and submission.batch is None:
                    batch = await self._make(session, service, submission)
                    self.report(f"batch {batch} of {service.calls.model} is submitted")

    def _chunks(self, service: str) -> Iterator[list[str]]:
        """The new requests of a model, as many at a time as a batch may have."""
        lines: list[str] = []
        size, most = 0, 1e6 * self.limits.megabytes
        for line, body in self.ledger.new(service):
            added = body + _AROUND
            if lines and (len(lines) == self.limits.requests or size + added > most):
                yield lines
                lines, size = [], 0
            lines.append(line)
            size += added
        if lines:
            yield lines

    async def _make(
        self, session: aiohttp.ClientSession, service: _Service, submission: Submission
    ) -> str:
        """Upload the requests and make the batch, unless an earlier try made it."""
        calls, file, asked = service.calls, submission.file, submission.asked
        for left in reversed(range(_TRIES_TO_MAKE)):
            try:
                if file is None:
                    data = b"".join(
                        _request_line(line, opened(body, service.road.secrets))
                        for line, body in self.ledger.body_of(submission)
                    )
                    file = await calls.upload(session, data)
                    self.ledger.note(submission, file=file)
                # A try whose answer was lost may have made it: the provider knows.
                batch = await calls.find(session, file) if asked else None
                if batch is None:
                    self.ledger.note_asked(submission, True)
                    asked = True
                    batch = await calls.create(session, file)
                self.ledger.note(submission, batch=batch)
            except UnusableModelError:
                self.ledger.note_asked(submission, False)
                raise
            except BackendError as error:
                if not error.retryable:
                    self.ledger.note_asked(submission, False)
                if not left or not error.retryable:
                    raise UnusableModelError(
                        f"the batch could not be submitted: {error}; give --resume to try again"
                    ) from error
                await asyncio.sleep(error.retry_after or self.limits.first_look)
            else:
                return batch
        raise AssertionError("unreachable: the last round returns or raises")

    async def _look(self, session: aiohttp.ClientSession, submission: Submission) -> None:
        """Take what a batch has, if it has ended."""
        service, batch = self._services[submission.service], submission.batch or ""
        try:
            status = await service.calls.look(session, batch)
            if not status.ended:
                return
            files = [await service.calls.download(session, file) for file in status.files]
        except BackendError as error:
            if not error.retryable:
                raise UnusableModelError(
                    f"batch {batch}: {error}; give --resume to look again"
                ) from error
            self.report(f"batch {batch}: {error}; it is looked at again")
            return
        self._settle(service, submission, status, files)

    def _settle(
        self, service: _Service, submission: Submission, status: BatchStatus, files: list[bytes]
    ) -> None:
        answers = read_results(files, service.road.secrets)
        name, full = submission.service, False
        if status.state == "failed" and not answers:
            full = "limit" in status.said
            others = [one for one in self.ledger.open() if one.service == name]
            if not full or len(others) == 1:
                self.ledger.settle(
                    submission, {}, again="", most_tries=self.limits.tries, counts=False
                )
                raise UnusableModelError(
                    f"batch {submission.batch} was refused: {status.said or 'no reason is given'}"
                    + ("; make batches smaller (--batch-size)" if full else "")
                )
        why = "the batch gave no line for it"
        if status.state != "completed":
            why = f"the batch is {status.state}" + (f": {status.said}" if status.said else "")
            why = redact(why)  # it is kept
        ended = self.ledger.settle(
            submission, answers, again=why, most_tries=self.limits.tries, counts=not full
        )
        self._full = self._full | {name} if full else self._full - {name}
        for one in ended:
            cost = service.road.allowance.settle(one.line, one.found)
            self.spent[one.owner] = self.spent.get(one.owner, Usage()) + cost
        self.on_spent()
        lost = sum(one.found.state == "lost" for one in ended)
        again = self.ledger.count("new")
        self.report(
            f"batch {submission.batch} is {status.state}: {len(ended) - lost} answers"
            + (f", {again} to be submitted again" if again else "")
            + (f", {lost} lost" if lost else "")
        )


def _request_line(line: str, body: str) -> bytes:
    head = json.dumps({"custom_id": line, "method": "POST", "url": ENDPOINT})
    return f'{head[:-1]}, "body": {body}}}\n'.encode()


def _service(profile: Profile, label: str, secrets: tuple[str, ...]) -> BatchService:
    if isinstance(profile.road, LeanRoad):
        return HttpBatches(profile.road, label, secrets)
    from deemster.backends._api.with_litellm import LiteLLMRoad  # noqa: PLC0415 - takes seconds
    from deemster.backends._batch.with_litellm import LiteLLMBatches  # noqa: PLC0415

    if not isinstance(profile.road, LiteLLMRoad):
        raise UnusableModelError(f"model {label!r} has no batch API; run without --batch")
    return LiteLLMBatches(profile.road, secrets)
