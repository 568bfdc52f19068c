"""Agreement beyond chance between a judge and raters, and the ceiling that raters set.

The place of a response in a list means nothing, so labels are compared as if the places had been
shuffled: of n responses, each is as likely to be named. Kappa then does not depend on the order in
which a data set stores its responses (many store the better one first).

Where all labels agree, or none do, resampling would give intervals of width 0: agreement then has
the exact interval of a proportion, and kappa and AC are what its ends give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from deemster.schemas import Record
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats, tidy

Label = tuple[int, ...] | float
"""What a rater says of an item: the responses on top; of a single response its grade."""


class Chance(Record):
    """Two raters' agreement, raw and beyond chance. Undefined where all labels are the same."""

    agreement: Estimate
    """Share of the items given the same label; of grades, 1 less the squared distance over the
    widest possible."""
    kappa: Estimate
    """Cohen's kappa, of grades with quadratic weights: chance is what both raters' own
    frequencies give."""
    ac: Estimate
    """Gwet's AC1 (of grades AC2): chance is estimated otherwise, so that it stays high where nearly
    all labels are the same; see Gwet, British J. Math. Stat. Psychol. 61 (2008)."""


@dataclass(frozen=True)
class Rated:
    """An item's labels.

    Attributes:
        n: number of responses.
        judge: the judge's label; None if unscored.
        raters: one label each.
    """

    n: int
    judge: Label | None
    raters: tuple[Label, ...]

    @property
    def consensus(self) -> Label | None:
        """What most raters say; None where no label has more than every other."""
        return most_common(self.raters)


def most_common(labels: Sequence[Label]) -> Label | None:
    """The most frequent label; None if several are, or there is none."""
    ranked = Counter(labels).most_common(2)
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


class Ceiling(Record):
    """A single rater and the judge, both against the consensus of the other raters.

    Over the items with 2 or more raters whose others agree on something.
    """

    rater: Chance
    """One rater against the others, over all raters."""
    judge: Chance
    """The judge against the same."""
    gap: Estimate
    """The judge's kappa less a rater's, resampled together: above 0 the judge is the better
    rater."""


def agreement_beyond_chance(items: Sequence[Rated], *, bootstrap: Bootstrap = DEFAULT) -> Chance:
    """The judge against the raters' consensus; items without either are left out."""
    rows = [
        [(item.n, item.judge, item.consensus)]
        for item in items
        if item.judge is not None and item.consensus is not None
    ]
    return _chance(rows, bootstrap)


def ceiling(items: Sequence[Rated], *, bootstrap: Bootstrap = DEFAULT) -> Ceiling | None:
    """How well a single rater and the judge know what the other raters say.

    None if no item has two raters. Items are resampled whole.
    """
    humans, judges = [], []
    for item in items:
        if item.judge is None:
            continue
        mine: list[_Pair] = []
        its: list[_Pair] = []
        for place, label in enumerate(item.raters):
            others = most_common(item.raters[:place] + item.raters[place + 1 :])
            if others is not None:
                mine.append((item.n, label, others))
                its.append((item.n, item.judge, others))
        if mine:
            humans.append(mine)
            judges.append(its)
    if not humans:
        return None
    return Ceiling(
        rater=_chance(humans, bootstrap),
        judge=_chance(judges, bootstrap),
        gap=_difference(judges, humans, bootstrap),
    )


_Pair = tuple[int, Label, Label]
"""Number of responses, one label, another label."""
_Key = tuple[int, float]
"""What is left of a label when places are shuffled: the number of responses, and how many of them
are on top; of a single response its grade."""


class _Cells:
    """Pairs of labels as cells of a table, and what chance would give.

    Args:
        rows: of each item its pairs of labels.
    """

    def __init__(self, rows: Sequence[Sequence[_Pair]]) -> None:
        flat = [pair for row in rows for pair in row]
        grades = [label for pair in flat for label in pair[1:] if not isinstance(label, tuple)]
        self.width = max(grades) - min(grades) if grades else 0.0
        kinds = sorted({self._kind(pair) for pair in flat})
        place = {kind: i for i, kind in enumerate(kinds)}
        keys = sorted({key for kind in kinds for key in kind[:2]})
        where = {key: i for i, key in enumerate(keys)}
        self.group = np.array([n for n, _ in keys])
        self.copies = np.array([comb(n, int(m)) if n > 1 else 1 for n, m in keys], dtype=float)
        self.first = np.eye(len(keys))[[where[kind[0]] for kind in kinds]]
        self.second = np.eye(len(keys))[[where[kind[1]] for kind in kinds]]
        self.same = np.array([kind[2] for kind in kinds])
        self.alike = np.array([[self._alike(a, b) for b in keys] for a in keys])
        self.counts = np.zeros((len(rows), len(kinds)))
        for i, row in enumerate(rows):
            for pair in row:
                self.counts[i, place[self._kind(pair)]] += 1

    def _kind(self, pair: _Pair) -> tuple[_Key, _Key, float]:
        """Both labels without their places, and how far they are the same."""
        n, one, other = pair
        a, b = (
            (n, float(len(label)) if isinstance(label, tuple) else label) for label in (one, other)
        )
        return a, b, float(one == other) if n > 1 else self._alike(a, b)

    def _alike(self, a: _Key, b: _Key) -> float:
        """Chance that two labels are the same, places shuffled; of grades how far they are."""
        if a[0] != b[0]:
            return 0.0
        if a[0] > 1:
            return float(a == b) / comb(a[0], int(a[1]))
        return 1 - ((a[1] - b[1]) / self.width) ** 2 if self.width else 1.0

    def agreement_of_all(self, counts: Floats) -> float | None:
        """1 if the labels of every pair are the same, 0 if of none; else None. Counts (b, C)."""
        same = self.same[(counts > 0).any(axis=0)]
        return float(same[0]) if same[0] in (0, 1) and (same == same[0]).all() else None

    def within(self, counts: Floats, alike: float, room: float) -> Floats:
        """(2, 3) lowest and highest coefficients if a share `room` of others had stayed unseen."""
        total = counts.sum(axis=0)
        ends = np.clip([alike - room, alike + room], 0, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.coefficients(np.stack([total, total]), ends)

    def coefficients(self, totals: Floats, seen: Floats | None = None) -> Floats:
        """(b, 3) agreement, kappa and AC of cell counts (b, C).

        Args:
            totals: the counts.
            seen: (b,) agreement in place of theirs; what chance would give stays theirs.
        """
        n = totals.sum(axis=1)
        if seen is None:
            seen = totals @ self.same / n
        a, b = totals @ self.first, totals @ self.second
        by_kappa = (a @ self.alike) * b
        by_gwet = np.zeros(len(totals))
        chance = np.zeros(len(totals))
        for group in np.unique(self.group):
            own = self.group == group
            size = a[:, own].sum(axis=1)
            chance += by_kappa[:, own].sum(axis=1) / size / n
            cells = self.copies[own]
            shares = (a[:, own] + b[:, own]) / 2 / size[:, None]
            q = cells.sum()
            if q > 1:
                # Weights of all pairs of labels added up: q where only equal ones count.
                total = q if group > 1 else self.alike[np.ix_(own, own)].sum()
                spread = (shares * (1 - shares / cells)).sum(axis=1)
                by_gwet += size / n * total / (q * (q - 1)) * spread
        kappa = (seen - chance) / (1 - chance)
        ac = (seen - by_gwet) / (1 - by_gwet)
        return np.stack([seen, np.where(chance < 1, kappa, np.nan), ac], axis=1)


def _between(found: Estimate, low: float, high: float) -> Estimate:
    return found.model_copy(update={"low": tidy(low), "high": tidy(high)})


def _chance(rows: Sequence[Sequence[_Pair]], bootstrap: Bootstrap) -> Chance:
    if not rows:
        none = Estimate(value=None, low=None, high=None, n=0)
        return Chance(agreement=none, kappa=none, ac=none)
    cells = _Cells(rows)
    distinct, times = np.unique(cells.counts, axis=0, return_counts=True)
    alike, room = cells.agreement_of_all(cells.counts), bootstrap.unseen(len(rows))

    def one(at: int) -> Estimate:
        def statistic(w: Floats) -> Floats:
            return cells.coefficients(w @ distinct)[:, at]

        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(statistic(times[None].astype(float))[0])
        found = bootstrap.estimate(value, times, statistic)
        if alike is None or found.low is None:
            return found
        return _between(found, *cells.within(cells.counts, alike, room)[:, at])

    return Chance(agreement=one(0), kappa=one(1), ac=one(2))


def _difference(
    first: Sequence[Sequence[_Pair]],
    second: Sequence[Sequence[_Pair]],
    bootstrap: Bootstrap,
) -> Estimate:
    """Kappa of `first` less that of `second`, which are about the same items."""
    cells = _Cells([*first, *second])
    n = len(first)
    joined = np.concatenate([cells.counts[:n], cells.counts[n:]], axis=1)
    distinct, times = np.unique(joined, axis=0, return_counts=True)
    half = cells.counts.shape[1]

    def gap(w: Floats) -> Floats:
        totals = w @ distinct
        found: Floats = (
            cells.coefficients(totals[:, :half])[:, 1] - cells.coefficients(totals[:, half:])[:, 1]
        )
        return found

    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(gap(times[None].astype(float))[0])
    estimate = bootstrap.estimate(value, times, gap)
    sides = cells.counts[:n], cells.counts[n:]
    one, other = map(cells.agreement_of_all, sides)
    if one is None or other is None or estimate.low is None:
        return estimate
    room = bootstrap.unseen(n)
    ours = cells.within(sides[0], one, room)[:, 1]
    theirs = cells.within(sides[1], other, room)[:, 1]
    return _between(estimate, ours[0] - theirs[1], ours[1] - theirs[0])
