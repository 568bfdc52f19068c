"""Labelled samples from any source, checked row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from deemster.benchmarks import open_benchmark
from deemster.data.samples import numbered
from deemster.errors import InputError
from deemster.judges.verifier import MathMatch
from deemster.schemas import Sample
from deemster.suites.store import RunStore
from deemster.training.data.answers import MATCHINGS, answer_pairs, problem_of
from deemster.training.data.layouts import check_preference, preference_of
from deemster.training.data.source import DataSource, source_rows

Placed = tuple[str, Sample]
"""A sample and its place, for error texts."""


def load_preferences(
    source: DataSource | Sequence[DataSource],
    *,
    base: Path | None = None,
    seed: int = 0,
    problems: list[str] | None = None,
) -> list[Sample]:
    """Labelled samples of one, two or many responses, with unique ids.

    Args:
        source: where they are; several are put one after the other.
        base: what relative paths start from; None is the working directory.
        seed: decides which are drawn where a source has a limit, and which pairs are made.
        problems: takes one line for each bad row left out (`bad_rows: skip`).

    Raises:
        InputError: a source cannot be read or gives nothing; or a row is bad (no label, two
            maxima, not finite, wrong type, empty text): the text names the file and the row.
    """
    found: list[Sample] = []
    seen: set[str] = set()
    problems = [] if problems is None else problems
    sources = [source] if isinstance(source, DataSource) else list(source)
    for number, one in enumerate(sources):
        mine: set[str] = set()
        for where, sample in _chosen(one, base or Path(), seed, problems):
            if sample.id in mine:
                raise InputError(f"{where}: id {sample.id!r} occurs twice; ids must be unique")
            mine.add(sample.id)
            name = sample.id if sample.id not in seen else f"{number}:{sample.id}"
            seen.add(name)
            found.append(sample if name == sample.id else sample.model_copy(update={"id": name}))
    return found


def check_preferences(samples: Iterable[Sample], *, what: str = "sample") -> None:
    """Raise `InputError` at the first sample that cannot be trained on; see `check_preference`."""
    for number, sample in enumerate(samples, start=1):
        check_preference(sample, f"{what} {sample.id or number!r}")


def _chosen(source: DataSource, base: Path, seed: int, problems: list[str]) -> list[Placed]:
    """The usable samples of a source after its filters and its limit."""
    before, first = len(problems), None
    good: list[Placed] = []
    for item in _SAMPLES[_kind(source)](source, base, seed):
        if isinstance(item, InputError):
            if source.bad_rows == "error":
                raise item
            first = first or item
            problems.append(str(item))
        else:
            good.append(item)
    if not good:
        bad = len(problems) - before
        problem = f"all {bad} rows are bad, the first: {first}" if first else "it holds no samples"
        raise InputError(f"nothing to train on in {source.label!r}: {problem}")
    kept = [item for item in good if _wanted(source, item[1])]
    if not kept:
        raise InputError(
            f"the filters (subsets, min_responses, max_responses) leave none of the {len(good)} "
            f"samples of {source.label!r}"
        )
    if source.limit is None or source.limit >= len(kept):
        return kept
    drawn = np.random.default_rng([seed, len(kept)]).choice(len(kept), source.limit, replace=False)
    return [kept[i] for i in sorted(drawn)]


def _kind(source: DataSource) -> str:
    if source.benchmark is not None:
        return "benchmark"
    if source.run is not None:
        return "run"
    return "rows" if source.match is None else "problems"


def _of_rows(source: DataSource, base: Path, seed: int) -> Iterator[Placed | InputError]:  # noqa: ARG001
    columns = source.given_columns
    unseen = set() if columns is None else set(columns.names)
    for place, row in enumerate(source_rows(source, base), start=1):
        if isinstance(row, InputError):
            yield row
            continue
        unseen -= row.values.keys()
        try:
            sample = preference_of(row, columns)
        except InputError as error:
            yield error
            continue
        yield row.where, numbered(sample, place)
    if columns is not None:
        columns.check_seen(unseen)


def _of_problems(source: DataSource, base: Path, seed: int) -> Iterator[Placed | InputError]:
    """Pairs by answer matching; a problem that is never right or never wrong gives none."""
    check = MATCHINGS[source.match or "exact"]()
    try:
        for place, row in enumerate(source_rows(source, base), start=1):
            if isinstance(row, InputError):
                yield row
                continue
            try:
                problem = problem_of(row, place)
                made = answer_pairs([problem], check, pairs=source.pairs, seed=seed).samples
            except InputError as error:
                text = str(error)
                yield error if text.startswith(row.where) else row.error(text)
                continue
            yield from ((row.where, sample) for sample in made)
    finally:
        if isinstance(check, MathMatch):
            check.close()  # its worker process


def _of_benchmark(source: DataSource, base: Path, seed: int) -> Iterator[Placed | InputError]:  # noqa: ARG001
    name = source.benchmark or ""
    path = None if source.path is None else base / Path(source.path).expanduser()
    if path is not None and not path.exists():
        raise InputError(f"benchmark {name!r}: {str(path)!r} does not exist")
    samples = open_benchmark(name).load(path, split=source.split)
    yield from _checked(samples, f"benchmark {name!r} sample")


def _of_run(source: DataSource, base: Path, seed: int) -> Iterator[Placed | InputError]:  # noqa: ARG001
    with RunStore(base / Path(source.run or "").expanduser()) as store:
        samples = (sample for _, sample in store.samples())
        yield from _checked(samples, f"run {source.run!r} sample")


def _checked(samples: Iterable[Sample], what: str) -> Iterator[Placed | InputError]:
    for place, sample in enumerate(samples, start=1):
        named = sample if sample.id else sample.model_copy(update={"id": str(place)})
        where = f"{what} {named.id!r}"
        try:
            check_preference(named, where)
        except InputError as error:
            yield error
        else:
            yield where, named


_SAMPLES: dict[str, Callable[[DataSource, Path, int], Iterator[Placed | InputError]]] = {
    "rows": _of_rows,
    "problems": _of_problems,
    "benchmark": _of_benchmark,
    "run": _of_run,
}


def _wanted(source: DataSource, sample: Sample) -> bool:
    n = len(sample.responses)
    return (
        (source.subsets is None or sample.subset in source.subsets)
        and n >= source.min_responses
        and (source.max_responses is None or n <= source.max_responses)
    )
