"""Everything pluggable, written by yourself: a backend, a meta RM, an aggregator. Runs offline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deemster import Judge
from deemster.aggregators import Ballot, Reducer, TopK
from deemster.backends import Outcome, Request
from deemster.schemas import Completion, Conversation, Judgment


class LengthBackend:
    """A "model" that prefers short answers, and says so in the grm dialect."""

    name = "shortest"

    async def generate(self, request: Request) -> list[Outcome]:
        shown = request.messages[-1].text.split("<<<BEGIN RESPONSE ")[1:]
        lengths = [len(part.split("<<<END")[0]) for part in shown]
        scores = [10 if length == min(lengths) else 4 for length in lengths]
        box = ", ".join(map(str, scores))
        return [Completion(text=f"Scores: \\boxed{{{box}}}") for _ in range(request.n)]

    async def aclose(self) -> None: ...


class Decided:
    """A meta RM: trusts judgments that make a difference."""

    name = "decided"

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        given = [[score for score in one.scores if score is not None] for one in judgments]
        return [max(scores) - min(scores) for scores in given]

    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class Best(Reducer):
    """The highest score a response ever got."""

    def reduce(self, ballot: Ballot) -> np.ndarray:
        counted = np.where(ballot.given > 0, ballot.scores, np.nan)
        return np.nanmax(counted, axis=-2)


async def main() -> None:
    judge = Judge(LengthBackend(), k=4, meta_rm=Decided(), aggregator=TopK(2) >> Best())
    verdict = await judge.score("Say hello.", ["Hello.", "A very good day to you, dear reader."])
    print(verdict.rewards, verdict.best, verdict.judge.aggregator)
    assert verdict.best == 0


if __name__ == "__main__":
    asyncio.run(main())
