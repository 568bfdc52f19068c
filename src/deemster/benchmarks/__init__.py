"""Public data sets as samples, and other tools' judge logs as samples with votes."""

from deemster.benchmarks.base import Benchmark, Figures, Hub, Judged, RowBenchmark, TraceFormat
from deemster.benchmarks.opening import open_reader
from deemster.benchmarks.registry import (
    BENCHMARKS,
    TRACE_FORMATS,
    open_benchmark,
    open_trace_format,
)
from deemster.data.files import read_rows
from deemster.data.row import Row

__all__ = [
    "BENCHMARKS",
    "TRACE_FORMATS",
    "Benchmark",
    "Figures",
    "Hub",
    "Judged",
    "Row",
    "RowBenchmark",
    "TraceFormat",
    "open_benchmark",
    "open_reader",
    "open_trace_format",
    "read_rows",
]
