"""Several judges that vote together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from deemster.aggregators import Mean, Reducer, parse_aggregator
from deemster.backends import Backend
from deemster.errors import BackendError, InputError
from deemster.judges.base import BaseJudge, Scorer
from deemster.judges.decide import decide
from deemster.judges.together import together
from deemster.schemas import (
    Failure,
    JudgeInfo,
    Judgment,
    QueryLike,
    ResponseLike,
    Verdict,
    Vote,
)


class Panel(BaseJudge):
    """Judges in parallel, one vote each: a member's rewards, made comparable, are its vote.

    Members score on scales of their own, and a sum over 32 votes is larger than one over 8. So
    each member's rewards are standardised within the call: less their mean, over their standard
    deviation (all equal: all 0). A single response has nothing to be compared with: there the
    members' mean scores vote as they are, so they should share a scale.

    A member that fails or gives no rewards is a `Failure` vote: it never tips the verdict.

    Args:
        members: judges, panels, or anything with their `score`; two or more.
        aggregator: how the members' votes become rewards; default the mean, which
            `Weighted("judge", judges=...) >> Mean()` weighs by member name.
        min_valid: fewest members with rewards for a verdict.
        seed: breaks ties.
        name: what records call it.
    """

    def __init__(
        self,
        members: Sequence[Scorer],
        *,
        aggregator: Reducer | str | None = None,
        min_valid: int = 1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        if len(members) < 2:
            raise InputError(f"a panel needs 2 or more members, got {len(members)}")
        names = [member.info.name for member in members]
        if len(set(names)) != len(names):
            raise InputError(f"panel members need different names, got {names}; give name=")
        if not 1 <= min_valid <= len(members):
            raise InputError(f"min_valid must be from 1 to {len(members)}, got {min_valid!r}")
        self.members = tuple(members)
        self.aggregator = (
            parse_aggregator(aggregator) if isinstance(aggregator, str) else aggregator or Mean()
        )
        self.min_valid = min_valid
        self.seed = seed
        self.name = name or f"panel({', '.join(names)})"

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        infos = tuple(member.info for member in self.members)
        return JudgeInfo(
            name=self.name,
            model="panel",
            k=len(infos),
            seed=self.seed,
            aggregator=str(self.aggregator),
            members=infos,
        )

    async def score(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,
        principles: Any = None,  # noqa: ANN401 - see `deemster.principles.as_principles`
    ) -> Verdict:
        """Judge 1..n responses by all members at once; see `BaseJudge.score`.

        Raises:
            InputError: the input cannot be judged by any member.
        """
        outcomes = await together(
            _member_verdict(member, query, responses, reference, principles)
            for member in self.members
        )
        wrong = [outcome for outcome in outcomes if isinstance(outcome, InputError)]
        if len(wrong) == len(outcomes):
            raise wrong[0]
        votes = [
            _as_vote(outcome, draw=draw, judge=member.info.name)
            for draw, (member, outcome) in enumerate(zip(self.members, outcomes, strict=True))
        ]
        return decide(
            votes,
            n=len(responses),
            k=len(votes),
            reducer=self.aggregator,
            info=self.info,
            min_valid=self.min_valid,
        )

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Put something between every member and its model."""
        for member in self.members:
            if isinstance(member, BaseJudge):
                member.wrap_backends(wrap)

    async def aclose(self) -> None:
        """Close all members."""
        await asyncio.gather(*(member.aclose() for member in self.members))


async def _member_verdict(
    member: Scorer,
    query: QueryLike,
    responses: Sequence[ResponseLike],
    reference: str | None,
    principles: Any,  # noqa: ANN401 - see `deemster.principles.as_principles`
) -> Verdict | Exception:
    try:
        return await member.score(query, responses, reference=reference, principles=principles)
    except Exception as error:  # noqa: BLE001 - a member may be anybody's code
        return error


def _as_vote(outcome: Verdict | Exception, *, draw: int, judge: str) -> Vote:
    if isinstance(outcome, Exception):
        status = outcome.status if isinstance(outcome, BackendError) else "api_error"
        return Failure(
            status=status,
            message=f"member {judge!r} failed: {outcome}",
            error=type(outcome).__name__,
            draw=draw,
            judge=judge,
        )
    if outcome.rewards is None:
        failures = outcome.failures
        return Failure(
            status=failures[0].status if failures else "api_error",
            message=f"member {judge!r} gave no rewards ({outcome.n_valid} of {outcome.k} votes "
            "are valid)" + (f": {failures[0].message}" if failures else ""),
            draw=draw,
            judge=judge,
            usage=outcome.usage,
        )
    shown = _speaker(outcome)
    return Judgment(
        scores=_comparable(outcome),
        principles=shown.principles,
        critiques=shown.critiques,
        analysis=shown.analysis,
        raw=shown.raw,
        draw=draw,
        judge=judge,
        usage=outcome.usage,
    )


def _speaker(verdict: Verdict) -> Judgment:
    """The member's judgment whose reasons are shown: the first that ranks as its verdict does."""
    for judgment in verdict.judgments:
        scores = [float("-inf") if score is None else score for score in judgment.scores]
        if verdict.ranking is not None and scores.index(max(scores)) == verdict.ranking[0]:
            return judgment
    return verdict.judgments[0]


def _comparable(verdict: Verdict) -> tuple[float, ...]:
    rewards = verdict.rewards or ()
    if len(rewards) == 1:
        scores = [judgment.scores[0] for judgment in verdict.judgments]
        given = [score for score in scores if score is not None]
        return (sum(given) / len(given),)
    mean = sum(rewards) / len(rewards)
    spread = (sum((reward - mean) ** 2 for reward in rewards) / len(rewards)) ** 0.5
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return (0.0,) * len(rewards)
    return tuple((reward - mean) / spread for reward in rewards)
