"""The embedded judge on many items at once against one item after the other, in one run.

Both give the same verdicts. Run: `python -m benchmarks.local_requests`.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from deemster import Judge
from deemster.schemas import Verdict
from lab.world import World


def main(*, items: int = 16, k: int = 8) -> dict[str, Any]:
    """Measure both ways, after a warm-up.

    Args:
        items: with two to four responses each.
        k: votes an item.

    Returns:
        Seconds of both, votes/s of both, and their ratio.
    """
    return asyncio.run(_measure(items, k))


async def _measure(items: int, k: int) -> dict[str, Any]:
    found = [one for one in World(1).samples(4 * items) if len(one.responses) > 1]
    warm, *samples = found[: items + 1]
    async with Judge("nano", k=k) as judge:
        await judge.score(warm.query, warm.responses)
        started = time.perf_counter()
        one_by_one: list[Verdict] = [await judge.score(one.query, one.responses) for one in samples]
        in_turn = time.perf_counter() - started
        started = time.perf_counter()
        at_once = await asyncio.gather(*(judge.score(one.query, one.responses) for one in samples))
        together = time.perf_counter() - started
    assert [one.rewards for one in at_once] == [one.rewards for one in one_by_one]
    votes = len(samples) * k
    return {
        "items": len(samples),
        "k": k,
        "in_turn_s": round(in_turn, 1),
        "at_once_s": round(together, 1),
        "in_turn_votes_per_s": round(votes / in_turn, 1),
        "at_once_votes_per_s": round(votes / together, 1),
        "ratio": round(in_turn / together, 2),
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
