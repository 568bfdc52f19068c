"""Judges that read each other's reasons and may change their minds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from deemster.aggregators import Mean, Reducer, parse_aggregator, strict_best
from deemster.errors import InputError
from deemster.judges.asking import (
    Answer,
    as_vote,
    ask_all,
    raise_if_nobody_can,
    read_deadlines,
)
from deemster.judges.base import BaseJudge
from deemster.judges.building import Site
from deemster.judges.case import Case
from deemster.judges.composite import Composite
from deemster.judges.decide import decide
from deemster.judges.judge import Judge
from deemster.judges.membership import check_scale
from deemster.judges.opinions import Opinion, debate_template, opinions_section
from deemster.judges.orders import derive_seed
from deemster.judges.plan import Planned
from deemster.judges.scaling import Kind, PanelScaling
from deemster.judges.scorer import Scorer
from deemster.judges.settings import whole_number
from deemster.judges.spec import CompositeSpec, JudgeSpec, Part, Seconds, Weight
from deemster.judges.transcript import Transcript
from deemster.schemas import JudgeInfo, Judgment, Verdict, Vote

MAX_ROUNDS = 10


class Debate(Composite):
    """Judges in rounds: each sees what the others say, and may revise its own judgment.

    In the first round members judge alone. Then each `Judge` is shown its own and the others'
    principles and critiques, without names, and judges again; other members (verifiers, panels)
    keep their first vote. Who is shown first rotates, so that every member's opinion
    stands in every place equally often. The debate ends when all members find the same response
    strictly best (of a single response: when their mean scores differ by at most `tolerance`), or
    after the last round.

    Every round's votes are kept, under the name `NAME#ROUND`. A member's last judgment counts, so
    a failure in a later round leaves its earlier judgment standing; the earlier ones are
    `superseded`. If the members still disagree, the arbiter is shown all opinions and its
    judgment alone counts; if it fails or finds several responses best, the members' votes stay.

    Args:
        members: two or more with their `score`, which stay the caller's to close, or model
            strings; at least one is a `Judge`.
        rounds: most rounds, 1 to 10. 1 is a panel, with an arbiter if there is one.
        arbiter: anything with `score`, or a model string; a `Judge` is shown the debate.
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
        members: Sequence[Scorer | str],
        *,
        rounds: int = 2,
        arbiter: Scorer | str | None = None,
        aggregator: Reducer | str | None = None,
        scale: Kind | PanelScaling = "zscore",
        tolerance: float = 1.0,
        deadline: float | Mapping[str, float] | None = None,
        min_valid: int = 1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        names = self._open_members(members, what="a debate")
        self.rounds = whole_number("rounds", rounds, 1, MAX_ROUNDS)
        if rounds > 1 and not any(isinstance(one, Judge) for one in self._members):
            raise InputError("no member of the debate is a Judge, so none can revise; use a Panel")
        self.arbiter = None if arbiter is None else self._member(arbiter)
        if aggregator is None:
            aggregator = Mean()
        self.aggregator = (
            parse_aggregator(aggregator) if isinstance(aggregator, str) else aggregator
        )
        with_arbiter = names if self.arbiter is None else (*names, self.arbiter.info.name)
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
        infos = [member.info for member in self._members]
        if self.arbiter is not None:
            infos.append(self.arbiter.info)
        scale = "" if self.scale == "zscore" else f":{self.scale}"
        role = "" if self.arbiter is None else " arbiter"
        return JudgeInfo(
            name=self.name,
            model=f"debate{scale}",
            prompt=debate_template().hash,
            k=len(self._members) * self.rounds + (self.arbiter is not None),
            seed=self.seed,
            aggregator=str(self.aggregator),
            stop=f"agreement(rounds={self.rounds}, tolerance={self.tolerance:g}){role}",
            members=tuple(infos),
        )

    @property
    def members(self) -> tuple[Scorer, ...]:
        """The judges and the arbiter, each once, also where the arbiter is one of the judges."""
        extra = () if self.arbiter is None or self.arbiter in self._members else (self.arbiter,)
        return (*self._members, *extra)

    def plan(self, case: Case) -> Iterator[Planned]:
        """All rounds, and the arbiter: fewer are asked where the members agree early."""
        again = [member for member in self._members if isinstance(member, Judge)]
        for member in self._members:
            if isinstance(member, BaseJudge):
                yield from member.plan(case)
        later = [*again * (self.rounds - 1), *([] if self.arbiter is None else [self.arbiter])]
        for judge in later:
            if isinstance(judge, BaseJudge):
                shown = isinstance(judge, Judge)  # the others' opinions, which nobody knows yet
                yield from (replace(one, known=one.known and not shown) for one in judge.plan(case))

    async def _judge(self, case: Case) -> Verdict:
        talk = Transcript(n=case.n)
        answers = await ask_all(
            [(member, case) for member in self._members], n=talk.n, deadlines=self._deadlines
        )
        raise_if_nobody_can(answers)
        self._note(talk, dict(enumerate(answers)), round_number=1)
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

    def _note(self, talk: Transcript, answers: Mapping[int, Answer], *, round_number: int) -> None:
        for member, answer in answers.items():
            name = self._names[member]
            vote = as_vote(answer, draw=len(talk.votes), judge=name, how=self.scale)
            talk.add(member, _labelled(vote, f"{name}#{round_number}"), answer)

    async def _again(self, talk: Transcript, case: Case, round_number: int) -> dict[int, Answer]:
        """By member: the answers of a round in which judges see what the others say."""
        asked: dict[int, tuple[Judge, Case]] = {}
        for member, judge in enumerate(self._members):
            others = _others(talk.opinions, member, len(self._members), backwards=round_number % 2)
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
            asked[member] = (
                judge,
                replace(case, after=section, principles=case.principles or made),
            )
        answers = await ask_all(
            list(asked.values()),
            n=talk.n,
            deadlines=[self._deadlines[member] for member in asked],
        )
        return dict(zip(asked, answers, strict=True))

    async def _settle(self, arbiter: Scorer, talk: Transcript, case: Case) -> bool:
        """Ask the arbiter; whether it decided."""
        section = opinions_section(
            [talk.opinions[member] for member in sorted(talk.opinions)],
            own=None,
            round_number=self.rounds + 1,
            arbiter=True,
            seed=derive_seed(self.seed, "arbiter"),
        )
        if isinstance(arbiter, Judge):
            case = replace(case, after=section)
        (answer,) = await ask_all([(arbiter, case)], n=talk.n, deadlines=[self._arbiter_deadline])
        name = arbiter.info.name
        vote = as_vote(answer, draw=len(talk.votes), judge=name, how=self.scale)
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


class DebateSpec(CompositeSpec):
    """Judges in rounds: each sees what the others say, and may revise its own judgment."""

    type: Literal["debate"] = "debate"
    rounds: Annotated[int, Field(strict=True, ge=1, le=MAX_ROUNDS)] = 2
    """Most rounds; 1 is a panel, with an arbiter if there is one."""
    arbiter: Part | None = None
    """The judge that decides where the debate ends in disagreement."""
    scale: Kind = "zscore"
    """How their rewards become comparable."""
    aggregator: str | None = None
    """How the members' votes become rewards; default: the mean."""
    tolerance: Weight = 1.0
    """For single responses: how far the members' mean scores may differ in agreement."""
    deadline: Seconds | None = None
    """Seconds for each member in each round."""

    @property
    def parts(self) -> tuple[str | JudgeSpec, ...]:
        """See `JudgeSpec.parts`."""
        return self.members if self.arbiter is None else (*self.members, self.arbiter)

    def build(self, site: Site) -> Debate:
        """See `JudgeSpec.build`."""
        return Debate(
            [site.judge(member) for member in self.members],
            rounds=self.rounds,
            arbiter=None if self.arbiter is None else site.judge(self.arbiter),
            aggregator=self.aggregator,
            scale=self.scale,
            tolerance=self.tolerance,
            deadline=self.deadline,
            min_valid=self.min_valid,
            seed=site.seed,
            name=self.label,
        )
