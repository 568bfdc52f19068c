"""How often models agree with the judges of a stored run, on held-out items that both judged.

Agreement is accuracy with the teacher's verdict in place of the truth: its strictly best response
must be the model's. Items without one (unscored, tied, single responses) say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deemster.aggregators import strict_best
from deemster.schemas import Record, Sample
from deemster.suites.metrics import Comparison, Estimate, Item, accuracy, compare
from deemster.suites.store import RunStore

Runs = Mapping[str, tuple[Sequence[Item], Sequence[Item]]]
"""By model: its items judged greedily, and by votes."""


class ModelAgreement(Record):
    """Of one model, with 95 % intervals. A judgment that does not parse does not agree."""

    greedy: Estimate
    vote: Estimate
    """With all votes."""


class TeacherFigures(Record):
    """One judge of the run, and how far the models agree with it."""

    n: int
    """Held-out items of which it prefers one response."""
    accuracy: Estimate
    """Of the judge itself on the held-out items that have a label."""
    models: dict[str, ModelAgreement]
    greedy_gain: Comparison | None
    """Agreement of the last model against that of the first, greedy, paired by item."""
    vote_gain: Comparison | None
    """The same with all votes."""


class Teacher(Record):
    """What a judge of a run said about the held-out items."""

    name: str
    rewards: dict[str, tuple[float, ...]]
    """By id of the item."""


def teachers_of(
    run: str | Path, samples: Sequence[Sample], names: Sequence[str] | None = None
) -> list[Teacher]:
    """The judges of a run that scored some of the samples; items are matched by their texts.

    Args:
        run: the run directory.
        samples: the held-out ones.
        names: of the judges; None for all.

    Raises:
        InputError: there is no run.
    """
    ids = {_texts(sample): sample.id for sample in samples}
    found = []
    with RunStore(run) as store:
        for number, info in enumerate(store.judges()):
            if names is not None and info.name not in names:
                continue
            rewards = {
                ids[_texts(sample)]: verdict.rewards
                for sample, verdict in store.verdicts(number)
                if verdict.rewards is not None and _texts(sample) in ids
            }
            if rewards:
                found.append(Teacher(name=info.name, rewards=rewards))
    return found


def _texts(sample: Sample) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (
        tuple(f"{turn.role}:{turn.text}" for turn in sample.query),
        tuple(turn.text for turn in sample.responses),
    )


def agreement(teachers: Sequence[Teacher], runs: Runs) -> dict[str, TeacherFigures]:
    """Figures by teacher.

    Args:
        teachers: see `teachers_of`.
        runs: of the models, first to last trained; unscored items as ties.
    """
    figures = {}
    for teacher in teachers:
        relabelled = {
            name: (_relabelled(greedy, teacher), _relabelled(voted, teacher))
            for name, (greedy, voted) in runs.items()
        }
        first, *rest = relabelled.values()
        last = rest[-1] if rest else None
        figures[teacher.name] = TeacherFigures(
            n=len(first[0]),
            accuracy=accuracy(_of_teacher(next(iter(runs.values()))[0], teacher)).overall,
            models={
                name: ModelAgreement(greedy=accuracy(greedy).overall, vote=accuracy(voted).overall)
                for name, (greedy, voted) in relabelled.items()
            },
            greedy_gain=compare(last[0], first[0]) if last else None,
            vote_gain=compare(last[1], first[1]) if last else None,
        )
    return figures


def _relabelled(items: Sequence[Item], teacher: Teacher) -> list[Item]:
    """The items on which the teacher prefers one response, with its rewards as the truth."""
    return [
        replace(item, ground_truth=rewards)
        for item in items
        if (rewards := teacher.rewards.get(item.id)) is not None
        and len(rewards) > 1
        and strict_best(rewards) is not None
    ]


def _of_teacher(items: Sequence[Item], teacher: Teacher) -> list[Item]:
    """The items as the teacher scored them."""
    return [
        replace(item, rewards=teacher.rewards[item.id])
        for item in items
        if item.id in teacher.rewards
    ]


__all__ = ["ModelAgreement", "Teacher", "TeacherFigures", "agreement", "teachers_of"]
