"""What every client does: judge one pair, warm up, judge all, print what that took.

A client is started by its file, in an environment that may lack everything but the library it
stands for, so this needs the standard library alone.

A client's `start(url, concurrency)` imports its library, opens what it needs, and returns a
function that judges pairs, at most so many requests at a time, and returns how many gave the
verdict that the server says: the first response is better, or good.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

_PHRASE = "the answer names the rule and shows on an example how it is applied in practice "


class Pair(NamedTuple):
    """A query and two responses: some 450 words that no other pair has."""

    query: str
    first: str
    second: str


Judge = Callable[[list[Pair]], int]


def pairs(begin: int, count: int) -> list[Pair]:
    """So many pairs, numbered from `begin`."""
    return [
        Pair(f"Question {i}: {_PHRASE * 3}?", f"{i} a: {_PHRASE * 13}", f"{i} b: {_PHRASE * 13}")
        for i in range(begin, begin + count)
    ]


def prompt(pair: Pair) -> str:
    """For a client that has no prompt of its own."""
    return (
        "Which of two responses to a question is better? Criticise both by criteria of your own, "
        "then score each from 1 to 10.\n\n"
        f"Question:\n{pair.query}\n\nResponse 1:\n{pair.first}\n\nResponse 2:\n{pair.second}"
    )


async def at_once(
    judge: Callable[[Pair], Awaitable[bool]], given: Iterable[Pair], concurrency: int
) -> int:
    """Judge all, so many at a time, for a library that leaves this to its user."""
    slots = asyncio.Semaphore(concurrency)

    async def one(pair: Pair) -> bool:
        async with slots:
            return await judge(pair)

    return sum(await asyncio.gather(*map(one, given)))


def main(start: Callable[[str, int], Judge]) -> None:
    """Measure, and print the figures as the last line of stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    given = parser.parse_args()

    began = time.perf_counter()
    judge = start(given.url, given.concurrency)
    ready_s, ready_cpu_s = time.perf_counter() - began, _cpu()
    first = judge(pairs(0, 1))
    first_cpu_s = _cpu()
    judge(pairs(1, given.concurrency))
    todo = pairs(1 + given.concurrency, given.requests)
    cpu, clock = _cpu(), time.perf_counter()
    valid = judge(todo)
    wall_s, cpu_s = time.perf_counter() - clock, _cpu() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {
        "first": first,
        "valid": valid,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "ready_s": ready_s,
        "ready_cpu_s": ready_cpu_s,
        "first_cpu_s": first_cpu_s,
        "peak_mb": peak / (1e6 if sys.platform == "darwin" else 1024),
    }
    print(f"\n{json.dumps(figures)}", flush=True)


def _cpu() -> float:
    """CPU seconds of this process, from its start, and of processes that it waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime
