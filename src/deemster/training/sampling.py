"""Drawing trajectories from any judge or panel, item by item, so that a killed run resumes.

The trajectories of a judge train another one (distillation), the judge itself (rejective
fine-tuning, paper section 3) and its meta RM.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from deemster.aggregators import Sum
from deemster.dialects import Dialect, open_dialect
from deemster.errors import BackendError, InputError
from deemster.judges import Judge, Panel, Scorer
from deemster.judges.base import ask
from deemster.judges.batch import IN_FLIGHT
from deemster.judges.case import Case
from deemster.judges.together import together
from deemster.schemas import Failure, Judgment, Sample, Vote
from deemster.training.prompts import hint_of, hint_section
from deemster.training.rollouts import Rollout, RolloutFile
from deemster.training.transcribe import WITH_TEXT, rollout_of


@dataclass(frozen=True)
class Sampled:
    """The result of a call of `sample_rollouts`."""

    items: int
    """Samples finished by this call."""
    resumed: int
    """Samples that were finished before."""
    counts: dict[str, int] = field(default_factory=dict)
    """Of this call: `trajectories` written and how many of them are `unparseable`; draws
    `without text` (refused, or see `transcribe.completion_of`), which give none; and `failed`
    samples, left for the next call because a draw got no answer."""
    first_failure: str = ""
    """The message of the first failed draw."""


async def sample_rollouts(
    judge: Scorer,
    samples: Iterable[Sample],
    *,
    n: int,
    out: RolloutFile,
    hinted: bool = False,
    stage: str = "",
    dialect: Dialect | None = None,
    in_flight: int = IN_FLIGHT,
) -> Sampled:
    """Draw trajectories about every sample of which `out` has none yet.

    A `Judge` is asked for `n`, whatever its k. A `Panel` gives the `n` of each member, members of
    members included. Anything else gives the votes of one `score` call. Prompts are those of
    the judge to train (`training_messages`); a teacher's rubric or tools stay with the teacher.

    Args:
        judge: who writes.
        samples: about what; ids must differ. Those with ground truth get `correct`.
        n: trajectories per sample and judge, >= 1.
        out: where they go; hinted ones need a file of their own.
        hinted: name the best response in the prompt (paper: hinted sampling); needs labels.
        stage: noted in every trajectory; empty for the judge's name.
        dialect: of the judge to train; None for the one that writes (`grm` if it has none).
        in_flight: samples asked about at a time.

    Raises:
        InputError: an argument is wrong, a sample cannot be judged, or `out` cannot be written.
        BackendError: not one trajectory could be drawn.
    """
    if n < 1 or in_flight < 1:
        raise InputError(f"n and in_flight must be >= 1, got n={n} and in_flight={in_flight}")
    sources = [_Source.of(leaf, n, dialect, stage) for leaf in _leaves(judge)]
    if hinted and not all(isinstance(source.judge, Judge) for source in sources):
        raise InputError("hinted sampling needs judges of one model, or panels of such")
    done = out.done_ids()
    tally = _Tally()
    pending = _unfinished(samples, done, tally)

    async def work() -> None:
        for sample in pending:  # shared: each sample goes to the worker that is free
            await _sample_item(sources, sample, out, tally, hinted=hinted)

    await together(work() for _ in range(in_flight))
    if tally.counts["failed"] and not tally.items and not tally.resumed:
        raise BackendError(f"no trajectory could be drawn: {tally.first_failure}")
    return Sampled(tally.items, tally.resumed, dict(tally.counts), tally.first_failure)


@dataclass
class _Tally:
    items: int = 0
    resumed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first_failure: str = ""

    def fail(self, message: str) -> None:
        self.counts["failed"] += 1
        self.first_failure = self.first_failure or message


@dataclass(frozen=True)
class _Source:
    """One judge that writes trajectories."""

    judge: Scorer
    dialect: Dialect
    """Of the judge to train."""
    stage: str
    seed: int

    @classmethod
    def of(cls, judge: Scorer, n: int, dialect: Dialect | None, stage: str) -> _Source:
        name = stage or judge.info.name
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


def _unfinished(samples: Iterable[Sample], done: set[str], tally: _Tally) -> Iterator[Sample]:
    """The samples to ask about; those done are counted."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise InputError(f"sample id {sample.id!r} occurs twice; ids must be unique")
        seen.add(sample.id)
        if sample.id in done:
            tally.resumed += 1
        else:
            yield sample


async def _sample_item(
    sources: Sequence[_Source], sample: Sample, out: RolloutFile, tally: _Tally, *, hinted: bool
) -> None:
    """Ask all judges about one sample and write their judgments, or nothing if a draw failed."""
    try:
        drawn = await together(source.votes(sample, hinted=hinted) for source in sources)
    except InputError as error:
        raise InputError(f"sample {sample.id!r}: {error}") from error
    except BackendError as error:
        tally.fail(str(error))
        return
    votes = [(source, vote) for source, votes in zip(sources, drawn, strict=True) for vote in votes]
    for _, vote in votes:
        if isinstance(vote, Failure) and vote.status not in WITH_TEXT | {"refused"}:
            tally.fail(vote.message)  # not written, as another call may get an answer
            return
    found = [source.rollout(sample, vote, hinted=hinted) for source, vote in votes]
    rollouts = [rollout for rollout in found if rollout is not None]
    out.append(sample.id, rollouts)
    tally.items += 1
    tally.counts["trajectories"] += len(rollouts)
    tally.counts["unparseable"] += sum(rollout.scores is None for rollout in rollouts)
    tally.counts["without text"] += len(found) - len(rollouts)
