"""Cascades on stored runs, fitted and applied without calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deemster.aggregators import Ballot, Sum, parse_aggregator, parse_stop
from deemster.aggregators.spread import prefix
from deemster.errors import InputError
from deemster.judges.adaptive import StoredVotes
from deemster.judges.cascade_fit import StagedItems, fit_rule, run_rule, staged
from deemster.judges.cascade_rule import CascadeRule
from deemster.schemas import Count, Record
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.rescoring import find_judge
from deemster.suites.store import RunStore


class CascadeSummary(Record):
    """What a cascade does with the items of stored runs."""

    n: Count
    """Labelled items that all runs have: 2 or more responses, one strictly best."""
    n_answered: Count
    coverage: float
    """Share of the items answered."""
    agreement: Estimate
    """Share of the answered items whose labelled best has strictly the highest reward."""
    overall: Estimate
    """The same over all items; an unanswered one counts as wrong."""
    level: float | None
    """Agreement that the rule was fitted for."""
    delta: float
    thresholds: tuple[float, ...]
    samples: dict[str, float]
    """Votes drawn per item, by judge; items that a judge was not asked about count 0."""
    asked: dict[str, float]
    """Share of the items each judge was asked about."""
    alone: dict[str, Estimate]
    """Agreement over all items if the cascade always continued up to this judge, votes combined."""
    stops: tuple[str, ...]


@dataclass(frozen=True)
class _Labelled:
    best: int
    ballot: Ballot


def fit_cascade(
    runs: Sequence[Path],
    *,
    level: float | None = None,
    samples: float | None = None,
    delta: float = 0.1,
    abstain: bool = False,
    stop: str | None = None,
    seed: int = 0,
) -> CascadeRule:
    """Fit a cascade on stored runs of the same labelled items, cheapest judge first.

    Args:
        runs: run directories with one judge each, `DIR#NAME` where there are several.
        level: agreement with the labels that must hold over the answered items; or
        samples: votes per item that the judges after the first may draw. See `fit_rule`.
        delta: how often it may fail to.
        abstain: whether the cascade may leave items unanswered.
        stop: a stopping rule for every judge's stored votes.
        seed: of the split into calibration and test.

    Raises:
        InputError: the runs do not fit together, or the level cannot be guaranteed.
    """
    names, items, stops = load_staged(runs, stops=None if stop is None else [stop] * len(runs))
    return fit_rule(
        items,
        names,
        level=level,
        samples=samples,
        delta=delta,
        abstain=abstain,
        stops=stops,
        seed=seed,
    )


def apply_cascade(
    rule: CascadeRule, runs: Sequence[Path], *, bootstrap: Bootstrap | None = None
) -> CascadeSummary:
    """What a rule does with stored runs; see `fit_cascade`.

    Raises:
        InputError: the runs do not fit together, or their number is not that of the rule's stages.
    """
    if len(runs) != len(rule.stages):
        raise InputError(f"the cascade has {len(rule.stages)} stages; {len(runs)} runs are given")
    names, items, stops = load_staged(runs, stops=[stage.stop for stage in rule.stages])
    done = run_rule(rule, items)
    draw = bootstrap or Bootstrap()
    last = np.arange(len(names))
    return CascadeSummary(
        n=len(items.right),
        n_answered=int(done.answered.sum()),
        coverage=float(done.answered.mean()),
        agreement=draw.mean(done.right[done.answered].astype(float)),
        overall=draw.mean(done.right.astype(float)),
        level=rule.level,
        delta=rule.delta,
        thresholds=rule.thresholds,
        samples={name: float(done.votes[:, s].mean()) for s, name in enumerate(names)},
        asked={name: float((done.stage >= s).mean()) for s, name in enumerate(names)},
        alone={
            name: draw.mean(items.right[:, s].astype(float))
            for s, name in zip(last, names, strict=True)
        },
        stops=tuple(stops),
    )


def load_staged(
    runs: Sequence[Path], *, stops: Sequence[str] | None = None
) -> tuple[list[str], StagedItems, list[str]]:
    """Names of the judges, the items that all runs share, and the stopping rules used.

    Args:
        runs: see `fit_cascade`.
        stops: one per run, empty for none. A rule without a spread takes the run's.

    Raises:
        InputError: a run is missing, or the runs share no labelled item, or disagree on a label.
    """
    names: list[str] = []
    tables: list[dict[str, _Labelled]] = []
    used: list[str] = []
    for position, run in enumerate(runs):
        name, table, rule = _read(run, stops[position] if stops else "")
        names.append(name if name not in names else f"{name} ({position + 1})")
        tables.append(table)
        used.append(rule)
    shared = [key for key in tables[0] if all(key in table for table in tables[1:])]
    if not shared:
        raise InputError(
            f"the runs {', '.join(repr(str(run)) for run in runs)} share no labelled sample with "
            "2 or more responses and one strictly best"
        )
    cases = []
    for key in shared:
        found = [table[key] for table in tables]
        if len({(one.best, one.ballot.scores.shape[1]) for one in found}) > 1:
            raise InputError(f"sample {key!r} has different responses or labels in different runs")
        cases.append((_joined([one.ballot for one in found], names), found[0].best))
    return names, staged(cases), used


def _read(run: Path, stop: str) -> tuple[str, dict[str, _Labelled], str]:
    directory, _, judge = str(run).partition("#")
    table: dict[str, _Labelled] = {}
    kept = StoredVotes()
    with RunStore(directory) as store:
        position = find_judge(store, judge or None)
        info = store.judges()[position]
        for sample, verdict in store.verdicts(position):
            truth = sample.ground_truth
            if truth is None or len(truth) < 2 or truth.count(max(truth)) != 1:
                continue
            n = len(sample.responses)
            kept.add(verdict.votes, n=n, k=verdict.k)
            table[sample.id] = _Labelled(
                truth.index(max(truth)), Ballot.from_votes(verdict.votes, n=n)
            )
    if not stop:
        return info.name, table, ""
    rule = kept.fit(parse_stop(stop))
    reducer = parse_aggregator(info.aggregator) if info.aggregator else Sum()
    cut = kept.used(rule, reducer=reducer)
    table = {
        key: _Labelled(one.best, prefix(one.ballot, int(n)))
        for (key, one), n in zip(table.items(), cut, strict=True)
    }
    return info.name, table, str(rule)


def _joined(ballots: Sequence[Ballot], names: Sequence[str]) -> list[Ballot]:
    """For each stage, the votes of its judge and of those before."""
    joined = []
    for last in range(1, len(ballots) + 1):
        parts = ballots[:last]
        joined.append(
            Ballot(
                scores=np.concatenate([part.scores for part in parts]),
                weights=np.concatenate([part.weights for part in parts]),
                meta=np.concatenate([part.meta for part in parts]),
                judges=np.concatenate(
                    [np.full(len(part.weights), j, dtype=np.intp) for j, part in enumerate(parts)]
                ),
                by_principle=np.concatenate([part.by_principle for part in parts]),
                judge_names=tuple(names[:last]),
            )
        )
    return joined
