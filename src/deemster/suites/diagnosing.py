"""What would help a judge, from stored votes: more votes, another judge, labels; with the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from deemster.aggregators.base import Floats
from deemster.aggregators.learned import cross_fit
from deemster.errors import InputError
from deemster.judges.calibrator import verdict_features
from deemster.judges.calibrator_fit import cross_fit_chances, why_not
from deemster.schemas import Count, Record
from deemster.suites.metrics import Bootstrap, Estimate, Item, stable_errors
from deemster.suites.metrics.estimate import DEFAULT
from deemster.suites.panel_report import effective_number
from deemster.suites.panels import Member, StoredPanel, load_member, rewards_table, win_share

_Tried = tuple[Estimate, Estimate, str]
"""Accuracy, gain and note of a remedy."""
_ANSWERED = 0.8
"""Share of the items that a judge that may abstain still answers."""


class Remedy(Record):
    """Something to try, and what it did on the votes at hand.

    Where it cannot be tried on them, accuracy and gain are None and `note` says why.
    """

    what: str
    accuracy: Estimate
    gain: Estimate
    """Over the judge as it is, on the same items; for abstaining, over all of its answers."""
    votes: float
    """Per item."""
    cost: float | None
    """US dollars per item; None if unknown."""
    note: str = ""


class Diagnosis(Record):
    """A judge's errors and what would help, over its labelled comparisons."""

    judge: str
    n: Count
    accuracy: Estimate
    """Strict; ties on top and unscored items are wrong."""
    stable: Estimate | None
    """See `stable_errors`."""
    effective_votes: Estimate | None
    """How many votes with independent errors k of its votes are worth; None with single votes."""
    votes: float
    cost: float | None
    remedies: tuple[Remedy, ...]
    """Best gain first; those that cannot be tried last."""


def diagnose_run(
    run: Path, others: Sequence[Path] = (), *, seed: int = 0, bootstrap: Bootstrap = DEFAULT
) -> Diagnosis:
    """What would help a judge.

    Args:
        run: run directory with labels, `DIR#NAME` where it has several judges.
        others: runs of other judges, or of the same with other principles, over the same samples.
        seed: of the folds.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: there is no such run or judge, or fewer than 20 labelled comparisons.
    """
    member = load_member(run)
    keys = [key for key, sample in member.samples.items() if sample.best is not None]
    if len(keys) < 20:
        raise InputError(
            f"{str(run)!r} has {len(keys)} labelled comparisons; 20 or more are needed"
        )
    alone = StoredPanel((member,), tuple(keys))
    right = (win_share(rewards_table(alone, keys)) == 1).astype(float)
    k = min(len(member.verdicts[key].votes) for key in keys)
    votes, cost = member.votes_per_item(keys), member.cost_per_item(keys)
    remedies = [
        *_more_votes(alone, keys, k, votes, cost, bootstrap),
        *_labels(member, keys, right, votes, cost, seed, bootstrap),
        *(
            found
            for other in _loaded(member, others)
            for found in _another(member, other, bootstrap)
        ),
    ]
    items = [Item.from_verdict(member.samples[key], member.verdicts[key]) for key in keys]
    return Diagnosis(
        judge=member.info.name,
        n=len(keys),
        accuracy=bootstrap.mean(right),
        stable=stable_errors(items, member.reducer, bootstrap=bootstrap),
        effective_votes=_effective_votes(alone, keys, k, bootstrap),
        votes=votes,
        cost=cost,
        remedies=tuple(
            sorted(remedies, key=lambda one: (one.gain.value is None, -(one.gain.value or 0.0)))
        ),
    )


def _effective_votes(
    panel: StoredPanel, keys: Sequence[str], k: int, bootstrap: Bootstrap
) -> Estimate | None:
    if k < 2:
        return None
    errors = [1 - win_share(rewards_table(panel, keys, (draw,))) for draw in range(k)]
    return effective_number(np.stack(errors, axis=1), bootstrap=bootstrap)


def _hits(panel: StoredPanel, keys: Sequence[str], votes: Sequence[int] | None) -> Floats:
    hits: Floats = (win_share(rewards_table(panel, keys, votes)) == 1).astype(float)
    return hits


def _more_votes(  # noqa: PLR0917
    panel: StoredPanel,
    keys: Sequence[str],
    k: int,
    votes: float,
    cost: float | None,
    bootstrap: Bootstrap,
) -> list[Remedy]:
    """What the last doubling gave: the next one seldom gives more."""
    if k < 2:
        return []
    half = k // 2
    now = _hits(panel, keys, range(2 * half))
    before = (_hits(panel, keys, range(half)) + _hits(panel, keys, range(half, 2 * half))) / 2
    return [
        Remedy(
            what=f"twice the votes: {2 * votes:.3g}",
            accuracy=Estimate(value=None, low=None, high=None, n=len(keys)),
            gain=bootstrap.difference(now, before),
            votes=2 * votes,
            cost=None if cost is None else 2 * cost,
            note=f"what going from {half} to {2 * half} gave",
        )
    ]


def _labels(  # noqa: PLR0917
    member: Member,
    keys: Sequence[str],
    right: Floats,
    votes: float,
    cost: float | None,
    seed: int,
    bootstrap: Bootstrap,
) -> list[Remedy]:
    """Votes weighed by labels, and answering only what is likely to be right."""
    found = []
    for what, tried in (
        ("labels: aggregator learned", _weighed(member, keys, right, seed, bootstrap)),
        (
            f"labels: abstain on the least sure {1 - _ANSWERED:.0%}",
            _abstaining(member, keys, right, seed, bootstrap),
        ),
    ):
        accuracy, gain, note = tried
        found.append(
            Remedy(what=what, accuracy=accuracy, gain=gain, votes=votes, cost=cost, note=note)
        )
    return found


def _weighed(
    member: Member, keys: Sequence[str], right: Floats, seed: int, bootstrap: Bootstrap
) -> _Tried:
    ballots = [member.ballot(key) for key in keys]
    best = [member.samples[key].best or 0 for key in keys]
    try:
        rewards = cross_fit(ballots, best, seed=seed)
    except InputError as error:
        return _untried(keys, str(error))
    learned = np.array([float(_strictly(*one)) for one in zip(rewards, best, strict=True)])
    return bootstrap.mean(learned), bootstrap.difference(learned, right), "cross-fitted"


def _abstaining(
    member: Member, keys: Sequence[str], right: Floats, seed: int, bootstrap: Bootstrap
) -> _Tried:
    values = np.array([verdict_features(member.verdicts[key]) for key in keys])
    if why := why_not(values, right):
        return _untried(keys, why)
    try:
        chance = np.nan_to_num(cross_fit_chances(values, right, seed=seed))
    except InputError as error:  # verdicts look alike, all of them or those of four folds
        return _untried(keys, str(error))
    kept = np.argsort(-chance, kind="stable")[: round(_ANSWERED * len(keys))]
    answered = np.zeros(len(keys))
    answered[kept] = 1
    gain = gain_of_answering(right, answered, bootstrap)
    note = f"of the {len(kept)} answered; cross-fitted"
    return bootstrap.mean(right[kept]), gain, note


def gain_of_answering(right: Floats, answered: Floats, bootstrap: Bootstrap) -> Estimate:
    """Accuracy of the answered items less that of all, over resampled items.

    Args:
        right: (I,) 1 for right.
        answered: (I,) 1 for answered, some.
        bootstrap: how the interval is drawn.
    """
    rows, counts = np.unique(np.stack([right, answered], axis=1), axis=0, return_counts=True)
    hits, kept = rows.T

    def statistic(w: Floats) -> Floats:
        found: Floats = w @ (hits * kept) / (w @ kept) - w @ hits / w.sum(axis=1)
        return found

    value = float(statistic(counts[None].astype(float))[0])
    return bootstrap.estimate(value, counts, statistic, within=(-1.0, 1.0))


def _untried(keys: Sequence[str], why: str) -> _Tried:
    nothing = Estimate(value=None, low=None, high=None, n=len(keys))
    return nothing, nothing, why


def _strictly(rewards: Floats, best: int) -> bool:
    return bool(rewards[best] > np.delete(rewards, best).max() + 1e-9)


def _loaded(member: Member, others: Sequence[Path]) -> list[Member]:
    """Other judges, under names that tell them apart."""
    names = [member.info.name]
    found = []
    for run in others:
        found.append(load_member(run, taken=names))
        names.append(found[-1].info.name)
    return found


def _halved(member: Member) -> Member:
    """With the first half of its votes on every sample."""
    halves = {
        key: verdict.model_copy(update={"votes": verdict.votes[: len(verdict.votes) // 2]})
        for key, verdict in member.verdicts.items()
    }
    return replace(member, verdicts=halves)


def _another(member: Member, other: Member, bootstrap: Bootstrap) -> list[Remedy]:
    """Half of the votes from another judge; all of both."""
    keys = [
        key
        for key, sample in member.samples.items()
        if sample.best is not None and key in other.samples
    ]
    if not keys:
        raise InputError(f"{other.info.name!r} shares no labelled comparison with the judge's run")
    for key in keys:
        if member.samples[key].ground_truth != other.samples[key].ground_truth:
            raise InputError(f"sample {key!r} has other labels in the run of {other.info.name!r}")
    pair = StoredPanel((member, other), tuple(keys))
    alone = (win_share(rewards_table(StoredPanel((member,), tuple(keys)), keys)) == 1).astype(float)
    note = "" if len(keys) == len(member.samples) else f"on {len(keys)} shared items"
    halves = StoredPanel(tuple(map(_halved, pair.members)), pair.keys)
    most = max(len(one.verdicts[key].votes) for one in halves.members for key in keys)
    found = []
    for what, panel, kept in (
        ("half of the votes", halves, range(most)),
        ("all votes of both", pair, None),
    ):
        if any(not one.verdicts[key].votes for one in panel.members for key in keys):
            continue
        votes = [one.votes_per_item(keys) for one in panel.members]
        costs = [
            None if cost is None else cost * drawn / whole.votes_per_item(keys)
            for whole, drawn in zip(pair.members, votes, strict=True)
            for cost in (whole.cost_per_item(keys),)
        ]
        hits = _hits(panel, keys, kept)
        found.append(
            Remedy(
                what=f"{other.info.name} too, {what}",
                accuracy=bootstrap.mean(hits),
                gain=bootstrap.difference(hits, alone),
                votes=sum(votes),
                cost=None if None in costs else sum(cost or 0.0 for cost in costs),
                note=note,
            )
        )
    return found
