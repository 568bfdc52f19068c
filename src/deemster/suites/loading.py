"""Reading a suite file, and the samples it names.

A run keeps the suite as written, with names of variables in place of their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.suites.overrides import Override, overridden
from deemster.suites.spec import DataSpec, SuiteSpec
from deemster.suites.yaml_file import read_yaml


@dataclass(frozen=True)
class Suite:
    """A suite file, read and checked."""

    spec: SuiteSpec
    """With the variables' values."""
    written: dict[str, Any]
    """As written, names of variables in place of values: safe to store."""
    path: Path

    def samples(self) -> Iterator[Sample]:
        """All samples, with ids that are unique in the suite, in the order of the file.

        Raises:
            InputError: a data file or line cannot be read.
        """
        seen: set[str] = set()
        for number, data in enumerate(self.spec.data):
            for sample in _chosen(data, self.path, self.spec.seed):
                name = sample.id
                if name in seen:
                    name = f"{number}:{name}"
                if name in seen:
                    raise InputError(f"sample id {sample.id!r} occurs twice in {self.path.name}")
                seen.add(name)
                yield sample if name == sample.id else sample.model_copy(update={"id": name})


def load_suite(
    path: str | Path,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Sequence[Override] = (),
) -> Suite:
    """Read and check a suite file.

    Args:
        path: the YAML file.
        environment: where `${NAME}` is looked up; None is the process's environment.
        overrides: changes to what the file says, see `overridden`; a run keeps the suite with
            them.

    Raises:
        InputError: it cannot be read or something in it is not allowed. The text names file,
            line, key, value and what is allowed.
    """
    path = Path(path)
    file = read_yaml(path, what="suite", keys="name, data and judges")
    if not overrides:
        return Suite(file.read_as(SuiteSpec, environment=environment), file.storable, path)
    file = replace(file, written=overridden(file.written, overrides))
    try:
        return Suite(file.read_as(SuiteSpec, environment=environment), file.storable, path)
    except InputError as error:
        # The fault may be in the file or in a change to it, and the line is the file's.
        changes = ", ".join(f"{key}={value}" for key, value in overrides)
        raise InputError(f"{error} (with {changes})") from error


def _chosen(data: DataSpec, suite: Path, seed: int) -> Iterable[Sample]:
    """The samples of one source after its filters, in their order there."""
    wanted = (sample for sample in _source(data, suite) if _wanted(data, sample))
    if data.limit is None:
        return wanted
    kept = list(wanted)
    if data.limit >= len(kept):
        return kept
    drawn = np.random.default_rng([seed, len(kept)]).choice(len(kept), data.limit, replace=False)
    return [kept[i] for i in sorted(drawn)]


def _source(data: DataSpec, suite: Path) -> Iterator[Sample]:
    path = None if data.path is None else suite.parent / Path(data.path).expanduser()
    if data.benchmark is not None:
        from deemster.benchmarks import open_benchmark  # noqa: PLC0415 - only where it is used

        if path is not None and not path.exists():
            raise InputError(f"{suite}: data path {data.path!r} does not exist")
        yield from open_benchmark(data.benchmark).load(path, split=data.split)
    elif path is not None:
        from deemster.suites.jsonl import read_samples  # noqa: PLC0415

        yield from read_samples(path)
    else:
        for number, row in enumerate(data.samples or ()):
            sample = Sample.parse(row, where=f"{suite}: data.samples.{number}")
            yield sample if sample.id else sample.model_copy(update={"id": str(number)})


def _wanted(data: DataSpec, sample: Sample) -> bool:
    n = len(sample.responses)
    return (
        (data.subsets is None or sample.subset in data.subsets)
        and n >= data.min_responses
        and (data.max_responses is None or n <= data.max_responses)
    )
