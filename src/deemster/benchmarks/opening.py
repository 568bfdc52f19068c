"""The reader of a judge's log: by format name, from the user's own module, or as an object."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.base import TraceFormat, TraceReader
from deemster.benchmarks.registry import TRACE_FORMATS, open_trace_format
from deemster.benchmarks.traces.column_map import parse_columns
from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.schemas import Sample, Vote

Read = Callable[[Path], Iterator[tuple[Sample, tuple[Vote, ...]]]]
"""A reader in one function: from the log's path to its samples with their votes."""


@dataclass(frozen=True)
class FunctionTraces(TraceReader):
    """A reader made of one function."""

    function: Read

    name: ClassVar[str] = "function"
    description: ClassVar[str] = "a function of the user's"
    aggregator: ClassVar[str] = "mean"
    dialect: ClassVar[str] = ""

    def read(
        self,
        traces: Path,
        data: Path | None = None,
        *,
        judge: str | None = None,  # noqa: ARG002 - it names the run's judge
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`."""
        if data is not None:
            raise InputError("a reader that is a function takes no --data")
        yield from self.function(traces)


def open_reader(
    reader: str | TraceFormat | Read, *, columns: str | None = None, dialect: str | None = None
) -> TraceFormat:
    """The reader of a log.

    Args:
        reader: name of a format; `module:name` of a reader (a class of that kind, an object or a
            function), looked for in the working directory too; or such a reader itself.
        columns: for a reader of tables: which column holds what (`parse_columns`).
        dialect: for a reader of tables: spec of the dialect that reads the judge's text.

    Raises:
        InputError: there is no such reader, or it takes no columns.
    """
    if isinstance(reader, str):
        found = _imported(reader) if ":" in reader else open_trace_format(reader)
    else:
        found = _made(reader, repr(reader))
    if isinstance(found, ColumnTraces):
        if dialect:
            open_dialect(dialect)  # a wrong name is an error before the log is read
            found = replace(found, dialect=dialect)
        if columns is not None:
            found = replace(found, columns={**found.columns, **parse_columns(columns)})
    elif columns is not None:
        raise InputError(f"format {found.name!r} takes no columns; it has a layout of its own")
    return found


def _imported(spec: str) -> TraceFormat:
    module, _, name = spec.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"no reader {spec!r}: {error}; allowed: module:name, or one of "
            f"{', '.join(TRACE_FORMATS.names())}"
        ) from error
    finally:
        sys.path.remove(here)
    return _made(found, spec)


def _made(found: Any, spec: str) -> TraceFormat:  # noqa: ANN401 - it may be anything
    made = found() if isinstance(found, type) else found
    if hasattr(made, "read") and hasattr(made, "aggregator"):
        reader: TraceFormat = made
        return reader
    if callable(made):
        return FunctionTraces(made)
    raise InputError(
        f"{spec} is no reader; allowed: a function from a path to (sample, votes), or an object "
        "with the methods of TraceFormat"
    )


__all__ = ["FunctionTraces", "Read", "open_reader"]
