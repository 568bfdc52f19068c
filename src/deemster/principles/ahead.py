"""Filling a bank ahead of judging: one call per query of a data set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from deemster.backends import Backend
from deemster.errors import BackendError, ParseError
from deemster.principles.bank import PrincipleBank
from deemster.principles.bank_records import query_key
from deemster.principles.generator import generate_with_usage
from deemster.schemas import Sample, Usage


@dataclass(frozen=True)
class Filled:
    """The result of filling a bank."""

    made: int
    """Queries that got principles."""
    known: int
    """Queries that had some from this model."""
    failed: tuple[str, ...]
    """Why the others got none, one line each."""
    usage: Usage


async def fill_bank(
    bank: PrincipleBank,
    backend: Backend,
    samples: Iterable[Sample],
    *,
    n: int | None = None,
    show_responses: bool = True,
    again: bool = False,
    seed: int = 0,
    in_flight: int = 16,
    on_done: Callable[[], None] | None = None,
) -> Filled:
    """Generate principles for the queries of a data set and store them as they come.

    An interrupted call can be repeated: queries with a set from this model are skipped.

    Args:
        bank: where they go.
        backend: the model that writes them.
        samples: each query is asked for once, with the responses of its first sample.
        n: principles per query; None leaves the number to the model.
        show_responses: show the sample's responses to the model (they are not judged).
        again: also ask for queries that have a set from this model; a different set becomes a new
            version.
        seed: of the draws.
        in_flight: queries asked for at a time.
        on_done: called after each query (for progress).
    """
    todo: dict[str, Sample] = {}
    known: set[str] = set()
    for sample in samples:
        key = query_key(sample.query)
        if not again and bank.has(sample.query, source=backend.name):
            known.add(key)
        else:
            todo.setdefault(key, sample)
    gate = asyncio.Semaphore(in_flight)
    failed: list[str] = []
    spent: list[Usage] = []

    async def one(sample: Sample) -> None:
        async with gate:
            responses = sample.responses if show_responses else None
            try:
                made, usage = await generate_with_usage(
                    backend, sample.query, responses, n=n, seed=seed
                )
            except (BackendError, ParseError) as error:
                failed.append(f"{sample.id or sample.query[-1].text[:60]!r}: {error}")
                usage = error.usage or Usage()
            else:
                bank.add(sample.query, made, source=backend.name)
            spent.append(usage)
            if on_done is not None:
                on_done()

    async with asyncio.TaskGroup() as tasks:
        for sample in todo.values():
            tasks.create_task(one(sample))
    return Filled(
        made=len(todo) - len(failed),
        known=len(known),
        failed=tuple(failed),
        usage=Usage.total(spent),
    )
