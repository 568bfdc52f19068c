"""Rejective sampling: which trajectories a judge is fine-tuned on (paper section 3, Eq. 10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from deemster.dialects import Dialect, open_dialect
from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.outcome import is_correct, truth_of
from deemster.training.rollouts import Rollout
from deemster.training.shortcuts import shortcut_of


@dataclass(frozen=True)
class Rejection:
    """Every trajectory in one of five groups, each in the order of the samples."""

    kept: tuple[Rollout, ...]
    """To train on, plain and hinted ones (see `Rollout.hinted`)."""
    too_easy: tuple[Rollout, ...]
    """Correct, but so are all plain trajectories of the sample."""
    incorrect: tuple[Rollout, ...]
    unparseable: tuple[Rollout, ...]
    shortcuts: tuple[tuple[Rollout, str], ...]
    """Hinted ones that are correct without work, and why; see `deemster.training.shortcuts`."""

    @property
    def counts(self) -> dict[str, int]:
        """Sizes of the groups, and of their parts, for a manifest."""
        hinted = sum(rollout.hinted for rollout in self.kept)
        groups = (self.kept, self.too_easy, self.incorrect, self.unparseable, self.shortcuts)
        return {
            "trajectories": sum(map(len, groups)),
            "kept": len(self.kept),
            "kept_hinted": hinted,
            "kept_items": len({rollout.sample_id for rollout in self.kept}),
            "too_easy": len(self.too_easy),
            "too_easy_items": len({rollout.sample_id for rollout in self.too_easy}),
            "incorrect": len(self.incorrect),
            "unparseable": len(self.unparseable),
            "shortcuts": len(self.shortcuts),
        }


def reject(
    rollouts: Iterable[Rollout],
    samples: Iterable[Sample],
    *,
    dialect: Dialect | None = None,
    drop_too_easy: bool = True,
) -> Rejection:
    """Sort trajectories into those to train on and those not to.

    Incorrect ones (Eq. 10) are rejected, and all of a sample whose plain trajectories are all
    correct. Hinted ones are rejected if incorrect or if they take a shortcut; they do not count
    when deciding whether a sample is too easy.

    Args:
        rollouts: plain and hinted ones, in any order.
        samples: what they are about; those without trajectories are skipped.
        dialect: reads the critiques of hinted ones; None is `grm`.
        drop_too_easy: whether samples that are always judged right are dropped; a teacher's
            trajectories are worth keeping anyway.

    Raises:
        InputError: a trajectory is about an unknown sample, a sample has no label or a bad one, or
            nothing is left to train on.
    """
    dialect = dialect or open_dialect("grm")
    by_sample: dict[str, list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        by_sample[rollout.sample_id].append(rollout)
    groups = _Groups([], [], [], [], [])
    for sample in samples:
        drawn = by_sample.pop(sample.id, [])
        if drawn:
            _sort(drawn, sample, groups, dialect, drop_too_easy=drop_too_easy)
    if by_sample:
        raise InputError(
            f"trajectories about {next(iter(by_sample))!r}, but there is no such sample "
            f"({len(by_sample)} ids are unknown); give the samples they were drawn from"
        )
    found = Rejection(
        tuple(groups.kept),
        tuple(groups.too_easy),
        tuple(groups.incorrect),
        tuple(groups.unparseable),
        tuple(groups.shortcuts),
    )
    if not found.kept:
        raise InputError(_nothing_left(found))
    return found


@dataclass(frozen=True)
class _Groups:
    kept: list[Rollout]
    too_easy: list[Rollout]
    incorrect: list[Rollout]
    unparseable: list[Rollout]
    shortcuts: list[tuple[Rollout, str]]


def _sort(
    drawn: list[Rollout], sample: Sample, groups: _Groups, dialect: Dialect, *, drop_too_easy: bool
) -> None:
    """Put the trajectories of one sample into their groups."""
    truth = truth_of(sample)
    correct = [
        rollout.scores is not None and is_correct(rollout.scores, truth) for rollout in drawn
    ]
    plain = [right for rollout, right in zip(drawn, correct, strict=True) if not rollout.hinted]
    easy = drop_too_easy and bool(plain) and all(plain)
    for rollout, right in zip(drawn, correct, strict=True):
        if rollout.scores is None:
            groups.unparseable.append(rollout)
        elif not right:
            groups.incorrect.append(rollout)
        elif rollout.hinted and (why := shortcut_of(rollout, sample, dialect)):
            groups.shortcuts.append((rollout, why))
        elif easy and not rollout.hinted:
            groups.too_easy.append(rollout)
        else:
            groups.kept.append(rollout)


def _nothing_left(found: Rejection) -> str:
    counts = found.counts
    reasons = ", ".join(
        f"{counts[name]} {name.replace('_', ' ')}"
        for name in ("incorrect", "unparseable", "too_easy", "shortcuts")
    )
    remedy = "sample more, or from a better judge"
    if counts["too_easy"] > counts["incorrect"] + counts["unparseable"]:
        remedy = "give harder data, more trajectories a sample, or keep easy samples"
    return f"rejection left nothing of {counts['trajectories']} trajectories: {reasons}; {remedy}"
