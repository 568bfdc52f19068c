"""Judges that read each other's reasons and may change their minds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from deemster.aggregators import Mean, Reducer, parse_aggregator, strict_best
from deemster.backends import Backend
from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.judges.case import Section
from deemster.judges.decide import decide
from deemster.judges.hearing import (
    Outcome,
    as_vote,
    hear,
    raise_if_nobody_can,
    read_deadlines,
)
from deemster.judges.judge import Judge
from deemster.judges.membership import check_scale, member_names, whole_number
from deemster.judges.opinions import Opinion, debate_template, opinions_section
from deemster.judges.orders import derive_seed
from deemster.judges.scaling import Kind, PanelScaling
from deemster.judges.scorer import Scorer
from deemster.judges.transcript import Transcript
from deemster.schemas import JudgeInfo, Judgment, Principle, QueryLike, ResponseLike, Verdict, Vote

MAX_ROUNDS = 10


@dataclass(frozen=True)
class _Case:
    """What the judges are asked about."""

    query: QueryLike
    responses: Sequence[ResponseLike]
    reference: str | None
    principles: Any

    def put_to(
        self,
        judge: Scorer,
        section: Section | None = None,
        principles: tuple[Principle, ...] = (),
    ) -> Callable[[], Awaitable[Verdict]]:
        """Asks a judge; `principles` are for where the caller gave none."""
        chosen = self.principles if self.principles is not None else principles or None
        if section is not None and isinstance(judge, Judge):
            return partial(
                judge.reconsider,
                self.query,
                self.responses,
                section=section,
                reference=self.reference,
                principles=chosen,
            )
        return partial(
            judge.score,
            self.query,
            self.responses,
            reference=self.reference,
            principles=chosen,
        )


class Debate(BaseJudge):
    """Judges in rounds: each sees what the others say, and may revise its own judgment.

    In the first round members judge alone. Then each `Judge` is shown its own and the others'
    principles and critiques, without names, and judges again; other members (verifiers, panels)
    are heard and keep their first vote. Who is shown first rotates, so that every member's opinion
    stands in every place equally often. The debate ends when all members find the same response
    strictly best (of a single response: when their mean scores differ by at most `tolerance`), or
    after the last round.

    Every round's votes are kept, under the name `NAME#ROUND`. A member's last judgment counts, so
    a failure in a later round leaves its earlier judgment standing; the earlier ones are
    `superseded`. If the members still disagree, the arbiter is shown all opinions and its
    judgment alone counts; if it fails or finds several responses best, the members' votes stay.

    Args:
        judges: two or more with their `score`, at least one of them a `Judge`.
        rounds: most rounds, 1 to 10. 1 is a panel, with an arbiter if there is one.
        arbiter: anything with `score`; a `Judge` is shown the debate.
        aggregator: how the counted votes become rewards; default the mean.
        scale: how rewards become comparable; see `Panel`.
        tolerance: for single responses, in units of the members' (scaled) scores.
        deadline: seconds for each member in each round, and for the arbiter; one number for all,
            or by name.
        min_valid: fewest members with a judgment for a verdict.
        seed: breaks ties.
        name: what records call it.

    Raises:
        InputError: an argument is wrong.
    """

    def __init__(
        self,
        judges: Sequence[Scorer],
        *,
        rounds: int = 2,
        arbiter: Scorer | None = None,
        aggregator: Reducer | str | None = None,
        scale: Kind | PanelScaling = "zscore",
        tolerance: float = 1.0,
        deadline: float | Mapping[str, float] | None = None,
        min_valid: int = 1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        names = member_names(judges, what="a debate")
        self.rounds = whole_number("rounds", rounds, 1, MAX_ROUNDS)
        if rounds > 1 and not any(isinstance(judge, Judge) for judge in judges):
            raise InputError("no member of the debate is a Judge, so none can revise; use a Panel")
        self.judges = tuple(judges)
        self.arbiter = arbiter
        if aggregator is None:
            aggregator = Mean()
        self.aggregator = (
            parse_aggregator(aggregator) if isinstance(aggregator, str) else aggregator
        )
        with_arbiter = names if arbiter is None else (*names, arbiter.info.name)
        self.scale = check_scale(scale, with_arbiter)
        if isinstance(tolerance, bool) or not 0 <= tolerance < float("inf"):
            raise InputError(f"tolerance must be a finite number >= 0, got {tolerance!r}")
        self.tolerance = float(tolerance)
        self._names = names
        limits = read_deadlines(deadline, with_arbiter)
        self._deadlines, self._arbiter_deadline = limits[: len(names)], limits[-1]
        self.min_valid = whole_number("min_valid", min_valid, 1, len(names))
        self.seed = seed
        self.name = name or f"debate({', '.join(names)})"

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts; the arbiter is the last of the members."""
        infos = [judge.info for judge in self.judges]
        if self.arbiter is not None:
            infos.append(self.arbiter.info)
        scale = "" if self.scale == "zscore" else f":{self.scale}"
        role = "" if self.arbiter is None else " arbiter"
        return JudgeInfo(
            name=self.name,
            model=f"debate{scale}",
            prompt=debate_template().hash,
            k=len(self.judges) * self.rounds + (self.arbiter is not None),
            seed=self.seed,
            aggregator=str(self.aggregator),
            stop=f"agreement(rounds={self.rounds}, tolerance={self.tolerance:g}){role}",
            members=tuple(infos),
        )

    async def score(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,
        principles: Any = None,  # noqa: ANN401 - see `deemster.principles.as_principles`
    ) -> Verdict:
        """Debate 1..n responses; see `BaseJudge.score`.

        Raises:
            InputError: the input cannot be judged by any member.
        """
        case = _Case(query, responses, reference, principles)
        talk = Transcript(n=len(responses))
        outcomes = await hear(
            [case.put_to(judge) for judge in self.judges], n=talk.n, deadlines=self._deadlines
        )
        raise_if_nobody_can(outcomes)
        self._note(talk, dict(enumerate(outcomes)), round_number=1)
        for round_number in range(2, self.rounds + 1):
            if talk.agrees(self.tolerance):
                break
            again = await self._again(talk, case, round_number)
            self._note(talk, again, round_number=round_number)
        min_valid = self.min_valid
        disputed = len(talk.standing) >= min_valid and not talk.agrees(self.tolerance)
        if self.arbiter is not None and disputed and await self._settle(self.arbiter, talk, case):
            min_valid = 1
        return decide(
            talk.votes,
            n=talk.n,
            k=self.info.k,
            reducer=self.aggregator,
            info=self.info,
            min_valid=min_valid,
        )

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Put something between every judge and its model."""
        for judge in self._everyone():
            if isinstance(judge, BaseJudge):
                judge.wrap_backends(wrap)

    async def aclose(self) -> None:
        """Close all judges, the arbiter too."""
        await asyncio.gather(*(judge.aclose() for judge in self._everyone()))

    def everyone_asked(self) -> list[Scorer]:
        """Who is asked, at most, once for every time: members in each round, then the arbiter."""
        again = [judge for judge in self.judges if isinstance(judge, Judge)]
        last = [] if self.arbiter is None else [self.arbiter]
        return [*self.judges, *(again * (self.rounds - 1)), *last]

    def _everyone(self) -> list[Scorer]:
        """All judges once, even if the arbiter is one of the members."""
        extra = [] if self.arbiter is None or self.arbiter in self.judges else [self.arbiter]
        return [*self.judges, *extra]

    def _note(
        self, talk: Transcript, outcomes: Mapping[int, Outcome], *, round_number: int
    ) -> None:
        for member, outcome in outcomes.items():
            name = self._names[member]
            vote = as_vote(outcome, draw=len(talk.votes), judge=name, how=self.scale)
            talk.add(member, _labelled(vote, f"{name}#{round_number}"), outcome)

    async def _again(self, talk: Transcript, case: _Case, round_number: int) -> dict[int, Outcome]:
        """By member: the outcomes of a round in which judges see what the others say."""
        asked: dict[int, Callable[[], Awaitable[Verdict]]] = {}
        for member, judge in enumerate(self.judges):
            others = _others(talk.opinions, member, len(self.judges), backwards=round_number % 2)
            if not isinstance(judge, Judge) or not others:
                continue
            own = talk.opinions.get(member)
            section = opinions_section(
                others,
                own=own,
                round_number=round_number,
                arbiter=False,
                seed=derive_seed(self.seed, round_number),
            )
            # Principles made ahead are made once.
            made = own.principles if own is not None and judge.mode == "ahead" else ()
            asked[member] = case.put_to(judge, section, made)
        outcomes = await hear(
            list(asked.values()),
            n=talk.n,
            deadlines=[self._deadlines[member] for member in asked],
        )
        return dict(zip(asked, outcomes, strict=True))

    async def _settle(self, arbiter: Scorer, talk: Transcript, case: _Case) -> bool:
        """Ask the arbiter; whether it decided."""
        section = opinions_section(
            [talk.opinions[member] for member in sorted(talk.opinions)],
            own=None,
            round_number=self.rounds + 1,
            arbiter=True,
            seed=derive_seed(self.seed, "arbiter"),
        )
        (outcome,) = await hear(
            [case.put_to(arbiter, section)], n=talk.n, deadlines=[self._arbiter_deadline]
        )
        name = arbiter.info.name
        vote = as_vote(outcome, draw=len(talk.votes), judge=name, how=self.scale)
        vote = _labelled(vote, f"{name}#arbiter")
        decided = isinstance(vote, Judgment) and (
            talk.n == 1 or strict_best([s for s in vote.scores if s is not None]) is not None
        )
        if decided:
            for place in talk.standing.values():
                talk.supersede(place)
        elif isinstance(vote, Judgment):
            vote = vote.model_copy(update={"superseded": True})  # undecided: nothing to add
        talk.votes.append(vote)
        return decided


def _labelled(vote: Vote, label: str) -> Vote:
    return vote.model_copy(update={"judge": label})


def _others(
    opinions: Mapping[int, Opinion], member: int, members: int, *, backwards: int
) -> list[Opinion]:
    """The others' opinions from the next member on, so that each stands in each place once."""
    turn = [(member + step) % members for step in range(1, members)]
    if backwards:
        turn.reverse()
    return [opinions[other] for other in turn if other in opinions]
