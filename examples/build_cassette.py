"""Rebuild examples/data/quickstart.cassette from examples/data/completions.

The completions were written by an LLM acting as the judge: one text per draw of `Judge(k=4)` on
examples/data/quickstart.jsonl, in one session, unedited. They show what the parts do; they are no
measurement of any model, and their spread is not that of sampling.

Run it after a change of the prompt: the cassette is found by the exact prompt.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from deemster.backends import FakeBackend, Request
from deemster.backends.replay import RecordBackend
from deemster.judges import Judge
from deemster.suites.jsonl import read_samples

DATA = Path(__file__).parent / "data"
CASSETTE = DATA / "quickstart.cassette"
MODEL = "example-judge"


async def main() -> None:
    CASSETTE.unlink(missing_ok=True)
    texts: dict[tuple[str, int], str] = {}

    def completion(request: Request, draw: int) -> str:
        return texts[request.messages[-1].text, request.seeds[draw]]

    judge = Judge(RecordBackend(FakeBackend(completion, name=MODEL), CASSETTE), k=4)
    for sample in read_samples(DATA / "quickstart.jsonl"):
        case = judge.case(sample.query, sample.responses, reference=sample.reference)
        asked = judge.requests(case)
        for request, _, draws in asked:
            for draw, seed in zip(draws, request.seeds, strict=True):
                text = (DATA / "completions" / sample.id / f"{draw}.txt").read_text("utf-8")
                texts[request.messages[-1].text, seed] = text.strip()
        verdict = await judge.score(sample.query, sample.responses, reference=sample.reference)
        print(sample.id, verdict.rewards, f"{verdict.n_valid}/{verdict.k}")
    await judge.backend.aclose()


if __name__ == "__main__":
    asyncio.run(main())
