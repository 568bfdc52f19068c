"""What `make demo` runs: judge a small example set and show all that a verdict holds.

Offline: the judge's completions are replayed from a cassette (see build_cassette.py for where they
come from). Everything after the completion is real: prompts, parsing, votes, aggregation.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from deemster import Judge
from deemster.cli.render import show_verdict
from deemster.suites.jsonl import read_samples

DATA = Path(__file__).parent / "data"


async def main() -> None:
    right = asked = 0
    async with Judge(f"replay:{DATA / 'quickstart.cassette'}", k=4) as judge:
        for sample in read_samples(DATA / "quickstart.jsonl"):
            verdict = await judge.score(sample.query, sample.responses, reference=sample.reference)
            show_verdict(sample, verdict)
            if sample.best is not None:
                asked += 1
                right += verdict.best == sample.best
    print(f"The judge found the better response in {right} of {asked} examples.")
    print("Completions were replayed, not drawn: see examples/build_cassette.py.")


if __name__ == "__main__":
    asyncio.run(main())
