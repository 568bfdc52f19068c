"""Rewards of a group of rollouts, judged together: what the modules for trainers share.

A generative judge compares. Trainers of the GRPO kind draw G responses to each prompt and use only
the differences within such a group, so the group is what is judged, not each rollout by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.judges.decide import unscored
from deemster.judges.scorer import Scorer, most_responses
from deemster.judges.settings import whole_number
from deemster.judges.together import together
from deemster.principles import PrinciplesLike
from deemster.schemas import (
    Message,
    QueryLike,
    ReferenceLike,
    ResponseLike,
    Usage,
    Verdict,
    as_reference,
    as_responses,
)


@dataclass(frozen=True)
class GroupRewards:
    """What judging a group gave.

    Attributes:
        rewards: one per response, in order; None where there is no verdict.
        verdicts: of all calls that the group took.
        places: for each response, the calls that judged it: (number of the verdict, index in it).
    """

    rewards: tuple[float | None, ...]
    verdicts: tuple[Verdict, ...]
    places: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def usage(self) -> Usage:
        """Of all calls."""
        return Usage.total(verdict.usage for verdict in self.verdicts)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why votes failed, each reason once."""
        failures = [one for verdict in self.verdicts for one in verdict.failures]
        return tuple(dict.fromkeys(f"{one.status}: {one.message}" for one in failures))

    def critique(self, response: int) -> str:
        """What the judge's first valid vote says about a response; empty if nothing."""
        for number, index in self.places[response]:
            for judgment in self.verdicts[number].judgments:
                said = [one.text for one in judgment.critiques if one.response == index]
                if said or judgment.analysis:
                    return "\n".join(said) or judgment.analysis
        return ""


async def judge_group(
    judge: Scorer,
    query: QueryLike,
    responses: Sequence[ResponseLike],
    *,
    reference: ReferenceLike | None = None,
    principles: PrinciplesLike | None = None,
    at_once: int | None = None,
) -> GroupRewards:
    """Rewards of all responses to one query, comparable within the group.

    Equal responses are judged once and get the same reward. A group that the judge can compare in
    one call gets the verdict's `rewards`. A larger one is judged in parts of nearly equal size,
    and the rewards are the verdicts' `scores`, means on the judge's own scale, because rewards
    may be relative to the responses of one call.

    Args:
        judge: anything with `score`.
        query: what was answered.
        responses: the group, 1 or more.
        reference: shown to the judge.
        principles: for the judge.
        at_once: most responses of one call, >= 2; None for as many as the judge takes.

    Raises:
        InputError: `at_once` or the responses are wrong. What the judge refuses to judge is a
            verdict of failures instead.
        UnusableModelError: the judge's model cannot be asked at all.
    """
    given, gold = as_responses(responses), as_reference(reference)
    most = most_responses(judge)
    if at_once is not None:
        whole_number("at_once", at_once, 2, 10_000)
        most = at_once if most is None else min(most, at_once)
    distinct = list(dict.fromkeys(given))
    if len(distinct) == 1 and len(given) > 1:
        distinct *= 2  # alone it might be scored on another scale than in company
    parts = _parts(len(distinct), most or len(distinct))

    async def judged(part: Sequence[int]) -> Verdict:
        shown = [distinct[i] for i in part]
        try:
            return await judge.score(query, shown, reference=gold, principles=principles)
        except UnusableModelError:
            raise
        except (InputError, BackendError) as error:
            return unscored(error, k=max(judge.info.k, 1), info=judge.info)

    verdicts = await together(judged(part) for part in parts)
    fits = most is None or len(given) <= most
    places: dict[Message, list[tuple[int, int]]] = {one: [] for one in distinct}
    rewards: dict[Message, list[float]] = {one: [] for one in distinct}
    for number, (part, verdict) in enumerate(zip(parts, verdicts, strict=True)):
        numbers = _numbers(verdict, fits=fits)
        for index, i in enumerate(part):
            places[distinct[i]].append((number, index))
            if numbers is not None:
                rewards[distinct[i]].append(numbers[index])
    return GroupRewards(
        tuple(fmean(rewards[one]) if rewards[one] else None for one in given),
        tuple(verdicts),
        tuple(tuple(places[one]) for one in given),
    )


def _numbers(verdict: Verdict, *, fits: bool) -> tuple[float, ...] | None:
    """A verdict's rewards, or what can be compared with other verdicts about the same query.

    Raises:
        InputError: nothing can.
    """
    if fits or not verdict.is_scored or verdict.scores is not None:
        return verdict.rewards if fits else verdict.scores
    raise InputError(
        f"judge {verdict.judge.name!r} gives rewards that are relative to the responses of one "
        "call, and the group is too large for one call; make groups smaller, or take a judge "
        "whose verdicts have `scores`"
    )


def _parts(n: int, most: int) -> list[tuple[int, ...]]:
    """Responses 0..n-1 in as few parts as possible, none larger than `most`, sizes nearly equal.

    Nothing is judged alone if there is company: a last one left over (pairs of an odd number) is
    judged beside a neighbour, which then has two verdicts.
    """
    count = -(-n // most)
    edges = [n * i // count for i in range(count + 1)]
    parts = []
    for low, high in pairwise(edges):
        alone = high - low == 1 < min(n, most)
        parts.append((low - 1 if low else 1, low) if alone else tuple(range(low, high)))
    return parts
