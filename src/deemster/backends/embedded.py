"""What the models of the package share: each knows some kinds of tasks and says what is none."""

from __future__ import annotations

import functools
import hashlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deemster.backends.base import Outcome, Request
from deemster.backends.domain import Domain
from deemster.backends.transformers import TransformersBackend
from deemster.schemas import Completion

if TYPE_CHECKING:
    from deemster.backends._local.work import Work

logger = logging.getLogger(__name__)

_MOST_LOGGED = 5
"""Queries of other domains that are logged one by one; the votes keep every warning."""


class EmbeddedBackend(TransformersBackend):
    """Completions of a prompt unlike the training prompts carry a warning (see `Domain`).

    Args:
        path: see `TransformersBackend`.
        domain: what it was trained on.
        options: those of `TransformersBackend`.
    """

    foreign: ClassVar[str]
    """What is said of a query that is not of the domain; `{query}` stands in it."""

    def __init__(self, path: str, *, domain: Domain, **options: Any) -> None:  # noqa: ANN401
        self._domain = domain
        self._foreign: set[str] = set()
        super().__init__(path, **options)
        self._options["plain"] = True

    def introduce(self) -> None:
        """Say on stderr, once, what kind of model this is."""
        raise NotImplementedError

    def _finish(self, request: Request, work: Work) -> list[Outcome]:
        outcomes = super()._finish(request, work)
        self.introduce()
        warnings = self._warnings(request.messages[-1].text)
        return [
            outcome.model_copy(update={"warnings": warnings})
            if isinstance(outcome, Completion)
            else outcome
            for outcome in outcomes
        ]

    def _warnings(self, prompt: str) -> tuple[str, ...]:
        """What to say about completions of a prompt; logged once, whatever the orders shown."""
        if self._model is None:
            return ()
        encoder = self._model.chat.encoder
        found = self._domain.likelihood(lambda text: encoder.encode(encoder.guard(text)), prompt)
        if self._domain.covers(found):
            return ()
        query = prompt.partition("\n")[0].partition(": ")[2][:80]
        reason = self.foreign.format(query=repr(query))
        if query not in self._foreign and len(self._foreign) < _MOST_LOGGED:
            self._foreign.add(query)
            last = len(self._foreign) == _MOST_LOGGED
            more = " (further ones are noted in the votes only)" if last else ""
            logger.warning("deemster: %s%s", reason, more)
        return (reason,)


@functools.cache
def release_of(weights: Path) -> str:
    """The start of a weights file's hash: the weights of releases differ."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()[:8]


def tell(notice: str) -> None:
    """Write a line on stderr."""
    # Not by logging: a program that has set that up otherwise must show it too.
    if sys.stderr is not None:
        sys.stderr.write(f"{notice}\n")
