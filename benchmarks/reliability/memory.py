"""R15 and R16: a long run in one process, and every way of having an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings
from itertools import islice

import numpy as np

from benchmarks.reliability.faults import ask, backend
from benchmarks.reliability.processes import descriptors, resident_kb, server_process
from benchmarks.reliability.record import Run
from deemster import Judge
from deemster.backends.api import APIBackend
from deemster.schemas import Completion, Sample
from deemster.testing import VERDICTS


def soak(run: Run) -> None:
    """Memory and files over a long run of judgments."""
    n = run.count("judgments", 100_000, least=2_000)
    text = VERDICTS["grm", 2].first
    with server_process("--text", text) as url:
        seen = asyncio.run(_soak(url, n))
    warm = seen[len(seen) // 4 :]
    at, kb, files = (np.array(column, float) for column in zip(*warm, strict=True))
    # Rounded: what is left over by sums is no slope.
    slope = round(float(np.polyfit(at / 1000, kb, 1)[0]), 6) + 0.0
    run.most("slope of the resident memory", slope, 1.0, " KB per 1,000 judgments")
    run.zero("growth of open files", max(0, int(files.max() - files[0])))
    run.notes.append(
        f"Resident memory {kb[0] / 1024:.1f} MB after a quarter, {kb[-1] / 1024:.1f} MB at the "
        f"end, most {kb.max() / 1024:.1f} MB; {len(warm)} points."
    )


async def _soak(url: str, n: int) -> list[tuple[int, int, int]]:
    """Judgments, kilobytes and descriptors, 100 times on the way."""
    judge = Judge("openai/any", k=1, orders="fixed", api_base=url, api_key="none")
    seen = []
    numbers = iter(range(n))
    for _ in range(100):
        part = list(islice(numbers, max(1, n // 100)))
        async with asyncio.TaskGroup() as group:
            for worker in range(32):
                group.create_task(_work(judge, part[worker::32]))
        if part:
            seen.append((part[-1] + 1, resident_kb(), descriptors()))
    await judge.aclose()
    return seen


async def _work(judge: Judge, numbers: list[int]) -> None:
    for number in numbers:
        sample = Sample(query=f"Which of {number}?", responses=("one", "two"))
        verdict = await judge.score(sample.query, sample.responses)
        assert verdict.rewards is not None, verdict.failures


def loops(run: Run) -> None:
    """`asyncio.run` again and again, loops that run already, threads, a fork."""
    errors, grown = 0, 0
    with warnings.catch_warnings(), server_process() as url:
        warnings.simplefilter("error")
        for road in ("openai/any", "deepinfra/any"):
            times = run.count(f"runs of a loop, {road}", 200, least=2)
            judge = APIBackend(road, api_base=url, api_key="none")
            errors += _once(judge)
            before = descriptors()
            errors += sum(_once(judge) for _ in range(times))
            time.sleep(0.2)
            grown = max(grown, descriptors() - before)
        threads = run.count("threads", 64, least=2)
        judge = backend(url)
        found: list[int] = []
        workers = [
            threading.Thread(target=lambda: found.append(_once(judge))) for _ in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        errors += sum(found) + threads - len(found)
        errors += asyncio.run(_inside(url))
        forks = run.count("forks", 20, least=2)
        errors += sum(_forked(url) for _ in range(forks))
    run.zero("errors and warnings", errors)
    run.zero("growth of open files and sockets", max(0, grown))
    run.notes.append("Two roads: our own client, and LiteLLM's. Warnings are errors.")


def _once(judge: APIBackend) -> int:
    """1 if a call in a loop of its own fails."""
    return int(not isinstance(asyncio.run(ask(judge, "1")), Completion))


async def _inside(url: str) -> int:
    """The synchronous API under a loop that runs, as in a notebook."""
    judge = Judge("openai/any", k=1, api_base=url, api_key="none")
    verdict = judge.score_sync("q", ["a", "b"])
    await judge.aclose()
    return int(verdict.rewards is None)


def _forked(url: str) -> int:
    """1 if the child of a fork cannot judge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = _once(backend(url))
        finally:
            os._exit(status)
    return int(os.waitpid(child, 0)[1] != 0)
