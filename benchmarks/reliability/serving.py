"""R14 and R18: the reward server under load and abuse; rewards of judges that fail."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import numpy as np

from benchmarks import serving
from benchmarks.reliability.record import Run
from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.errors import BackendError
from deemster.integrations.trl import TooManyUnscoredError, reward_func
from deemster.testing import responses_shown


def reward_server(run: Run) -> None:
    """Clients that behave, then clients that do not, at `deemster serve`."""
    seconds = run.count("seconds of load", 600, least=5)
    found = serving.speed(clients=64, seconds=seconds / 5, rounds=5)
    figures = found["/v1/score"]
    run.least("requests a second, 64 clients", figures["requests/s"]["median"], 300)
    run.most("p99, median of 5 rounds", figures["p99 ms"]["median"], 1000, " ms")
    abused = serving.abuse(run.count("seconds of abuse", 600, least=10))
    outcomes: Counter[str] = Counter()
    for what, times in abused["outcomes"].items():
        kind, _, outcome = what.partition(" ")
        outcomes["as expected" if outcome in serving.EXPECTED[kind] else what] += times
    odd = {what: times for what, times in outcomes.items() if what != "as expected"}
    run.zero("answers that no client should get", sum(odd.values()))
    memory = abused["memory_mb"]
    growth = 100 * (memory["last third"] / memory["second third"] - 1)
    run.most("growth of the memory, last third against second", growth, 5, " %")
    run.notes.append(
        "Abuse: bodies of 100 MB, broken JSON, what is not HTTP, bytes that trickle, clients that "
        f"leave, 24 at once; {abused['outcomes']}. Memory in MB: {memory}."
    )
    run.notes.append("The judge is `fake:`: what is measured is the server.")
    if odd:
        run.notes.append(f"Not expected: {odd}.")


def rewards(run: Run) -> None:
    """Groups whose judge fails in 20 % of its calls, as rewards of TRL."""
    groups = run.count("groups of 8 completions", 1_000, least=20)
    prompts = [f"Question {number}?" for number in range(groups) for _ in range(8)]
    completions = [f"answer {place} to {number}" for number in range(groups) for place in range(8)]
    judge = Judge(FakeBackend(_fifth_fails), k=1)
    reward = reward_func(judge, at_once=2)  # four calls for a group: some of it fails, some not

    async def ask() -> list[float | None]:
        return await reward(prompts, completions)

    found = asyncio.run(ask())
    truth = [_truth(completions[place - place % 2 : place - place % 2 + 2], place % 2)
             for place in range(len(completions))]  # fmt: skip
    failed = sum(value is None for value in truth)
    pairs = list(zip(truth, found, strict=True))
    run.zero("failures with a number", sum(t is None and f is not None for t, f in pairs))
    run.zero("judgments without their number", sum(t is not None and f != t for t, f in pairs))
    table = np.array([np.nan if one is None else one for one in found]).reshape(groups, 8)
    some = table[~np.isnan(table).all(axis=1)]
    advantages = some - np.nanmean(some, axis=1, keepdims=True)
    finite = np.isfinite(advantages) == ~np.isnan(some)
    run.zero("advantages that are not finite, of judged completions", int((~finite).sum()))
    run.check(
        "a run of TRL stops above a share of failures",
        "yes" if (stopped := asyncio.run(_stops(judge, prompts, completions))) else "no",
        "yes",
        met=stopped,
    )
    run.notes.append(
        f"{failed:,} of {len(truth):,} completions have no judgment: None, which TRL leaves out of "
        "the group's baseline; advantages here are the reward less that mean."
    )
    run.notes.append("It stops by `max_unscored=0.1`; without it the share is logged only.")


async def _stops(judge: Judge, prompts: list[str], completions: list[str]) -> bool:
    reward = reward_func(judge, at_once=2, max_unscored=0.1)
    try:
        for start in range(0, 160, 16):
            await reward(prompts[start : start + 16], completions[start : start + 16])
    except TooManyUnscoredError:
        return True
    return False


def _truth(pair: list[str], place: int) -> float | None:
    """The score of a completion; None where the judge fails for the pair that is judged."""
    failed = hashlib.sha256(" ".join(sorted(pair)).encode()).digest()[0] < 51
    return None if failed else float(hashlib.sha256(pair[place].encode()).digest()[0] % 10 + 1)


def _fifth_fails(request: Request, _draw: int) -> str | BackendError:
    shown = responses_shown(request.messages[-1].text)
    scores = [_truth(shown, place) for place in range(2)]
    if None in scores:
        return BackendError("out of order")
    return rf"Scores: \boxed{{{', '.join(f'{score:g}' for score in scores)}}}"
