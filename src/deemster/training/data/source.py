"""Where training data comes from, as written in a recipe, and its rows one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deemster.data.columns import GivenColumns
from deemster.data.files import data_files, read_items, read_rows
from deemster.data.hub import dataset_rows, is_dataset
from deemster.data.row import Row
from deemster.errors import InputError

_Positive = Annotated[int, Field(strict=True, ge=1)]


class DataSource(BaseModel):
    """One source of data: exactly one of `path`, `dataset`, `benchmark` and `run`.

    Of preferences and of evaluation sets (all fields), or of instructions (`path` or `dataset`,
    `split`, `limit`, `bad_rows`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str | None = None
    """A file or folder: JSON Lines, JSON, CSV, TSV, Parquet, or what `datasets` saved; with
    `benchmark`, its files."""
    dataset: str | None = None
    """Of the `datasets` library: a folder it saved, or `owner/name` on the hub."""
    config: str | None = None
    """Configuration of a `dataset` from the hub, where it has several."""
    benchmark: str | None = None
    """A benchmark adapter of deemster, e.g. `judgebench`."""
    run: str | None = None
    """A run directory: the samples that were judged there."""
    split: str | None = None
    """Part of a dataset (default `train`), a benchmark or a folder."""
    columns: str | dict[str, str | tuple[str, ...]] | None = None
    """Which column holds what, e.g. `{query: prompt, chosen: good, rejected: bad}`."""
    match: Literal["exact", "numeric", "math"] | None = None
    """Rows are problems with a reference answer and several solutions; pairs of a right and a
    wrong one are made by comparing answers in this way."""
    pairs: _Positive = 1
    """With `match`: at most so many pairs per problem."""
    subsets: tuple[str, ...] | None = None
    """Keep only these subsets."""
    min_responses: _Positive = 1
    max_responses: _Positive | None = None
    limit: _Positive | None = None
    """At most this many, drawn at random by the seed."""
    bad_rows: Literal["error", "skip"] = "error"
    """Whether the first bad row ends loading, or bad rows are left out and counted."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("dataset", "benchmark", "run") if getattr(self, name)]
        if self.path and not self.benchmark:
            given.append("path")
        if len(given) != 1:
            named = " and ".join(given) or "none"
            raise ValueError(f"give one of path, dataset, benchmark and run; got {named}")
        if self.config is not None and self.dataset is None:
            raise ValueError("config goes with dataset")
        if self.split is not None and self.run is not None:
            raise ValueError("a run has no splits; leave split out")
        if self.columns is not None and (self.benchmark or self.run or self.match):
            raise ValueError("columns goes with path or dataset, and not with match")
        self.given_columns  # noqa: B018 - read now, so that an error names the recipe
        if self.match is not None and (self.benchmark or self.run):
            raise ValueError("match goes with path or dataset")
        if self.pairs != 1 and self.match is None:
            raise ValueError("pairs goes with match")
        return self

    @property
    def given_columns(self) -> GivenColumns | None:
        """What `columns` says."""
        return None if self.columns is None else GivenColumns.parse(self.columns)

    @property
    def label(self) -> str:
        """What error texts and manifests call it."""
        named = self.benchmark or self.dataset or self.run or self.path
        return str(named)


def source_rows(source: DataSource, base: Path) -> Iterator[Row | InputError]:
    """The rows of a `path` or `dataset`; a row that cannot be read is its error.

    Args:
        source: where they are.
        base: what relative paths start from.

    Raises:
        InputError: the source as a whole cannot be read, or is empty.
    """
    path = base / Path(source.path or "").expanduser()
    saved = path.is_dir() and is_dataset(path)
    name = source.dataset or (str(path) if saved else None)
    if name is not None:
        yield from dataset_rows(name, split=source.split, config=source.config, base=base)
        return
    if source.split is not None:
        yield from read_rows(path, split=source.split)
        return
    for file in data_files(path):
        yield from read_items(file)
