"""Where training data comes from, as written in a recipe, and its rows one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deemster.benchmarks.files import Row, data_files, read_rows, read_text_lines
from deemster.benchmarks.hub import hub_rows
from deemster.errors import InputError
from deemster.extras import need

_Positive = Annotated[int, Field(strict=True, ge=1)]


class DataSource(BaseModel):
    """One source of data: exactly one of `path`, `dataset`, `benchmark` and `run`.

    Of preferences and of evaluation sets (all fields), or of instructions (`path` or `dataset`,
    `split`, `limit`, `bad_rows`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str | None = None
    """A file or folder: JSON Lines, JSON, CSV, TSV, Parquet; with `benchmark`, its files."""
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
        if self.match is not None and (self.benchmark or self.run):
            raise ValueError("match goes with path or dataset")
        if self.pairs != 1 and self.match is None:
            raise ValueError("pairs goes with match")
        return self

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
    if source.dataset is not None:
        yield from _dataset_rows(source, source.dataset, base)
        return
    path = _located(source.path or "", base)
    if source.split is not None:
        yield from read_rows(path, split=source.split)
        return
    for file in data_files(path):
        yield from _json_lines(file) if _is_json_lines(file) else read_rows(file)


def _located(path: str, base: Path) -> Path:
    return base / Path(path).expanduser()


def _is_json_lines(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(".jsonl")


def _json_lines(path: Path) -> Iterator[Row | InputError]:
    """The lines of a file; unlike in `read_rows`, one that is not an object does not end them."""
    empty = True
    for number, line in read_text_lines(path):
        if not line.strip():
            continue
        empty = False
        where = f"{path} line {number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield InputError(f"{where}: not JSON: {error}")
            continue
        if isinstance(values, dict):
            yield Row(values, where, path, number)
        else:
            yield InputError(f"{where}: expected an object, got {values!r:.80}")
    if empty:
        raise InputError(f"{path} is empty; expected at least one row")


def _dataset_rows(source: DataSource, name: str, base: Path) -> Iterator[Row]:
    folder = _located(name, base)
    split = source.split or "train"
    if not folder.is_dir():
        yield from hub_rows(name, split=split, config=source.config)
        return
    need("datasets", f"dataset {name!r}")
    from datasets import DatasetDict, load_from_disk  # noqa: PLC0415 - an optional extra

    try:
        loaded = load_from_disk(str(folder))
    except (OSError, ValueError, LookupError) as error:  # an empty one is an IndexError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{str(folder)!r} is not a saved dataset, or holds no rows: {reason}"
        ) from error
    if isinstance(loaded, DatasetDict):
        if split not in loaded:
            known = ", ".join(map(str, loaded))
            raise InputError(f"no split {split!r} in {str(folder)!r}; splits there: {known}")
        loaded = loaded[split]
    elif source.split is not None:
        raise InputError(f"{str(folder)!r} has no splits; leave split out")
    for number, values in enumerate(loaded, start=1):
        yield Row(dict(values), f"{folder} row {number}", folder, number)
