"""What the models of the package share: each knows some kinds of tasks and says what is none."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
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
        weights: the file that differs from release to release.
        domain: what it was trained on.
        notice: said on stderr, once in a process, when it has judged.
        options: those of `TransformersBackend`.
    """

    dialect: str
    """Its dialect, which is also its model string."""
    foreign: ClassVar[str]
    """What is said of a query that is not of the domain; `{query}` stands in it."""

    def __init__(
        self,
        path: str,
        *,
        weights: Path,
        domain: Domain,
        notice: str,
        **options: Any,  # noqa: ANN401
    ) -> None:
        self._weights, self._domain, self._notice = weights, domain, notice
        self._foreign: set[str] = set()
        super().__init__(path, **options)
        self._options["plain"] = True

    @property
    def name(self) -> str:
        """The model string, `@` and the start of the weights' hash: those of releases differ."""
        return f"{self.dialect}@{_release_of(self._weights)}"

    def _finish(self, request: Request, work: Work) -> list[Outcome]:
        outcomes = super()._finish(request, work)
        tell_once(self.dialect, self._notice)
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
def _release_of(weights: Path) -> str:
    return hashlib.sha256(weights.read_bytes()).hexdigest()[:8]


@functools.cache
def tell_once(model: str, notice: str) -> None:
    """Say on stderr what kind of model judges, unless DEEMSTER_…_NOTICE is 0."""
    # Not by logging: a program that has set that up otherwise must show it too.
    if os.environ.get(f"DEEMSTER_{model.upper()}_NOTICE") != "0" and sys.stderr is not None:
        sys.stderr.write(f"{notice}\n")
