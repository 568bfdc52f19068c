"""Drawing trajectories about one sample, from any judge or panel."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from deemster.aggregators import Sum
from deemster.dialects import Dialect, open_dialect
from deemster.errors import BackendError, InputError
from deemster.judges import Judge, Panel, Scorer
from deemster.judges.base import ask
from deemster.judges.case import Case
from deemster.judges.together import together
from deemster.schemas import Failure, Judgment, Sample, Vote
from deemster.training.prompts import hint_of, hint_section
from deemster.training.rollouts import Rollout
from deemster.training.transcribe import WITH_TEXT, rollout_of


class Closable(Protocol):
    """A judge, or all that it was built with."""

    async def aclose(self) -> None:
        """Close it."""
        ...


MakeJudge = Callable[[], tuple[Scorer, Closable]]
"""Makes a judge on whatever machine it is called, and gives what closes it and all its parts."""


@dataclass(frozen=True)
class DrawSettings:
    """What is drawn of every sample.

    Args:
        n: trajectories per sample and judge, >= 1.
        hinted: name the best response in the prompt (paper: hinted sampling); needs labels.
        stage: noted in every trajectory; empty for the judge's name.
        dialect: of the judge to train; None for the one that writes (`grm` if it has none).
    """

    n: int
    hinted: bool = False
    stage: str = ""
    dialect: Dialect | None = None


@dataclass(frozen=True)
class Drawn:
    """What came of asking about one sample."""

    rollouts: tuple[Rollout, ...] | None
    """None: a draw got no answer; another call may get one."""
    without_text: int = 0
    """Draws that gave no trajectory: refused, or see `transcribe.completion_of`."""
    failure: str = ""
    """The message of the first draw without an answer."""


class Drawer:
    """Draws trajectories.

    A `Judge` is asked for `n`, whatever its k. A `Panel` gives the `n` of each member, members of
    members included. Anything else gives the votes of one `score` call. Prompts are those of
    the judge to train (`training_messages`); a teacher's rubric or tools stay with the teacher.

    Args:
        judge: who writes.
        settings: what is drawn.

    Raises:
        InputError: they do not fit each other.
    """

    def __init__(self, judge: Scorer, settings: DrawSettings) -> None:
        self._hinted = settings.hinted
        self._sources = [_Source.of(leaf, settings) for leaf in _leaves(judge)]
        if self._hinted and not all(isinstance(one.judge, Judge) for one in self._sources):
            raise InputError("hinted sampling needs judges of one model, or panels of such")

    def check(self, sample: Sample) -> None:
        """Refuse a sample with more or fewer responses than a judge's prompt shows.

        Raises:
            InputError: as said; the text names the sample.
        """
        for source in self._sources:
            try:
                if isinstance(source.judge, Judge):
                    source.judge.dialect.check_n(len(sample.responses))
            except InputError as error:
                raise InputError(
                    f"sample {sample.id!r}, judge {source.judge.info.name!r}: {error}"
                ) from error

    async def draw(self, sample: Sample) -> Drawn:
        """Ask all judges about one sample; nothing of it is kept if a draw failed.

        Raises:
            InputError: the sample cannot be judged.
        """
        try:
            found = await together(one.votes(sample, hinted=self._hinted) for one in self._sources)
        except InputError as error:
            raise InputError(f"sample {sample.id!r}: {error}") from error
        except BackendError as error:
            return Drawn(None, failure=str(error))
        votes = [
            (source, vote)
            for source, cast in zip(self._sources, found, strict=True)
            for vote in cast
        ]
        for _, vote in votes:
            if isinstance(vote, Failure) and vote.status not in WITH_TEXT | {"refused"}:
                return Drawn(None, failure=vote.message)
        written = [source.rollout(sample, vote, hinted=self._hinted) for source, vote in votes]
        rollouts = tuple(rollout for rollout in written if rollout is not None)
        return Drawn(rollouts, without_text=len(written) - len(rollouts))


@dataclass(frozen=True)
class _Source:
    """One judge that writes trajectories."""

    judge: Scorer
    dialect: Dialect
    """Of the judge to train."""
    stage: str
    seed: int

    @classmethod
    def of(cls, judge: Scorer, settings: DrawSettings) -> _Source:
        n, dialect = settings.n, settings.dialect
        name = settings.stage or judge.info.name
        if not isinstance(judge, Judge):
            return cls(judge, dialect or open_dialect("grm"), name, judge.info.seed)
        if n > 1 and judge.sampling.temperature == 0:
            raise InputError(
                f"judge {judge.name!r} has temperature 0: its {n} trajectories of a sample would "
                "be the same; give a temperature above 0, or n=1"
            )
        drawer = copy.copy(judge)
        # All n draws; nothing that would stop or rate them.
        drawer.k, drawer.min_valid, drawer.stop = n, 1, None
        drawer.meta_rm, drawer.aggregator = None, Sum()
        return cls(drawer, dialect or judge.dialect, name, judge.seed)

    async def votes(self, sample: Sample, *, hinted: bool) -> tuple[Vote, ...]:
        case = Case.of(
            sample.query,
            sample.responses,
            reference=sample.reference,
            principles=sample.principles or None,
        )
        if hinted:
            case = replace(case, after=hint_section(case.n, hint_of(sample)))
        verdict = await ask(self.judge, case)
        return tuple(v for v in verdict.votes if not (isinstance(v, Judgment) and v.superseded))

    def rollout(self, sample: Sample, vote: Vote, *, hinted: bool) -> Rollout | None:
        """The trajectory of a vote; see `rollout_of`."""
        spec = self.judge.dialect.spec if isinstance(self.judge, Judge) else ""
        return rollout_of(
            sample,
            vote,
            dialect=self.dialect,
            written_in=spec,
            stage=self.stage,
            seed=self.seed,
            hinted=hinted,
        )


def _leaves(judge: Scorer) -> list[Scorer]:
    if isinstance(judge, Panel):
        return [leaf for member in judge.members for leaf in _leaves(member)]
    return [judge]
