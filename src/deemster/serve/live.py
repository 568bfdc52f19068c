"""A verdict as it comes about, vote by vote, for somebody who watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from deemster.judges import Judge
from deemster.judges.base import BaseJudge, ask
from deemster.judges.case import Case
from deemster.judges.decide import decide
from deemster.judges.meta_rm import rate_votes
from deemster.schemas import Usage, Verdict, Vote


@dataclass(frozen=True)
class Progress:
    """What is known after one more vote."""

    vote: Vote
    verdict: Verdict
    """From the votes so far."""


async def live_verdict(judge: BaseJudge, case: Case) -> AsyncGenerator[Progress, None]:
    """The votes of a case as they come in; the last step's verdict is `score`'s.

    A plain `Judge` draws each vote by a request of its own here, with the seed it has in `score`.
    Judges that draw in rounds, put tools or generated principles first, or are made of judges give
    all their votes at the end.

    Raises:
        InputError: the case cannot be judged.
    """
    if not (isinstance(judge, Judge) and _votes_apart(judge)):
        verdict = await ask(judge, case)
        for vote in verdict.votes:
            yield Progress(vote, verdict)
        return
    if case.n == 1 or not judge.dialect.judges_one_at_a_time:
        judge.dialect.check_n(case.n)
    full = judge.with_principles(case)
    tasks = [asyncio.ensure_future(_one(judge, full, number)) for number in range(judge.k)]
    votes: list[Vote] = []
    rated = Usage()
    try:
        for coming in asyncio.as_completed(tasks):
            vote, usage = await coming
            votes = sorted((*votes, vote), key=lambda one: one.draw)
            rated += usage
            verdict = decide(
                votes,
                n=case.n,
                k=judge.k,
                reducer=judge.aggregator,
                info=judge.info,
                min_valid=judge.min_valid,
                extra=rated,
            )
            yield Progress(vote, judge.recorded(case, verdict))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _votes_apart(judge: Judge) -> bool:
    return judge.stop is None and judge.mode != "ahead" and judge.tool is None


async def _one(judge: Judge, case: Case, number: int) -> tuple[Vote, Usage]:
    """One vote, rated if the judge has a meta RM, and what rating it cost."""
    drawn = await judge.draw_votes(case, [number])
    if judge.meta_rm is None:
        return drawn[0], Usage()
    votes, usage = await rate_votes(judge.meta_rm, case.query, case.responses, drawn)
    return votes[0], usage
