"""The model that ships with the package (`nano`): a demonstration that needs nothing else.

It has about a million parameters and was trained by `recipes/nano.yaml` on a synthetic world of
short judging tasks. It says so once per process, and whenever a query is not one of those tasks.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from deemster.backends.base import EMBEDDED, Outcome, Request
from deemster.backends.domain import Domain
from deemster.backends.transformers import TransformersBackend
from deemster.errors import InputError
from deemster.extras import need
from deemster.schemas import Completion

if TYPE_CHECKING:
    from deemster.backends._local.work import Work

logger = logging.getLogger(__name__)

DOMAINS = (
    "arithmetic, comparing and sorting numbers, reversing word lists, counting, spelling, dates, "
    "facts given in the query, writing under constraints, tone and format"
)
"""What it was trained on, in words."""
_NOTICE = (
    f"deemster: judging with {EMBEDDED!r}, the embedded demonstration model of a million "
    f"parameters. It knows short synthetic tasks only: {DOMAINS}. For anything else give a model, "
    "for example openai/gpt-5-mini or hf:PATH. (DEEMSTER_NANO_NOTICE=0 hides this.)"
)
_MOST_LOGGED = 5
"""Queries of other domains that are logged one by one; the votes keep every warning."""


class NanoBackend(TransformersBackend):
    """Draws from the embedded model, on the CPU by default.

    Completions of a prompt that is unlike its training prompts carry a warning (see `Domain`).

    Args:
        path: empty; there is one embedded model.
        device: as torch names it. A model this small is faster without a GPU.
        batch_size, max_context, threads, exact: see `TransformersBackend`.

    Raises:
        InputError: the model's files or the extra `local` are not installed, or a path is given.
    """

    dialect = EMBEDDED

    def __init__(
        self,
        path: str = "",
        *,
        device: str = "cpu",
        batch_size: int = 64,
        max_context: int | None = None,
        threads: int | None = None,
        exact: bool = False,
    ) -> None:
        if path:
            raise InputError(
                f"model '{EMBEDDED}:{path}': there is one embedded model, {EMBEDDED!r}; open one "
                f"of your own with 'hf:{path}' and the dialect {EMBEDDED!r}"
            )
        need(
            "local",
            f"model {EMBEDDED!r} (the default)",
            otherwise="name a model of an API, for example 'openai/gpt-5-mini'",
        )
        self._domain = Domain.load(part("domain.json"))
        self._foreign: set[str] = set()
        super().__init__(
            str(part("judge")),
            device=device,
            dtype="float32",
            batch_size=batch_size,
            max_context=max_context,
            threads=threads,
            exact=exact,
        )
        self._options["plain"] = True

    @property
    def name(self) -> str:
        """`nano@` and the start of the weights' hash: the weights of releases differ."""
        return f"{EMBEDDED}@{_digest(part('judge') / 'model.safetensors')}"

    def _finish(self, request: Request, work: Work) -> list[Outcome]:
        outcomes = super()._finish(request, work)
        _tell_once()
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
        query = prompt.partition("\n")[0].removeprefix("Query: ")[:80]
        reason = (
            f"the query {query!r} with its responses is unlike what the embedded model was trained "
            "on, so its verdict means nothing; give another model"
        )
        if query not in self._foreign and len(self._foreign) < _MOST_LOGGED:
            self._foreign.add(query)
            last = len(self._foreign) == _MOST_LOGGED
            more = " (further ones are noted in the votes only)" if last else ""
            logger.warning("deemster: %s%s", reason, more)
        return (reason,)


def part(name: str) -> Path:
    """Path of a part of the embedded model: `judge`, `meta`, `domain.json`.

    Raises:
        InputError: it is not installed.
    """
    path = assets() / name
    if not (path / "config.json" if path.suffix == "" else path).is_file():
        raise InputError(
            f"the embedded model is not installed: {str(path)!r} is missing; reinstall deemster, "
            "or give a model, for example openai/gpt-5-mini or hf:PATH"
        )
    return path


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def assets() -> Path:
    """Folder of the embedded model, whether or not it is there."""
    return Path(str(resources.files("deemster"))) / "assets" / "nano"


@functools.cache
def _tell_once() -> None:
    """Say on stderr what kind of model this is."""
    # Not by logging: a program that has set that up otherwise must show it too.
    if os.environ.get("DEEMSTER_NANO_NOTICE") != "0" and sys.stderr is not None:
        sys.stderr.write(f"{_NOTICE}\n")
