"""Matches of a tournament: who was compared, who won, and the only place that asks the judge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from deemster.aggregators import tie_groups
from deemster.errors import InputError
from deemster.judges.base import ask
from deemster.judges.case import Case
from deemster.judges.scorer import Scorer
from deemster.judges.together import together
from deemster.schemas import Count, Record, Usage, Verdict


class Match(Record):
    """Some of the responses, compared in one call (or two)."""

    round: Count
    """From 1."""
    responses: tuple[Count, ...]
    """Response indices, in the order they were given to the judge."""
    verdict: Verdict | None = None
    """Of the last attempt; about `responses` in that order. None if the judge raised an error."""
    attempts: Count = 1
    message: str = ""
    """Why there are no rewards."""
    winner: Count | None = None
    """Which response won; None if it is not known."""
    by: Literal["rewards", "record", "seed", "nothing"] = "nothing"
    """What decided: strictly the highest reward; the earlier matches; the judge's seed, if these
    were equal too; or nothing (an unscored match)."""

    @property
    def scored(self) -> bool:
        """Whether there are rewards."""
        return self.verdict is not None and self.verdict.rewards is not None


@dataclass
class Form:
    """A response's record so far."""

    matches: int = 0
    points: float = 0.0
    margin: float = 0.0
    rivals: list[int] = field(default_factory=list)

    @property
    def standing(self) -> tuple[float, float]:
        """Points per match, then standardised reward per match.

        Half a match with half a point is added, so that one win in one match is less than five in
        five.
        """
        return (
            round((self.points + 0.25) / (self.matches + 0.5), 9),
            round(self.margin / (self.matches + 0.5), 9),
        )


@dataclass
class Table:
    """The matches so far, and the only place that asks the judge."""

    judge: Scorer
    case: Case
    calls_left: int
    in_flight: int
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    matches: list[Match] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = [Form() for _ in self.case.responses]

    async def play(self, groups: Sequence[tuple[int, ...]], round_number: int) -> list[Match]:
        """Score groups of responses, unscored ones once again while calls are left."""
        played = await self._ask_all(groups)
        again = [i for i, found in enumerate(played) if not _has_rewards(found)]
        again = again[: max(self.calls_left, 0)]
        retried = await self._ask_all([tuple(reversed(groups[i])) for i in again])
        shown = list(groups)
        for i, found in zip(again, retried, strict=True):
            shown[i], played[i] = tuple(reversed(groups[i])), found
        made = []
        for i, (group, found) in enumerate(zip(shown, played, strict=True)):
            match = Match(round=round_number, responses=group, attempts=1 + (i in again))
            made.append(self._decided(match, found))
        for match in made:
            self._note(match)
        self.matches += made
        return made

    async def _ask_all(self, groups: Sequence[tuple[int, ...]]) -> list[Verdict | str]:
        gate = asyncio.Semaphore(self.in_flight)

        async def ask(group: tuple[int, ...]) -> Verdict | str:
            async with gate:
                some = tuple(self.case.responses[i] for i in group)
                return await ask_judge(self.judge, replace(self.case, responses=some))

        self.calls += len(groups)
        self.calls_left -= len(groups)
        found = await together(ask(group) for group in groups)
        self.usage += Usage.total(one.usage for one in found if isinstance(one, Verdict))
        return found

    def _decided(self, match: Match, found: Verdict | str) -> Match:
        """The match with its verdict and its winner, by the records from before it."""
        if isinstance(found, str):
            return self._by_record(match.model_copy(update={"message": found}), match.responses)
        given: dict[str, object] = {"verdict": found}
        if found.rewards is None or found.ranking is None:
            why = found.failures[0].message if found.failures else "too few valid votes"
            given["message"] = why
            return self._by_record(match.model_copy(update=given), match.responses)
        if found.best is not None:
            given |= {"winner": match.responses[found.best], "by": "rewards"}
            return match.model_copy(update=given)
        tied = [match.responses[i] for i in tie_groups(found.rewards)[0]]
        decided = self._by_record(match.model_copy(update=given), tied)
        if decided.winner is None:
            first = match.responses[found.ranking[0]]
            top = self._best_records(tied)
            ranked = [match.responses[i] for i in found.ranking]
            winner = first if first in top else next(one for one in ranked if one in top)
            return decided.model_copy(update={"winner": winner, "by": "seed"})
        return decided

    def _by_record(self, match: Match, among: Sequence[int]) -> Match:
        top = self._best_records(among)
        if len(top) > 1:
            return match
        return match.model_copy(update={"winner": top[0], "by": "record"})

    def _best_records(self, among: Sequence[int]) -> list[int]:
        most = max(self.records[i].standing for i in among)
        return [i for i in among if self.records[i].standing == most]

    def survivors(self, match: Match) -> list[int]:
        """Who advances: the winner, or all with the best record."""
        if match.winner is not None:
            return [match.winner]
        return self._best_records(match.responses)

    def _note(self, match: Match) -> None:
        if match.verdict is None or match.verdict.rewards is None or len(match.responses) < 2:
            return
        rewards = np.array(match.verdict.rewards)
        for tied in tie_groups(match.verdict.rewards):
            rewards[list(tied)] = rewards[tied[0]]  # they may differ by rounding
        apart = rewards - rewards.mean()
        spread = float(rewards.std()) if np.ptp(rewards) > 0 else 1.0
        for place, response in enumerate(match.responses):
            others = np.delete(rewards, place)
            beaten = (rewards[place] > others) + 0.5 * (rewards[place] == others)
            record = self.records[response]
            record.matches += 1
            record.points += float(beaten.mean())
            record.margin += float(apart[place]) / spread
            record.rivals += [i for i in match.responses if i != response]


async def ask_judge(judge: Scorer, case: Case) -> Verdict | str:
    """A verdict, or why there is none.

    Raises:
        InputError: the input cannot be judged.
    """
    try:
        verdict: object = await ask(judge, case)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - a judge may be anybody's code
        return f"{type(error).__name__}: {error}"
    if not isinstance(verdict, Verdict):
        return f"the judge returned {type(verdict).__name__}, not a Verdict"
    if verdict.rewards is not None and len(verdict.rewards) != case.n:
        return f"the judge gave {len(verdict.rewards)} rewards for {case.n} responses"
    return verdict


def _has_rewards(found: Verdict | str) -> bool:
    return isinstance(found, Verdict) and found.rewards is not None
