"""Reading a suite file, and the samples it names.

A run keeps the suite as written, with names of variables in place of their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from deemster.backends.base import Trust
from deemster.data.files import read_rows
from deemster.data.hub import dataset_rows
from deemster.data.row import Row
from deemster.data.samples import samples_of
from deemster.errors import InputError
from deemster.files import exists
from deemster.schemas import Sample
from deemster.suites.overrides import Override, overridden
from deemster.suites.spec import DataSpec, SuiteSpec
from deemster.suites.yaml_file import YamlFile, read_yaml_file


@dataclass(frozen=True)
class Suite:
    """A suite file, read and checked."""

    spec: SuiteSpec
    """With the variables' values."""
    written: dict[str, Any]
    """As written, names of variables in place of values: safe to store."""
    path: Path
    file: YamlFile | None = None
    """Knows the lines; None of a suite that was not read from a file."""
    trust: Trust = False
    """Whether its options are the user's own, which decides where keys go."""

    def samples(self) -> Iterator[Sample]:
        """All samples, with ids that are unique in the suite, in the order of the file.

        Raises:
            InputError: a data file or line cannot be read, or there is no sample at all.
        """
        seen: set[str] = set()
        for number, data in enumerate(self.spec.data):
            here: set[str] = set()
            for sample in _chosen(data, self, number):
                name = sample.id
                if name in seen:
                    name = f"{number}:{name}"
                if sample.id in here or name in seen:
                    raise InputError(
                        f"sample id {sample.id!r} occurs twice in {self.path.name}; ids must be "
                        "unique in a source of data, and rows without any are numbered"
                    )
                here.add(sample.id)
                seen.add(name)
                yield sample if name == sample.id else sample.model_copy(update={"id": name})
        if not seen:
            raise InputError(
                f"{self.path}: no samples; its data has none, or its filters leave none"
            )


def load_suite(
    path: str | Path,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Sequence[Override] = (),
    trust: bool = False,
) -> Suite:
    """Read and check a suite file.

    Args:
        path: the YAML file.
        environment: where `${NAME}` is looked up; None is the process's environment.
        overrides: changes to what the file says, see `overridden`; a run keeps the suite with
            them.
        trust: the suite is your own, or you have read it: its servers may have your keys. Without
            it they go to the providers' own services, and where the user's environment and keys
            file say (docs/providers.md).

    Raises:
        InputError: it cannot be read or something in it is not allowed. The text names file,
            line, key, value and what is allowed.
    """
    path = Path(path)
    file = read_yaml_file(path, what="suite", keys="name, data and judges")
    if not overrides:
        spec = file.read_as(SuiteSpec, environment=environment)
        return Suite(spec, file.storable, path, file, trust)
    file = replace(file, written=overridden(file.written, overrides))
    try:
        spec = file.read_as(SuiteSpec, environment=environment)
        return Suite(spec, file.storable, path, file, trust or _given_bases(overrides))
    except InputError as error:
        # The fault may be in the file or in a change to it, and the line is the file's.
        changes = ", ".join(f"{key}={value}" for key, value in overrides)
        raise InputError(f"{error} (with {changes})") from error


def _given_bases(overrides: Sequence[Override]) -> frozenset[str]:
    """The servers that the user named, not the file."""
    return frozenset(
        value
        for path, given in overrides
        for value in (given.get("api_base") if isinstance(given, dict) else given,)
        if isinstance(value, str) and path in ("judge.options", "judge.options.api_base")
    )


_TOLD = 20
"""Subsets that an error lists."""


def _chosen(data: DataSpec, suite: Suite, number: int) -> Iterator[Sample]:
    """The samples of one source after its filters, in their order there; none is kept.

    With a limit the source is read twice: how many there are is known only in the end.
    """

    def wanted() -> Iterator[Sample]:
        unseen, there = set(data.subsets or ()), dict[str, None]()
        for sample in _source(data, suite, number):
            if unseen:  # else nothing will be told, and names may be as many as samples
                unseen.discard(sample.subset)
                there[sample.subset] = None
            if _wanted(data, sample):
                yield sample
        if unseen:
            known = ", ".join(map(repr, islice(there, _TOLD))) or "none"
            raise InputError(
                f"{suite.path}: no sample is of subset {min(unseen)!r}; subsets there: {known}"
            )

    if data.limit is None:
        return wanted()
    n = sum(1 for _ in wanted())
    if data.limit >= n:
        return wanted()
    drawn = np.random.default_rng([suite.spec.seed, n]).choice(n, data.limit, replace=False)
    places = frozenset(drawn.tolist())
    return (sample for place, sample in enumerate(wanted()) if place in places)


def _source(data: DataSpec, suite: Suite, number: int) -> Iterator[Sample]:
    folder = suite.path.parent
    path = None if data.path is None else folder / Path(data.path).expanduser()
    if data.benchmark is not None:
        from deemster.benchmarks import open_benchmark  # noqa: PLC0415 - only where it is used

        if path is not None and not exists(path):
            raise InputError(f"{suite.path}: data path {data.path!r} does not exist")
        yield from open_benchmark(data.benchmark).load(path, split=data.split)
        return
    columns = data.given_columns
    if data.samples is not None:
        inline = (
            Row(values, f"{_at(suite, number, i)}: data.samples.{i}")
            for i, values in enumerate(data.samples)
        )
        yield from samples_of(inline, columns, start=0)
        return
    if path is not None:
        rows = read_rows(path, split=data.split)
    else:
        name = data.dataset or ""
        rows = dataset_rows(name, split=data.split, config=data.config, base=folder)
    yield from samples_of(rows, columns)


def _at(suite: Suite, number: int, sample: int) -> str:
    """File and line of a sample that stands in the suite."""
    if suite.file is None:
        return str(suite.path)
    return f"{suite.path}:{suite.file.line_of('data', number, 'samples', sample)}"


def _wanted(data: DataSpec, sample: Sample) -> bool:
    n = len(sample.responses)
    return (
        (data.subsets is None or sample.subset in data.subsets)
        and n >= data.min_responses
        and (data.max_responses is None or n <= data.max_responses)
    )
