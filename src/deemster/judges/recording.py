"""Keeping every completion that judges draw, whatever they are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deemster.backends import Backend, RecordBackend
from deemster.judges.base import BaseJudge


@asynccontextmanager
async def recorded(
    judges: Sequence[BaseJudge], cassette: str | Path
) -> AsyncIterator[list[RecordBackend]]:
    """While inside, the models of `judges` answer from a cassette, which keeps what it lacks.

    Judges and members that share a backend share its recorder. Afterwards the judges have their
    own backends again; those stay open.

    Args:
        judges: what is recorded.
        cassette: the file; made if missing.

    Yields:
        The recorders, one per backend; they know what was spent.

    Raises:
        InputError: the file is no usable cassette.
    """
    made: list[RecordBackend] = []

    def wrap(backend: Backend) -> Backend:
        if any(backend is one for one in made):
            return backend  # a judge that is a member too comes here twice
        for one in made:
            if one.inner is backend:
                return one
        made.append(RecordBackend(backend, cassette))
        return made[-1]

    def unwrap(backend: Backend) -> Backend:
        return next((one.inner for one in made if one is backend), backend)

    try:
        for judge in judges:
            judge.wrap_backends(wrap)
        yield made
    finally:
        for judge in judges:
            judge.wrap_backends(unwrap)
        for one in made:
            await one.aclose()
