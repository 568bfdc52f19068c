"""The summary of a run: what `summary.json` holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial

from pydantic import Field

from deemster.aggregators import Reducer
from deemster.errors import FailureStatus
from deemster.schemas import Count, JudgeInfo, Record, Usage
from deemster.suites.metrics.accuracy import (
    Accuracy,
    accuracy,
    agreement_with_ties,
    is_binary,
    single_accuracy,
    win_rate,
    win_value,
)
from deemster.suites.metrics.accuracy import pairwise_accuracy as pairs_accuracy
from deemster.suites.metrics.calibration import Calibration, calibration
from deemster.suites.metrics.cost import ItemCost, item_cost
from deemster.suites.metrics.curves import ALL_SUBSETS, CurvePoint, Draws, curve, meta_curve
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, tidy
from deemster.suites.metrics.failures import FailureReason
from deemster.suites.metrics.headline import by_subset, macro_accuracy
from deemster.suites.metrics.items import Item
from deemster.suites.metrics.position import PositionConsistency, position_consistency
from deemster.suites.metrics.ppi import Corrected, ppi
from deemster.suites.metrics.ranking import (
    correlation_over_items,
    kendall,
    kendall_without_ties,
    roc_auc,
)
from deemster.suites.metrics.stability import stable_errors


class Summary(Record):
    """Figures of one judge over one suite. `None` where a figure does not apply."""

    n: Count
    """Items."""
    n_scored: Count
    """Items with rewards."""
    accuracy: float | None
    """Strict accuracy over scored items with a unique true best; ties are wrong. Of single
    responses whose truths and rewards are all 0 or 1: how often these are equal."""
    ci95: tuple[float, float] | None
    """Its 95 % interval."""
    ties: Count
    """Scored items with a tie on top, among those that accuracy is about."""
    curve: dict[str, dict[str, float | None]]
    """Accuracy by number of votes: `vote` plain, `meta` guided by meta rewards."""
    by: dict[str, float | None]
    """Accuracy per subset; empty if the data have no subsets."""
    usage: Usage
    per_item: ItemCost | None = None
    """`usage` for each item; None where no call is on record, as of imported logs."""
    judge: JudgeInfo | None
    failures: dict[FailureStatus, int]
    """Votes without a verdict, by status."""
    failure_reasons: tuple[FailureReason, ...] = ()
    """The commonest reasons, at most 3, each with one failed vote in full."""
    n_votes: Count
    """Votes drawn, failures included."""
    samples_per_item: float | None
    """Votes drawn per item."""
    detail: Accuracy
    """Accuracy in all views."""
    macro: Estimate | None
    """Unweighted mean of the subsets' accuracies; None for single responses."""
    with_ties: Estimate | None
    """Agreement with the truth where that has ties; None if no item is truly tied on top."""
    pairwise: Estimate | None
    """Accuracy over pairs within lists; None if no item has more than 2 responses."""
    subsets: dict[str, Accuracy]
    curves: dict[str, tuple[CurvePoint, ...]]
    """`curve` with intervals, ties and unscored shares."""
    roc_auc: Estimate | None
    """Single responses with truth 0 or 1."""
    spearman: Estimate | None
    """Single responses with graded truth: over items."""
    kendall: Estimate | None
    """Lists of 3 or more: mean tau-b within items."""
    kendall_cap: float | None = None
    """The highest `kendall` of a judge that gives no two responses the same reward: below 1,
    because the truth has ties. None where it has none."""
    position_consistency: PositionConsistency | None
    """Pairs judged in both orders."""
    calibration: Calibration | None
    stable_errors: Estimate | None = None
    """Share of the errors that votes drawn again would repeat, see `stable_errors`; None if there
    are none with 2 or more valid votes."""
    win_rates: dict[str, Estimate] = Field(default_factory=dict)
    """Share of the items a policy wins, a win shared by m counting 1/m: over the scored items
    with its response and one of another policy."""
    corrected: dict[str, Corrected] = Field(default_factory=dict)
    """Win rates by policy where some items, but not all, carry human labels: the judge's figures
    of all items corrected by the labels (prediction-powered inference). Holds if the labelled
    items are a random draw from all."""
    published: dict[str, float | int] = Field(default_factory=dict)
    """Figures of an imported log by its own tool's rule, see `TraceFormat.figures`; else empty."""
    notes: tuple[str, ...] = ()
    """What a reader of an imported log should know: repeated rows, verdicts read otherwise than
    by the log's own tool."""

    def _repr_html_(self) -> str:
        """How notebooks show it."""
        from deemster.suites.run_html import summary_html  # noqa: PLC0415 - for notebooks

        return summary_html(self)


def summarise(
    items: Sequence[Item],
    *,
    judge: JudgeInfo | None = None,
    reducer: Reducer | None = None,
    k_meta: int | None = None,
    ks: Sequence[int] | None = None,
    draws: Draws = ALL_SUBSETS,
    min_valid: int = 1,
    bootstrap: Bootstrap = DEFAULT,
    failure_reasons: Sequence[FailureReason] = (),
) -> Summary:
    """All figures of a run. Equal votes give equal summaries, in whatever order they arrived.

    Args:
        items: the run.
        judge: who judged.
        reducer: the voting rule of the curves, without selection by meta reward; `Sum()` if not
            given.
        k_meta: votes kept in the `meta` curve; None keeps half, rounded up.
        ks: numbers of votes of the curves; powers of 2 up to all if not given.
        draws: which subsets of votes the curves are over.
        min_valid: the judge's; fewer valid votes leave an item unscored.
        bootstrap: how intervals are drawn. `ci95` follows its level.
        failure_reasons: why votes failed, see `FailureReasons`; items do not hold it.
    """
    items = sorted(items, key=lambda item: (item.id, item.subset))
    binary = is_binary(items)
    hit_rate = single_accuracy if binary else accuracy
    hits = hit_rate(items, bootstrap=bootstrap)
    votes = sum(item.n_votes for item in items)
    subsets = by_subset(items, lambda part: hit_rate(part, bootstrap=bootstrap))
    subsets = {} if set(subsets) <= {""} else subsets
    plain = curve(items, ks, reducer, draws=draws, min_valid=min_valid, bootstrap=bootstrap)
    guided = meta_curve(
        items, ks, reducer, k_meta=k_meta, draws=draws, min_valid=min_valid, bootstrap=bootstrap
    )
    curves = {"vote": plain, "meta": guided}
    low, high = hits.scored.low, hits.scored.high
    return Summary(
        n=len(items),
        n_scored=sum(item.scored for item in items),
        accuracy=hits.scored.value,
        ci95=None if low is None or high is None else (low, high),
        ties=hits.ties,
        curve={
            name: {str(p.k): p.accuracy.value for p in points} for name, points in curves.items()
        },
        by={name: one.scored.value for name, one in subsets.items()},
        usage=Usage.total(item.usage for item in items),
        per_item=item_cost(items),
        judge=judge,
        failures=_failures(items),
        failure_reasons=tuple(failure_reasons),
        n_votes=votes,
        samples_per_item=tidy(votes / len(items)) if items else None,
        detail=hits,
        macro=macro_accuracy(items, bootstrap=bootstrap).value if subsets and not binary else None,
        subsets=subsets,
        curves=curves,
        position_consistency=_position(items, bootstrap),
        calibration=calibration(items, bootstrap=bootstrap),
        stable_errors=stable_errors(items, reducer, bootstrap=bootstrap),
        kendall_cap=kendall_without_ties([item for item in items if item.n_responses > 2]),
        win_rates=_win_rates(items, bootstrap),
        corrected=_corrected(items, bootstrap.level),
        **_where_it_applies(items, bootstrap),
    )


def _where_it_applies(items: Sequence[Item], bootstrap: Bootstrap) -> dict[str, Estimate | None]:
    known = [item for item in items if item.ground_truth is not None]
    single = [item for item in known if item.n_responses == 1]
    lists = [item for item in known if item.n_responses > 2]
    tied = any(item.n_responses > 1 and item.true_best is None for item in known)
    graded = {item.ground_truth[0] for item in single if item.ground_truth} - {0.0, 1.0}
    return {
        "with_ties": agreement_with_ties(known, bootstrap=bootstrap) if tied else None,
        "pairwise": pairs_accuracy(known, bootstrap=bootstrap) if lists else None,
        "roc_auc": roc_auc(single, bootstrap=bootstrap) if single and not graded else None,
        "spearman": correlation_over_items(single, bootstrap=bootstrap) if graded else None,
        "kendall": kendall(lists, bootstrap=bootstrap) if lists else None,
    }


def _contests(items: Sequence[Item]) -> dict[str, list[Item]]:
    """By policy, the items with its response and one of another policy."""
    contests: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        policies = set(item.policies or ())
        for policy in policies if len(policies) > 1 else ():
            contests[policy].append(item)
    return {name: contests[name] for name in sorted(contests)}


def _win_rates(items: Sequence[Item], bootstrap: Bootstrap) -> dict[str, Estimate]:
    contests = _contests(items).items()
    return {name: win_rate(part, name, bootstrap=bootstrap) for name, part in contests}


def _corrected(items: Sequence[Item], level: float) -> dict[str, Corrected]:
    found = {}
    for name, part in _contests(items).items():
        judged = [item for item in part if win_value(item, name) is not None]
        truth = {item.id: win_value(item, name, truly=True) for item in judged}
        labels = {key: value for key, value in truth.items() if value is not None}
        if 2 <= len(labels) < len(judged):
            value = partial(win_value, policy=name)
            found[name] = ppi(judged, labels, value, level=level, within=(0.0, 1.0))
    return found


def _failures(items: Sequence[Item]) -> dict[FailureStatus, int]:
    found = Counter(status for item in items for status in item.statuses if status is not None)
    return {status: found[status] for status in sorted(found)}


def _position(items: Sequence[Item], bootstrap: Bootstrap) -> PositionConsistency | None:
    found = position_consistency(items, bootstrap=bootstrap)
    return found if found.by_item.n else None
