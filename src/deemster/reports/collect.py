"""From run directories to the figures of a report."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from zlib import crc32

import numpy as np

from deemster._version import __version__
from deemster.errors import InputError
from deemster.reports.browser import Browser
from deemster.reports.policies import Compared, Policies, weaknesses_of
from deemster.reports.records import (
    Correctness,
    ItemRow,
    JudgeSection,
    Latency,
    Paired,
    PolicyRate,
    Report,
)
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
from deemster.suites.summaries import curve_rule
from deemster.suites.summary_file import read_told

MOST_ITEMS = 50_000
"""Judged items that a report lists if not told otherwise."""
_MOST_COMPARED = 6
_MOST_POLICIES = 40


@dataclass(frozen=True)
class _Source:
    store: RunStore
    position: int
    info: JudgeInfo
    run: str

    def rows(self) -> Iterator[tuple[Sample, Verdict]]:
        return self.store.verdicts(self.position)


@dataclass(frozen=True)
class _Drawn:
    """Some of the samples, chosen by their ids: the same ones of every judge and run."""

    below: float
    """All of them from 2**32 on."""

    @classmethod
    def of(cls, stores: Sequence[RunStore], most: int) -> _Drawn:
        """About `most` judged items, of the samples of all stores."""
        n_items = sum(store.count_samples() * len(store.judges()) for store in stores)
        return cls(2**32 * most / max(n_items, most, 1))

    def __contains__(self, sample: str) -> bool:
        return crc32(sample.encode()) < self.below

    def notes(self, sections: Sequence[JudgeSection]) -> Iterator[str]:
        """What to say where these were analysed for weaknesses, and not all."""
        for section in sections:
            for found in section.weaknesses[: self.below < 2**32]:
                yield (
                    f"{section.label}: weaknesses are those of {found.n_items:,} items, drawn by "
                    "their ids."
                )


def collect_report(
    run_dirs: Sequence[str | Path],
    browser: Browser,
    *,
    title: str,
    compared: Compared,
    most_items: int = MOST_ITEMS,
) -> Report:
    """Read every judge of every run.

    Args:
        run_dirs: the runs.
        browser: takes the items that are listed.
        title: the page's heading.
        compared: which policies to analyse.
        most_items: see `write_report`.

    Raises:
        InputError: a directory holds no run or no judge, or a policy is unknown in all of them.
    """
    if not run_dirs:
        raise InputError("no run directory given; give one or more")
    with ExitStack() as opened:
        stores = [opened.enter_context(RunStore(directory)) for directory in run_dirs]
        return _collected(stores, browser, title, compared, most_items)


def _collected(
    stores: Sequence[RunStore], browser: Browser, title: str, compared: Compared, most_items: int
) -> Report:
    sources = [
        _Source(store, position, info, store.directory.resolve().name)
        for store in stores
        for position, info in enumerate(store.judges())
    ]
    if not sources:
        raise InputError(f"no judge in {str(stores[0].directory)!r}; the run has not begun")
    labels = _labels(sources)
    listed = _Drawn.of(stores, most_items)
    analysed = _Drawn.of(stores, max(most_items, MOST_ITEMS))
    items, sections, rows = [], [], []
    notes: list[str] = []
    unknown: list[str] = []
    for number, (source, label) in enumerate(zip(sources, labels, strict=True)):
        policies = Policies(compared)
        own, section, shown = _section(
            source, label, number, policies, browser=browser, drawn=(listed, analysed)
        )
        found = weaknesses_of(policies, notes)
        if compared.policy is not None and not found["weaknesses"]:
            unknown.append(f"{label}: {notes.pop()}")
        sections.append(section.model_copy(update=found))
        items.append(own)
        rows += shown
    if len(unknown) == len(sources):
        raise InputError(unknown[0])
    not_believed = list(_tell(stores, sections))
    notes += not_believed
    notes += unknown
    notes += [f"{one.label}: {note}" for one in sections for note in one.summary.notes]
    n_items = sum(map(len, items))
    if len(rows) < n_items:
        notes = [_of_all(len(rows), n_items), *analysed.notes(sections), *notes]
    runs = dict(zip(labels, items, strict=True))
    several = len(labels) > 1
    return Report(
        deemster=__version__,
        title=title,
        judges=tuple(sections),
        agreement=judge_agreement(runs) if several else None,
        standings=_standings(runs, sections, notes) if several else (),
        comparisons=_comparisons(runs, notes) if several else (),
        notes=tuple(dict.fromkeys(notes)),
        not_believed=tuple(not_believed),
        items=tuple(rows),
    )


def _tell(stores: Sequence[RunStore], sections: list[JudgeSection]) -> Iterator[str]:
    """Put what `summary.json` tells into the sections; yield what is wrong with it."""
    start = 0
    for store in stores:
        own = slice(start, start + len(store.judges()))
        names = [info.name for info in store.judges()]
        found = dict(zip(names, [one.summary for one in sections[own]], strict=True))
        told = read_told(store, found)
        sections[own] = [
            section.model_copy(
                update={
                    "summary": told.add_to(section.summary),
                    "thresholds": tuple(one for one in told.thresholds if one.judge == name),
                }
            )
            for name, section in zip(names, sections[own], strict=True)
        ]
        if told.problem:
            yield told.problem
        start = own.stop


def _of_all(listed: int, n_items: int) -> str:
    return (
        f"{listed:,} of {n_items:,} judged items are listed, drawn by their ids; the figures are "
        "over all items. To list more or fewer: deemster report --items N. All are in the run: "
        "RunStore(DIR).verdicts(0) in Python."
    )


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
    source: _Source,
    label: str,
    number: int,
    policies: Policies,
    *,
    browser: Browser,
    drawn: tuple[_Drawn, _Drawn],
) -> tuple[list[Item], JudgeSection, list[ItemRow]]:
    items, rows, seconds = [], [], array("d")
    reasons = FailureReasons()
    listed, analysed = drawn
    for sample, verdict in source.rows():
        item = Item.from_verdict(sample, verdict)
        items.append(item)
        reasons.add(sample, verdict)
        seconds.extend(vote.usage.seconds for vote in verdict.votes if vote.usage.seconds > 0)
        policies.add(sample, verdict, analysed=sample.id in analysed)
        if sample.id in listed:
            row = _row(number, item, verdict)
            browser.add(row, sample, verdict)
            rows.append(row)
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
        ),
        thresholds=(),
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


def _latency(seconds: array[float]) -> Latency | None:
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
