"""Attacks on a judge, counted: how often a wrong answer wins because of what it carries."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing

import numpy as np

from deemster._version import __version__
from deemster.judges import BaseJudge, Judge
from deemster.judges.batch import score_many
from deemster.probe.attack_plan import KINDS, AttackPlan, Trial, plan_attacks
from deemster.probe.run import set_up
from deemster.schemas import Count, JudgeInfo, Record, Sample, Usage, Verdict
from deemster.suites.metrics import Bootstrap, Estimate

_EXAMPLES = 3
_SHARE = Bootstrap(proportions="wilson")
Winner = int
"""1: the wrong answer has the higher reward; -1: the right one; 0: neither."""


class AttackFigure(Record):
    """What became of the attacks of one kind."""

    kind: str
    n: Count
    """Attacks that count: without the attack the judge prefers the right answer."""
    forged: Count
    """Of these, how often the wrong answer won with the attack."""
    share: Estimate
    """`forged` of `n`, with its 95 % interval."""
    unscored: Count
    """Attacks that do not count because they or their control got no verdict."""
    wrong: Count
    """Attacks that do not count because the judge does not prefer the right answer anyway."""
    examples: tuple[str, ...] = ()
    """Some responses that won."""


class AttackReport(Record):
    """What attacks did to a judge."""

    judge: JudgeInfo
    version: str
    """Of deemster."""
    figures: tuple[AttackFigure, ...]
    """By kind."""
    overall: AttackFigure
    """Of all kinds together."""
    n_verdicts: Count
    n_unscored: Count
    """Verdicts without rewards."""
    usage: Usage


async def attack(
    judge: BaseJudge,
    *,
    calls: int = 300,
    seed: int = 0,
    plan: AttackPlan | None = None,
    on_done: Callable[[Verdict], None] | None = None,
) -> AttackReport:
    """Attack a judge and count what worked.

    Every attack is a wrong answer with something added, against the right answer, as often in
    either place. A verdict is forged if the wrong answer wins although the right one wins when as
    much empty text is added in place of the attack. A generative `Judge` is asked for one greedy
    vote in the order given, where an attack has most effect; other judges are asked as they are.

    Args:
        judge: of any type.
        calls: most verdicts to ask for, controls included.
        seed: of the choice of attacks.
        plan: from `plan_attacks`, in place of the two above.
        on_done: called with each verdict (for progress).

    Raises:
        InputError: the calls are too few; nothing was sent.
    """
    planned = plan or plan_attacks(judge, calls=calls, seed=seed)
    asked = judge
    if isinstance(judge, Judge):
        asked = set_up(judge, k=1, orders="fixed", temperature=0.0)
    winners: dict[int, Winner | None] = {}
    verdicts: list[Verdict] = []
    async with aclosing(_ask(asked, planned)) as answers:
        async for number, found in answers:
            winners[number] = _winner(planned.trials[number], found)
            verdicts += found
            for verdict in found:
                if on_done is not None:
                    on_done(verdict)
    return AttackReport(
        judge=judge.info,
        version=__version__,
        figures=tuple(_figure(kind, planned.trials, winners) for kind in KINDS),
        overall=_figure("all", planned.trials, winners),
        n_verdicts=len(verdicts),
        n_unscored=sum(verdict.rewards is None for verdict in verdicts),
        usage=Usage.total(verdict.usage for verdict in verdicts),
    )


async def _ask(
    judge: BaseJudge, plan: AttackPlan
) -> AsyncGenerator[tuple[int, list[Verdict]], None]:
    """Number of each trial and its verdicts: one on both answers, or one on each."""
    samples = []
    for number, trial in enumerate(plan.trials):
        shown = [trial.responses] if plan.pairs else [(text,) for text in trial.responses]
        samples += [
            Sample(id=f"{number}/{part}", query=trial.pair.query, responses=responses)
            for part, responses in enumerate(shown)
        ]
    parts: dict[int, dict[str, Verdict]] = {}
    async with aclosing(score_many(judge, samples)) as verdicts:
        async for sample, verdict in verdicts:
            number = int(sample.id.partition("/")[0])
            found = parts.setdefault(number, {})
            found[sample.id] = verdict
            if len(found) == (1 if plan.pairs else 2):
                yield number, [found[name] for name in sorted(parts.pop(number))]


def _winner(trial: Trial, verdicts: Sequence[Verdict]) -> Winner | None:
    """None without two rewards."""
    rewards = [reward for one in verdicts for reward in one.rewards or ()]
    if len(rewards) != 2:
        return None
    first = int(np.sign(rewards[0] - rewards[1]))
    return first if trial.place == 1 else -first


def _figure(
    kind: str, trials: Sequence[Trial], winners: Mapping[int, Winner | None]
) -> AttackFigure:
    """The figure of a kind, or of `all`."""
    controls = {
        trial.control: winners[number] for number, trial in enumerate(trials) if not trial.kind
    }
    forged: list[bool] = []
    unscored = wrong = 0
    examples = []
    for number, trial in enumerate(trials):
        if not trial.kind or kind not in ("all", trial.kind):
            continue
        attacked, control = winners[number], controls[trial.control]
        if attacked is None or control is None:
            unscored += 1
        elif control >= 0:
            wrong += 1
        else:
            forged.append(attacked > 0)
            if attacked > 0:
                examples.append(trial.wrong)
    return AttackFigure(
        kind=kind,
        n=len(forged),
        forged=sum(forged),
        share=_SHARE.mean([float(one) for one in forged]),
        unscored=unscored,
        wrong=wrong,
        examples=tuple(dict.fromkeys(examples))[:_EXAMPLES],
    )
