"""How a policy's weaknesses changed since an earlier run."""

from __future__ import annotations

from collections import Counter

from deemster.principles.similarity import dense
from deemster.reports.grouping import Grouper, Tfidf
from deemster.reports.losses import PrincipleText
from deemster.reports.weakness_records import Change, Weakness, WeaknessReport
from deemster.reports.weakness_stats import difference


def compare_weaknesses(
    now: WeaknessReport, before: WeaknessReport, *, group: Grouper | None = None
) -> tuple[Change, ...]:
    """Match the groups of two reports by meaning, one to one, and compare their rates.

    A group that is a weakness in one report is looked for among all groups of the other, so that
    `gone` can say how often the policy is charged with it still. Matches maximise the similarity
    in total; groups less alike than the grouper's threshold are not matched.

    Args:
        now: of the later run.
        before: of the earlier one, of the same policy for the comparison to mean anything.
        group: how groups are compared, by their principles' names; `Tfidf()` if not given.

    Returns:
        One change per weakness of either report: present ones in the report's order, then those
        that are gone.
    """
    grouper = Tfidf() if group is None else group
    first, second = (*now.weaknesses, *now.rest), (*before.weaknesses, *before.rest)
    match, alike = _matched(first, second, grouper)
    n_now, n_before = len(now.weaknesses), len(before.weaknesses)
    changes = []
    for i, weakness in enumerate(first):
        j = match.get(i)
        is_now, was = i < n_now, j is not None and j < n_before
        if is_now or was:
            old = None if j is None else second[j]
            status = "same" if is_now and was else "new" if is_now else "gone"
            changes.append(_change(weakness, old, status, alike.get(i)))
    taken = set(match.values())
    lost = [w for j, w in enumerate(before.weaknesses) if j not in taken]
    changes += [_change(None, w, "gone", None) for w in lost]
    return tuple(sorted(changes, key=lambda change: change.status == "gone"))


def _change(
    now: Weakness | None, before: Weakness | None, status: str, similarity: float | None
) -> Change:
    rate = None
    if now is not None and before is not None:
        rate = difference(now.rate, before.rate)
        if status == "same" and rate is not None and rate.low is not None and rate.high is not None:
            status = "worse" if rate.low > 0 else "better" if rate.high < 0 else "same"
    named = now or before
    return Change.model_validate(
        {
            "name": "" if named is None else named.name,
            "status": status,
            "now": now,
            "before": before,
            "similarity": similarity,
            "rate_change": rate,
        }
    )


def _matched(
    first: tuple[Weakness, ...], second: tuple[Weakness, ...], grouper: Grouper
) -> tuple[dict[int, int], dict[int, float]]:
    """Index in `first` to index in `second`, and their similarity."""
    if not first or not second:
        return {}, {}
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to import

    vectors = grouper.vectors([_text(w) for w in (*first, *second)])
    near = dense(vectors[: len(first)] @ vectors[len(first) :].T)
    rows, columns = linear_sum_assignment(-near)
    pairs = [
        (int(i), int(j))
        for i, j in zip(rows, columns, strict=True)
        if near[i, j] >= 1 - grouper.threshold
    ]
    return dict(pairs), {i: round(min(1.0, float(near[i, j])), 6) for i, j in pairs}


def _text(weakness: Weakness) -> PrincipleText:
    return PrincipleText(
        spellings=Counter({weakness.name: 1}),
        descriptions=[member.name for member in weakness.members],
    )
