"""Asking every question of a plan, with the judge set as the question requires."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from deemster._version import __version__
from deemster.dialects import Dialect
from deemster.judges import Judge, decide
from deemster.judges.batch import score_many
from deemster.judges.orders import Orders
from deemster.probe.answers import Answer
from deemster.probe.card import HealthCard
from deemster.probe.figures import draw_card
from deemster.probe.paraphrase import paraphrases
from deemster.probe.plan import ProbePlan, Question, Unit, plan_probe
from deemster.schemas import Failure, Judgment, Sample, Usage, Verdict, Vote


async def probe(
    judge: Judge,
    *,
    calls: int = 300,
    k: int = 4,
    seed: int = 0,
    plan: ProbePlan | None = None,
    on_done: Callable[[Verdict], None] | None = None,
) -> HealthCard:
    """The health card of a judge.

    The judge's model, dialect, template, principles and decoding limits are probed. Votes are
    drawn as each figure needs them, so its own k, aggregator and meta RM are not used. Its
    temperature is kept unless it is 0 and several votes are drawn (then 0.5).

    Args:
        judge: what to probe.
        calls: most completions to draw.
        k: votes per pair where several are drawn, even, >= 4.
        seed: of the choice of items.
        plan: from `plan_probe`, in place of the three above.
        on_done: called with each verdict (for progress).

    Raises:
        InputError: the judge or the numbers cannot be probed; nothing was sent.
    """
    planned = plan or plan_probe(judge, calls=calls, k=k, seed=seed)
    answers: dict[int, dict[str, Verdict]] = {number: {} for number in range(len(planned.units))}
    spent: list[Usage] = []
    for settings, asked in _by_judge(judge, planned):
        async with aclosing(_ask(settings, asked, pairs=planned.pairs)) as verdicts:
            async for number, question, verdict in verdicts:
                answers[number][question.part] = verdict
                spent.append(verdict.usage)
                if on_done is not None:
                    on_done(verdict)
    return draw_card(
        [Answer(unit, answers[number]) for number, unit in enumerate(planned.units)],
        judge=judge.info,
        version=__version__,
        calls=planned.calls,
        usage=Usage.total(spent),
    )


@dataclass(frozen=True)
class _Asked:
    number: int
    unit: Unit
    question: Question


def _by_judge(judge: Judge, plan: ProbePlan) -> Iterator[tuple[Judge, list[_Asked]]]:
    """The judges that a probe needs, each with what it is asked."""
    several = judge.sampling.temperature or 0.5
    everything = [
        _Asked(number, unit, question)
        for number, unit in enumerate(plan.units)
        for question in unit.questions
    ]
    votes = [one for one in everything if one.unit.stage == "votes"]
    yield set_up(judge, k=plan.k, orders="balanced", temperature=several), votes
    for name, dialect in paraphrases(judge.dialect).items():
        same = [
            one
            for one in everything
            if one.unit.stage == "paraphrase" and one.question.part == name
        ]
        yield set_up(judge, k=2, orders="balanced", temperature=several, dialect=dialect), same
    once = [one for one in everything if one.unit.stage not in ("votes", "paraphrase")]
    temperature = judge.sampling.temperature if judge.k == 1 else 0.0
    yield set_up(judge, k=1, orders="fixed", temperature=temperature), once


def set_up(
    judge: Judge, *, k: int, orders: Orders, temperature: float, dialect: Dialect | None = None
) -> Judge:
    """The judge with other votes; it shares the backend, which the first judge closes."""
    return Judge(
        judge.backend,
        k=k,
        temperature=temperature,
        dialect=dialect or judge.dialect,
        principles=judge.source or (judge.principles if judge.mode == "fixed" else judge.mode),
        orders=orders,
        seed=judge.seed,
        max_tokens=judge.sampling.max_tokens,
        top_p=judge.sampling.top_p,
        name=judge.name,
    )


async def _ask(
    judge: Judge, asked: Sequence[_Asked], *, pairs: bool
) -> AsyncGenerator[tuple[int, Question, Verdict], None]:
    """Each question with its verdict, as they finish."""
    places: dict[str, tuple[_Asked, int]] = {}
    samples = []
    for at, one in enumerate(asked):
        # A dialect for single responses is asked about each response of a pair.
        shown = [one.question.responses] if pairs else [(text,) for text in one.question.responses]
        for part, responses in enumerate(shown):
            name = f"{at}/{part}"
            places[name] = (one, part)
            samples.append(Sample(id=name, query=one.question.query, responses=responses))
    halves: dict[int, dict[int, Verdict]] = {}
    async with aclosing(score_many(judge, samples)) as verdicts:
        async for sample, verdict in verdicts:
            one, part = places[sample.id]
            if pairs or len(one.question.responses) == 1:
                yield one.number, one.question, verdict
                continue
            at = int(sample.id.partition("/")[0])
            found = halves.setdefault(at, {})
            found[part] = verdict
            if len(found) == 2:
                del halves[at]
                yield one.number, one.question, _paired(judge, found[0], found[1])


def _paired(judge: Judge, first: Verdict, second: Verdict) -> Verdict:
    """One verdict on a pair whose responses were judged one by one, vote by vote."""
    votes: list[Vote] = []
    for one, other in zip(first.votes, second.votes, strict=True):
        usage = one.usage + other.usage
        if isinstance(one, Judgment) and isinstance(other, Judgment):
            votes.append(
                Judgment(
                    draw=one.draw,
                    scores=(one.scores[0], other.scores[0]),
                    scale=one.scale,
                    usage=usage,
                )
            )
        else:
            failed = one if isinstance(one, Failure) else other
            votes.append(failed.model_copy(update={"usage": usage, "order": ()}))
    return decide(votes, n=2, k=judge.k, reducer=judge.aggregator, info=judge.info)
