"""What a benchmark and a trace format are, and what their adapters share.

A benchmark turns a public data set into samples. A trace format turns another tool's judge log
into samples and votes: from the raw text by our own parsers wherever the log kept it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar, Protocol

from deemster.data.files import read_rows
from deemster.data.hub import hub_rows, is_hub_name
from deemster.data.row import Row
from deemster.errors import InputError
from deemster.schemas import Sample, Verdict, Vote

FIRST, SECOND, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
"""Ground truth of a pair, and its scores."""
Judged = Sequence[tuple[Sample, tuple[Vote, ...], Verdict]]
"""A whole log: its samples with their votes, decided by the format's own aggregator."""
Figures = dict[str, float | int]
"""Figures by name. One about a part of the log starts with the part: `knowledge/pairs`."""


class Benchmark(Protocol):
    """A public data set as samples."""

    name: ClassVar[str]
    description: ClassVar[str]

    def load(
        self,
        source: str | Path | None = None,
        *,
        split: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Sample]:
        """The samples, in the order of the data set.

        Args:
            source: a file or directory in the official layout, or the name of the data set
                (`owner/name`) on the hub; None for its official name there.
            split: which part of it; None for the official evaluation part.
            limit: most samples to read, >= 1.

        Raises:
            InputError: the source cannot be read or loaded, or a row is not in the layout.
        """
        ...


class TraceFormat(Protocol):
    """A layout in which another tool keeps what its judges said."""

    name: ClassVar[str]
    description: ClassVar[str]
    aggregator: ClassVar[str]
    """Spec of the aggregator that is closest to the tool's published rule."""

    @property
    def dialect(self) -> str:
        """Spec of the dialect that reads its raw text; empty if it never has text.

        Where rows need different ones, the metadata of each sample name it as `dialect`. What
        the log's tool itself read is there as `stored`, see `traces.verdicts.agrees`.
        """
        ...

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """Each sample with its votes, in file order; votes count draws from 0.

        Args:
            traces: the log, a file or a directory.
            data: the data set that was judged, where the log does not repeat it.
            judge: which judge, where the log holds several.

        Raises:
            InputError: a file cannot be read, a row is not in the layout, `data` is missing
                where it is needed, or several judges are there and none was named.
        """
        ...

    def min_valid(self, k: int) -> int:
        """How many of `k` votes must be judgments for a verdict, under the published rule."""
        ...

    def figures(self, rows: Judged) -> Figures:
        """What the tool itself reports about such a log, by its own published rule.

        The docstring of each format names its figures. A figure that would divide by 0 is left
        out.

        Args:
            rows: the log, its verdicts made by `aggregator` and `min_valid`.
        """
        ...


@dataclass(frozen=True)
class TraceReader:
    """What most trace formats have in common."""

    def min_valid(self, k: int) -> int:  # noqa: ARG002 - one judgment is enough, of however many
        """See `TraceFormat.min_valid`."""
        return 1

    def figures(self, rows: Judged) -> Figures:  # noqa: ARG002 - a tool may report nothing of its own
        """See `TraceFormat.figures`."""
        return {}


@dataclass(frozen=True)
class Hub:
    """Where the public copy of a data set is, for the `datasets` library."""

    name: str
    splits: tuple[str, ...]
    """The official evaluation splits, all read when none is asked for."""
    configs: tuple[str | None, ...] = (None,)
    file: str | None = None
    """The one JSON file to read, for a data set that would otherwise need a script."""

    def rows(self, split: str | None = None, *, name: str | None = None) -> Iterator[Row]:
        """The rows of all configurations, of one split or of the official ones."""
        for config in self.configs:
            for part in (split,) if split else self.splits:
                file = self.file if name in (None, self.name) else None
                yield from hub_rows(name or self.name, split=part, config=config, file=file)


@dataclass(frozen=True)
class RowBenchmark(ABC):
    """A benchmark whose rows can be read one by one: subclasses say what a row holds."""

    name: ClassVar[str]
    description: ClassVar[str]
    home: ClassVar[str]
    """Where the official files are; named when there is no public copy to load by name."""
    hub: ClassVar[Hub | None] = None

    def load(
        self,
        source: str | Path | None = None,
        *,
        split: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Sample]:
        """See `Benchmark.load`."""
        if limit is not None and limit < 1:
            raise InputError(f"limit must be >= 1, got {limit}")
        path = self._local(source)
        if path is not None:
            samples = self.from_path(path, split)
        else:
            rows = self._hub_rows(None if source is None else str(source), split)
            samples = chain.from_iterable(self.samples(row) for row in rows)
        return islice(iter(samples), limit)

    def from_path(self, path: Path, split: str | None) -> Iterable[Sample]:
        """The samples of an official file or directory."""
        return chain.from_iterable(self.samples(row) for row in read_rows(path, split=split))

    @abstractmethod
    def samples(self, row: Row) -> Iterable[Sample]:
        """The samples that a row holds.

        Raises:
            InputError: the row is not in the official layout.
        """

    def _local(self, source: str | Path | None) -> Path | None:
        """The source as a path, or None if it is a name on the hub."""
        if source is None:
            return None
        path = Path(source).expanduser()
        if path.exists() or isinstance(source, Path) or not is_hub_name(source):
            return path
        return None

    def _hub_rows(self, name: str | None, split: str | None) -> Iterator[Row]:
        if self.hub is None:
            raise InputError(
                f"benchmark {self.name!r} cannot be loaded by name; "
                f"get {self.home} and give its path"
            )
        return self.hub.rows(split, name=name)


__all__ = [
    "FIRST",
    "SECOND",
    "TIE",
    "Benchmark",
    "Figures",
    "Hub",
    "Judged",
    "RowBenchmark",
    "TraceFormat",
    "TraceReader",
]
