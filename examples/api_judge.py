"""Judge with any API model: `OPENAI_API_KEY=… python examples/api_judge.py [MODEL]`."""

from __future__ import annotations

import asyncio
import sys

from deemster import Judge
from deemster.backends.limits import Budget
from deemster.cli.render import show_verdict
from deemster.schemas import Sample


async def main(model: str) -> None:
    sample = Sample(
        query="Name the capital of Australia and one sentence why it was chosen.",
        responses=[
            "Canberra. It was a compromise between the rivals Sydney and Melbourne.",
            "Sydney, because it is the largest city and its harbour is famous.",
        ],
    )
    # never more than five cents, whatever happens
    async with Judge(model, k=8, concurrency=8, budget=Budget(usd=0.05)) as judge:
        verdict = await judge.score(sample.query, sample.responses)
    show_verdict(sample, verdict)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "openai/gpt-5-mini"))
