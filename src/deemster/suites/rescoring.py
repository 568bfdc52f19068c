"""Decides runs again from their stored votes: other parser, k, weights or aggregator, no calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from deemster.aggregators import (
    Decided,
    Reducer,
    parse_aggregator,
    parse_stop,
    selects_by_meta,
)
from deemster.errors import InputError
from deemster.judges import decide
from deemster.judges.adaptive import StoredVotes
from deemster.schemas import (
    JudgeInfo,
    Sample,
    Usage,
    Verdict,
    Vote,
)
from deemster.suites.metrics import Summary
from deemster.suites.new_run import check_new, write_new_run
from deemster.suites.rereading import STORED, rereader
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_verdicts, write_summary

STOP_LEVELS = (1.0, 0.999, 0.995, *(round(0.99 - step / 100, 2) for step in range(49)))
"""Probabilities of `Decided` that `stop_within` tries, strictest first."""


def rescore_run(
    run: Path,
    *,
    out: Path | None = None,
    judge: str | None = None,
    aggregator: str | None = None,
    dialect: str | None = None,
    k: int | None = None,
    min_valid: int | None = None,
    stop: str | None = None,
    votes_per_item: float | None = None,
) -> Summary:
    """Decide a stored run again.

    Args:
        run: run directory; it is not changed.
        out: where to write the new run; None only computes the summary.
        judge: which judge, where the run has several.
        aggregator: spec; None keeps the judge's.
        dialect: parse the raw texts again with this dialect; `stored` for the one that a sample
            notes in its metadata as `dialect` (imported logs whose rows differ), else the
            judge's (votes without text stay); None keeps the stored votes.
        k: only the first k votes of each sample.
        min_valid: fewest valid votes for a verdict with rewards; None keeps the judge's.
        stop: a stopping rule's text, `decided:0.95`: only the votes that it would have drawn.
            Where it names no spread, the spread is measured on the run's own votes, and the
            judge of the new run records it.
        votes_per_item: or: the stopping rule that draws so many votes an item on average, spent
            where a vote changes the decision most; see `stop_within`.

    Raises:
        InputError: an argument is wrong, or the run cannot be decided this way.
    """
    if k is not None and k < 1:
        raise InputError(f"k must be >= 1, got {k}")
    if stop is not None and votes_per_item is not None:
        raise InputError("give one of stop and votes_per_item")
    rule = None if stop is None else parse_stop(stop)
    with RunStore(run) as store:
        position = find_judge(store, judge)
        info = store.judges()[position]
        if info.members and aggregator is None:
            raise InputError(f"judge {info.name!r} is made of other judges; give --aggregator")
        chosen = parse_aggregator(aggregator or info.aggregator)
        if selects_by_meta(chosen) and not store.has_meta_rewards(position):
            raise InputError(f"aggregator {chosen} needs meta rewards; the run has none")
        new = info.model_copy(
            update={
                "aggregator": str(chosen),
                "k": info.k if k is None else min(k, info.k),
                "min_valid": info.min_valid if min_valid is None else min_valid,
                "dialect": info.dialect if dialect in (None, STORED) else dialect,
                "calibration": "",  # confidence is resampled from the votes again
            }
        )
        used = None
        if rule is not None or votes_per_item is not None:
            votes = _stored(store, position, info, k=k, dialect=dialect)
            rule = (
                votes.fit(rule)
                if rule is not None
                else stop_within(votes, votes_per_item or 0.0, reducer=chosen)
            )
            used = iter(votes.used(rule, reducer=chosen, min_valid=new.min_valid))
            new = new.model_copy(update={"stop": str(rule)})
        rows = _decided(store, position, new, k=k, dialect=dialect, used=used)
        if out is None:
            return summarise_verdicts(rows, new)[1]
        check_new(out)
        return write_judged(out, new, rows)


def stop_within(votes: StoredVotes, votes_per_item: float, *, reducer: Reducer) -> Decided:
    """The strictest stopping rule that draws at most so many votes an item on average.

    All items share one threshold, so a vote goes where the leader is least sure: for the same
    number of votes that is more often right than the same k everywhere. No label is looked at.

    Args:
        votes: those of a run.
        votes_per_item: on average, > 0.
        reducer: the voting rule.

    Raises:
        InputError: even the most lenient rule draws more.
    """
    fitted = votes.fit(Decided())
    for p in STOP_LEVELS:
        rule = replace(fitted, p=p)
        if sum(used := votes.used(rule, reducer=reducer)) <= votes_per_item * len(used):
            return rule
    raise InputError(
        f"votes_per_item {votes_per_item!r} is too few: the most lenient rule draws "
        f"{sum(used) / len(used):.2f} an item"
    )


def find_judge(store: RunStore, name: str | None) -> int:
    """Position of the named judge, or of the only one.

    Raises:
        InputError: none is named and the run has several, or there is no such judge.
    """
    names = [info.name for info in store.judges()]
    if name is None and len(names) == 1:
        return 0
    if name is None:
        raise InputError(
            f"the run has {len(names)} judges; name one (--judge NAME, or DIR#NAME): "
            + ", ".join(names)
        )
    if name not in names:
        raise InputError(f"no judge {name!r} in the run; judges there: {', '.join(names)}")
    return names.index(name)


def _decided(
    store: RunStore,
    judge: int,
    info: JudgeInfo,
    *,
    k: int | None,
    dialect: str | None,
    used: Iterator[int] | None = None,
) -> Iterator[tuple[Sample, Verdict]]:
    reducer = parse_aggregator(info.aggregator)
    for sample, verdict, every in _votes(store, judge, info, k=k, dialect=dialect):
        votes = every if used is None else every[: next(used)]
        yield (
            sample,
            decide(
                votes,
                n=len(sample.responses),
                k=verdict.k if k is None else min(k, verdict.k),
                reducer=reducer,
                info=info,
                min_valid=info.min_valid,
                extra=_unvoted(verdict),
            ),
        )


def _votes(
    store: RunStore, judge: int, info: JudgeInfo, *, k: int | None, dialect: str | None
) -> Iterator[tuple[Sample, Verdict, tuple[Vote, ...]]]:
    """Each sample with its stored verdict and the votes to decide it by."""
    reread = rereader(dialect, info) if dialect else None
    for sample, verdict in store.verdicts(judge):
        votes = verdict.votes[:k]
        if reread is not None:
            votes = tuple(reread(sample, vote) for vote in votes)
        yield sample, verdict, votes


def _stored(
    store: RunStore, judge: int, info: JudgeInfo, *, k: int | None, dialect: str | None
) -> StoredVotes:
    """The votes as arrays, for a rule that has to see all of them beforehand."""
    kept = StoredVotes()
    for sample, verdict, votes in _votes(store, judge, info, k=k, dialect=dialect):
        kept.add(votes, n=len(sample.responses), k=verdict.k if k is None else min(k, verdict.k))
    return kept


def _unvoted(verdict: Verdict) -> Usage:
    """Usage that does not belong to a single vote."""
    voted = Usage.total(vote.usage for vote in verdict.votes)
    return verdict.usage.minus(voted)


def write_judged(out: Path, info: JudgeInfo, rows: Iterator[tuple[Sample, Verdict]]) -> Summary:
    """Write verdicts of one judge as a new run, with its summary."""
    summary = write_new_run(out, info, rows)
    write_summary(out, {info.name: summary})
    return summary
