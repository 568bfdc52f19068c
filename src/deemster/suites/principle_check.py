"""Which principles of a judge earn their place, from stored votes and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from deemster.aggregators import Reducer, win_shares
from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.schemas import Count, Record
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.metrics.estimate import DEFAULT, tidy
from deemster.suites.panels import load_member
from deemster.suites.principle_votes import JudgedItem, Naming, flips, usable_votes

LEAST = 20
"""Fewest items for figures."""
_ALPHA = 0.05

Basis = Literal["scores", "votes"]
Conclusion = Literal["earns its place", "does harm", "not shown", "too few items", "cannot be told"]


class PrincipleFigures(Record):
    """What one principle does."""

    name: str
    description: str
    spellings: Count
    """Names that were taken for this one."""
    votes: Count
    """Votes that use it."""
    items: Count
    """Labelled comparisons with such a vote."""
    agreement: Estimate | None = None
    """With the labels, ties on top shared: of its own scores alone, or of the votes that use it."""
    gain: Estimate | None = None
    """By scores: agreement of all principles together less that without it. By votes: agreement of
    the votes with it less that of the votes without it, on the items that have both."""
    flips: Estimate | None = None
    """Items on which the winner changes when it is left out (by votes: when the votes that use it
    are)."""
    flips_by_chance: float | None = None
    """By votes: the same when as many votes are left out at random."""
    nearest: str = ""
    """The principle most like it."""
    overlap: Estimate | None = None
    """With the nearest: correlation of their scores within items, or the share of the votes with
    either that have both."""
    p_value: float | None = None
    """Of no gain, by random signs; corrected for the number of principles (Holm)."""
    conclusion: Conclusion


class PrincipleReport(Record):
    """The principles of a judge, over its labelled comparisons."""

    judge: str
    basis: Basis
    """Whether votes score each principle, or only overall."""
    n: Count
    """Labelled comparisons with votes that name principles."""
    votes: Count
    accuracy: Estimate
    """By scores, of the weighted principles together; by votes, of the votes. Ties on top are
    shared."""
    n_principles: Count
    principles: tuple[PrincipleFigures, ...]
    """Best gain first, those without figures last."""


def check_principles(
    run: Path, *, seed: int = 0, bootstrap: Bootstrap = DEFAULT
) -> PrincipleReport:
    """Measure each principle of a stored judge against the labels of its run.

    Args:
        run: run directory with labels, `DIR#NAME` where it has several judges.
        seed: of the random signs.
        bootstrap: how intervals over items are drawn.

    Raises:
        InputError: there is no such run or judge, its votes name no principles, or fewer than 20
            labelled comparisons have such votes.
    """
    member = load_member(run)
    labelled = {key: one for key, one in member.samples.items() if one.best is not None}
    votes = [v for key, one in labelled.items() for v in usable_votes(one, member.verdicts[key])]
    if not votes:
        raise InputError(
            f"{str(run)!r} has no votes with principles on labelled comparisons; judge with a "
            "dialect that gives principles (json, grm), or with --principles"
        )
    naming = Naming.of(votes)
    found = (JudgedItem.of(one, member.verdicts[key], naming) for key, one in labelled.items())
    items = [item for item in found if item is not None]
    if len(items) < LEAST:
        raise InputError(
            f"{str(run)!r} has {len(items)} labelled comparisons with principles; {LEAST} or more "
            "are needed"
        )
    scored = [item for item in items if item.has_own]
    basis: Basis = "scores" if 2 * len(scored) >= len(items) else "votes"
    used = scored if basis == "scores" else items
    items_of = Counter(number for item in used for number in item.weights)
    # A judge that writes its own has thousands, nearly all of them on few items.
    common = [number for number in sorted(naming.wordings) if items_of[number] >= LEAST]
    figures = [
        _figures(number, naming, used, common, basis, member.reducer, bootstrap)
        for number in sorted(naming.wordings)
    ]
    return PrincipleReport(
        judge=member.info.name,
        basis=basis,
        n=len(used),
        votes=len(votes),
        accuracy=bootstrap.mean(_accuracy(used, basis)),
        n_principles=len(figures),
        principles=tuple(sorted(_concluded(figures, used, naming, basis, seed), key=_order)),
    )


def _order(one: PrincipleFigures) -> tuple[bool, float, int, str]:
    gain = None if one.gain is None else one.gain.value
    return gain is None, -(gain or 0.0), -one.votes, one.name


def _share(rewards: Floats, best: int) -> float:
    return float(win_shares(rewards)[best])


def _accuracy(items: Sequence[JudgedItem], basis: Basis) -> list[float]:
    if basis == "votes":
        return [float(item.right().mean()) for item in items]
    given = ((item, item.weighted()) for item in items)
    return [_share(rewards, item.best) for item, rewards in given if rewards is not None]


def _figures(  # noqa: PLR0917
    number: int,
    naming: Naming,
    items: Sequence[JudgedItem],
    common: Sequence[int],
    basis: Basis,
    reducer: Reducer,
    bootstrap: Bootstrap,
) -> PrincipleFigures:
    there = [item for item in items if item.used(number).any()]
    name, description = naming.wordings[number]
    found = PrincipleFigures(
        name=name,
        description=description,
        spellings=naming.spellings[number],
        votes=sum(int(item.used(number).sum()) for item in there),
        items=len(there),
        conclusion="too few items",
    )
    if len(there) < LEAST:
        return found
    others = [other for other in common if other != number]
    nearest = _nearest(number, others, there, basis, bootstrap)
    update: dict[str, object] = {}
    if nearest is not None:
        update |= {"nearest": naming.wordings[nearest[0]][0], "overlap": nearest[1]}
    compared = with_and_without(number, there, basis)
    if len(compared) >= LEAST:
        update |= {"gain": bootstrap.difference(*compared.T), "conclusion": "not shown"}
        if basis == "scores":
            update |= _by_scores(number, there, bootstrap)
        else:
            update |= _by_votes(number, there, reducer, bootstrap)
    elif not len(compared):
        update["conclusion"] = "cannot be told"
    return found.model_copy(update=update)


def with_and_without(number: int, items: Sequence[JudgedItem], basis: Basis) -> Floats:
    """(I, 2) agreement with the principle and without it; items that cannot tell are left out."""
    found = []
    for item in items:
        if basis == "votes":
            used, right = item.used(number), item.right()
            if used.any() and not used.all():
                found.append((right[used].mean(), right[~used].mean()))
        elif number in item.own:
            whole, rest = item.weighted(), item.weighted(without=number)
            if whole is not None and rest is not None:
                found.append((_share(whole, item.best), _share(rest, item.best)))
    return np.array(found, dtype=float).reshape(-1, 2)


def _by_scores(number: int, items: Sequence[JudgedItem], bootstrap: Bootstrap) -> dict[str, object]:
    own = ((item, item.own_mean(number)) for item in items)
    alone = [_share(mean, item.best) for item, mean in own if mean is not None]
    pairs = ((item.weighted(), item.weighted(without=number)) for item in items)
    changed = [flips(a, b) for a, b in pairs if a is not None and b is not None]
    return {"agreement": bootstrap.mean(alone), "flips": bootstrap.mean(np.array(changed, float))}


def _by_votes(
    number: int, items: Sequence[JudgedItem], reducer: Reducer, bootstrap: Bootstrap
) -> dict[str, object]:
    used = [(item, item.used(number)) for item in items]
    changed = [item.changes(~mask, reducer) for item, mask in used if not mask.all()]
    return {
        "agreement": bootstrap.mean([float(item.right()[mask].mean()) for item, mask in used]),
        "flips": bootstrap.mean([float(one) for one, _ in changed]),
        "flips_by_chance": tidy(float(np.mean([by for _, by in changed]))),
    }


def _nearest(
    number: int,
    others: Sequence[int],
    items: Sequence[JudgedItem],
    basis: Basis,
    bootstrap: Bootstrap,
) -> tuple[int, Estimate] | None:
    """The principle most like it, over the items that use it."""
    rows = {
        other: table
        for other in others
        if len(table := (_products if basis == "scores" else _meetings)(number, other, items))
        >= LEAST
    }
    figure = _correlation if basis == "scores" else _met
    likeness = {other: float(figure(table.sum(axis=0)[None])[0]) for other, table in rows.items()}
    known = {other: value for other, value in likeness.items() if np.isfinite(value)}
    if not known:
        return None
    best = max(known, key=lambda other: (known[other], -other))
    distinct, counts = np.unique(rows[best], axis=0, return_counts=True)
    return best, bootstrap.estimate(known[best], counts, lambda w: figure(w @ distinct))


def _products(one: int, other: int, items: Sequence[JudgedItem]) -> Floats:
    """(I, 3) sums of products of two principles' scores, centred within the item."""
    found = []
    for item in items:
        a, b = item.own_mean(one), item.own_mean(other)
        if a is not None and b is not None:
            a, b = a - a.mean(), b - b.mean()
            found.append((a @ b, a @ a, b @ b))
    return np.array(found, dtype=float).reshape(-1, 3)


def _correlation(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / np.sqrt(sums[..., 1] * sums[..., 2]))


def _meetings(one: int, other: int, items: Sequence[JudgedItem]) -> Floats:
    """(I, 2) votes that use both of two principles, and either."""
    found = [
        ((a & b).sum(), (a | b).sum())
        for item in items
        for a, b in [(item.used(one), item.used(other))]
    ]
    return np.array(found, dtype=float).reshape(-1, 2)


def _met(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _concluded(
    figures: Sequence[PrincipleFigures],
    items: Sequence[JudgedItem],
    naming: Naming,
    basis: Basis,
    seed: int,
) -> list[PrincipleFigures]:
    """With p-values, corrected for looking at all principles."""
    numbers = sorted(naming.wordings)
    tested = [i for i, one in enumerate(figures) if one.conclusion == "not shown"]
    if not tested:
        return list(figures)
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415 - slow to import

    raw = [
        sign_test(np.subtract(*with_and_without(numbers[i], items, basis).T), seed=seed)
        for i in tested
    ]
    found = list(figures)
    for i, p in zip(tested, multipletests(raw, method="holm")[1], strict=True):
        gain = found[i].gain
        conclusion: Conclusion = "not shown"
        if p < _ALPHA and gain is not None and gain.value:
            conclusion = "earns its place" if gain.value > 0 else "does harm"
        found[i] = found[i].model_copy(update={"p_value": tidy(float(p)), "conclusion": conclusion})
    return found


def sign_test(gains: Floats, *, seed: int = 0, draws: int = 9999) -> float:
    """Two-sided p of a mean of 0, by random signs; exact where few gains are not 0.

    Args:
        gains: (I,).
        seed: of the signs.
        draws: of signs where there are too many to try them all.
    """
    moved = gains[np.abs(gains) > 1e-12]
    if not len(moved):
        return 1.0
    seen = abs(moved.sum()) - 1e-9
    if len(moved) <= 13:
        signs = np.array(np.meshgrid(*[[-1, 1]] * len(moved))).reshape(len(moved), -1)
        return float((np.abs(moved @ signs) >= seen).mean())
    rng = np.random.default_rng(seed)
    size = max(1, 2_000_000 // len(moved))
    beyond = 0
    for start in range(0, draws, size):
        signs = rng.integers(0, 2, (min(size, draws - start), len(moved))) * 2 - 1
        beyond += int((np.abs(signs @ moved) >= seen).sum())
    return (beyond + 1) / (draws + 1)
