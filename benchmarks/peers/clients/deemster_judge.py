"""deemster: a judge of pairs, one vote a pair; DEEMSTER_BENCH_DIALECT says which dialect."""

import asyncio
import os

from _measuring import Judge, Pair, main


def start(url: str, concurrency: int) -> Judge:
    from deemster import Judge as Deemster
    from deemster import Sample

    runner = asyncio.Runner()
    judge = Deemster(
        "openai/judge",
        k=1,
        dialect=os.environ["DEEMSTER_BENCH_DIALECT"],
        api_base=url,
        api_key="key",
        concurrency=concurrency,
    )

    async def judge_all(pairs: list[Pair]) -> int:
        samples = (Sample(query=pair.query, responses=pair[1:]) for pair in pairs)
        found = 0
        async for _, verdict in judge.score_many(samples, in_flight=2 * concurrency):
            # One vote is one order, so it is the response shown first that the server prefers.
            found += sorted(verdict.scores or ()) == [5, 8]
        return found

    return lambda pairs: runner.run(judge_all(pairs))


if __name__ == "__main__":
    main(start)
