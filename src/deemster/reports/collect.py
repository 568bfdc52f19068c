"""From run directories to the figures of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations, permutations
from pathlib import Path

import numpy as np

from deemster._version import __version__
from deemster.errors import InputError
from deemster.reports.browser import Browser
from deemster.reports.losses import JudgedItems
from deemster.reports.records import (
    Correctness,
    ItemRow,
    JudgeSection,
    Latency,
    Paired,
    PolicyRate,
    Report,
)
from deemster.reports.weakness import analyse
from deemster.reports.weakness_change import compare_weaknesses
from deemster.reports.weakness_records import Change, WeaknessReport
from deemster.schemas import JudgeInfo, Sample, Verdict
from deemster.suites.metrics import (
    FailureReasons,
    Item,
    Standing,
    compare,
    judge_agreement,
    standings,
    summarise,
    win_rate,
)
from deemster.suites.store import RunStore
from deemster.suites.summaries import curve_rule, read_noted, read_thresholds

_MOST_COMPARED = 6
_MOST_POLICIES = 40


@dataclass(frozen=True)
class Compared:
    """Which policies to analyse.

    Args:
        policy: whose weaknesses; None analyses both of two, and none of more.
        versus: against whom; None is everybody else.
        before: an earlier report of the same policy, to show what changed.
    """

    policy: str | None = None
    versus: str | None = None
    before: Report | None = None


@dataclass
class _Policies:
    """What weakness analysis needs of one judge, collected while its items are read.

    Items before the second of two policies appeared hold nothing to compare.
    """

    compared: Compared
    names: set[str] = field(default_factory=set)
    judged: list[JudgedItems] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.compared.policy is not None:
            self.judged = [JudgedItems(self.compared.policy, self.compared.versus)]

    def add(self, sample: Sample, verdict: Verdict) -> None:
        new = set(sample.policies or ()) - self.names
        if new:
            self.names |= new
            if self.compared.policy is None:
                pairs = permutations(sorted(self.names)) if len(self.names) == 2 else ()
                self.judged = [JudgedItems(policy, versus) for policy, versus in pairs]
        for one in self.judged:
            one.add(sample, verdict)


@dataclass(frozen=True)
class _Source:
    store: RunStore
    position: int
    info: JudgeInfo
    run: str

    def rows(self) -> Iterator[tuple[Sample, Verdict]]:
        return self.store.verdicts(self.position)


def collect_report(
    run_dirs: Sequence[str | Path], *, title: str, compared: Compared
) -> tuple[Report, Browser]:
    """Read every judge of every run.

    Raises:
        InputError: a directory holds no run or no judge, or a policy is unknown in all of them.
    """
    if not run_dirs:
        raise InputError("no run directory given; give one or more")
    with ExitStack() as opened:
        stores = [opened.enter_context(RunStore(directory)) for directory in run_dirs]
        return _collected(stores, title, compared)


def _collected(
    stores: Sequence[RunStore], title: str, compared: Compared
) -> tuple[Report, Browser]:
    sources = [
        _Source(store, position, info, store.directory.resolve().name)
        for store in stores
        for position, info in enumerate(store.judges())
    ]
    if not sources:
        raise InputError(f"no judge in {str(stores[0].directory)!r}; the run has not begun")
    labels = _labels(sources)
    browser, items, sections, rows = Browser(), [], [], []
    notes: list[str] = []
    unknown: list[str] = []
    for number, (source, label) in enumerate(zip(sources, labels, strict=True)):
        policies = _Policies(compared)
        own, section, listed = _section(source, label, number, browser, policies)
        found = _weaknesses(policies, notes)
        if compared.policy is not None and not found["weaknesses"]:
            unknown.append(f"{label}: {notes.pop()}")
        sections.append(section.model_copy(update=found))
        items.append(own)
        rows += listed
    if len(unknown) == len(sources):
        raise InputError(unknown[0])
    notes += unknown
    notes += [f"{one.label}: {note}" for one in sections for note in one.summary.notes]
    runs = dict(zip(labels, items, strict=True))
    several = len(labels) > 1
    report = Report(
        deemster=__version__,
        title=title,
        judges=tuple(sections),
        agreement=judge_agreement(runs) if several else None,
        standings=_standings(runs, sections, notes) if several else (),
        comparisons=_comparisons(runs, notes) if several else (),
        notes=tuple(dict.fromkeys(notes)),
        items=tuple(rows),
    )
    return report, browser


def _labels(sources: Sequence[_Source]) -> list[str]:
    """The judges' names; with the run's name, then a number, where names would be equal."""
    names = [source.info.name for source in sources]
    for more in ([f"{s.run}: {s.info.name}" for s in sources], None):
        if len(set(names)) == len(names):
            break
        counts = Counter(names)
        names = [
            name if counts[name] == 1 else f"{name} ({i + 1})" if more is None else more[i]
            for i, name in enumerate(names)
        ]
    return names


def _section(
    source: _Source, label: str, number: int, browser: Browser, policies: _Policies
) -> tuple[list[Item], JudgeSection, list[ItemRow]]:
    items, rows, seconds = [], [], []
    reasons = FailureReasons()
    for sample, verdict in source.rows():
        item = Item.from_verdict(sample, verdict)
        row = _row(number, item, verdict)
        browser.add(row, sample, verdict)
        items.append(item)
        reasons.add(sample, verdict)
        policies.add(sample, verdict)
        rows.append(row)
        seconds += [vote.usage.seconds for vote in verdict.votes if vote.usage.seconds > 0]
    reducer, k_meta = curve_rule(source.info)
    names = sorted(policies.names)
    section = JudgeSection(
        label=label,
        run=source.run,
        summary=summarise(
            items,
            judge=source.info,
            reducer=reducer,
            k_meta=k_meta,
            failure_reasons=reasons.commonest(),
        ).model_copy(update=dict(read_noted(source.store.directory, source.info.name))),
        thresholds=tuple(
            one for one in read_thresholds(source.store.directory) if one.judge == source.info.name
        ),
        latency=_latency(seconds),
        policies=tuple(
            PolicyRate(policy=name, win_rate=win_rate(items, name))
            for name in (names if 1 < len(names) <= _MOST_POLICIES else ())
        ),
        weaknesses=(),
        changes=(),
    )
    return items, section, rows


def _row(judge: int, item: Item, verdict: Verdict) -> ItemRow:
    outcome: Correctness = "unknown"
    if not item.scored:
        outcome = "unscored"
    elif item.true_best is not None:
        outcome = "tied" if item.best is None else "right" if item.right else "wrong"
    return ItemRow(
        judge=judge,
        id=item.id,
        subset=item.subset,
        outcome=outcome,
        best=item.best,
        true_best=item.true_best,
        rewards=item.rewards,
        confidence=item.confidence,
        n_votes=item.n_votes,
        n_failed=len(verdict.failures),
    )


def _latency(seconds: Sequence[float]) -> Latency | None:
    if not seconds:
        return None
    values = np.array(seconds)
    p50, p95, p99 = (round(float(q), 6) for q in np.quantile(values, (0.5, 0.95, 0.99)))
    # Bins up to the slowest vote would squeeze most of the others into a bar or two.
    counts, edges = np.histogram(np.minimum(values, p99), bins=min(30, max(5, len(values) // 10)))
    return Latency(
        n=len(values),
        mean=round(float(values.mean()), 6),
        p50=p50,
        p95=p95,
        p99=p99,
        longest=round(float(values.max()), 6),
        edges=tuple(round(float(edge), 6) for edge in edges),
        counts=tuple(int(count) for count in counts),
    )


def _weaknesses(policies: _Policies, notes: list[str]) -> dict[str, tuple[object, ...]]:
    """The fields `weaknesses` and `changes` of the section; notes say what was left out."""
    if policies.compared.policy is None and len(policies.names) > 2:
        notes.append(
            f"Weakness analysis left out: {len(policies.names)} policies; name one with --policy."
        )
    found: list[WeaknessReport] = []
    for judged in policies.judged:
        try:
            found.append(analyse(judged))
        except InputError as error:
            notes.append(str(error))
    before = policies.compared.before
    return {"weaknesses": tuple(found), "changes": _changes(found, before, notes)}


def _changes(
    found: Sequence[WeaknessReport], before: Report | None, notes: list[str]
) -> tuple[Change, ...]:
    if before is None or not found:
        return ()
    earlier = [w for section in before.judges for w in section.weaknesses]
    old = next((w for w in earlier if w.policy == found[0].policy), None)
    if old is None:
        notes.append(f"The earlier report has no weakness analysis of {found[0].policy}.")
        return ()
    return compare_weaknesses(found[0], old)


def _standings(
    runs: dict[str, list[Item]], sections: Sequence[JudgeSection], notes: list[str]
) -> tuple[Standing, ...]:
    try:
        return standings(runs, {section.label: section.summary for section in sections})
    except InputError as error:
        notes.append(f"The judges are not ranked: {error}")
        return ()


def _comparisons(runs: dict[str, list[Item]], notes: list[str]) -> tuple[Paired, ...]:
    if len(runs) > _MOST_COMPARED:
        notes.append(f"Paired comparisons left out: more than {_MOST_COMPARED} judges.")
        return ()
    pairs = []
    for first, second in combinations(runs, 2):
        try:
            found = compare(runs[first], runs[second])
        except InputError as error:
            notes.append(f"{first} and {second} are not compared: {error}")
            continue
        if found.difference.n:
            pairs.append(Paired(first=first, second=second, comparison=found))
    return tuple(pairs)
