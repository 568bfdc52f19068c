"""What a report holds: `report.json` is this, the HTML file shows it."""

from __future__ import annotations

from typing import Literal

from deemster.reports.weakness_records import Change, WeaknessReport
from deemster.schemas import Count, Record, Text
from deemster.suites.metrics import Agreement, Comparison, Estimate, Standing, Summary
from deemster.suites.thresholds import ThresholdResult

Correctness = Literal["right", "wrong", "tied", "unscored", "unknown"]
"""`tied`: on top, counted as wrong; `unscored`: too few valid votes; `unknown`: the truth is not
known, is itself tied, or there is a single response."""


class Latency(Record):
    """Seconds that votes took; votes without a time are left out."""

    n: Count
    mean: float
    p50: float
    p95: float
    p99: float
    longest: float
    edges: tuple[float, ...]
    """Of the histogram, one more than `counts`."""
    counts: tuple[Count, ...]


class PolicyRate(Record):
    """How often the judge finds a policy's response best; ties are shared."""

    policy: str
    win_rate: Estimate


class ItemRow(Record):
    """One judged item, without its texts: those are in the run and in the HTML file."""

    judge: Count
    """Index in `Report.judges`."""
    id: str
    subset: str
    outcome: Correctness
    best: Count | None
    """The judge's."""
    true_best: Count | None
    rewards: tuple[float, ...] | None
    confidence: float | None
    n_votes: Count
    n_failed: Count


class JudgeSection(Record):
    """One judge of one run."""

    label: Text
    """Unique in the report."""
    run: Text
    """Name of the run's directory."""
    summary: Summary
    thresholds: tuple[ThresholdResult, ...] = ()
    """Those of the run's suite."""
    latency: Latency | None
    policies: tuple[PolicyRate, ...]
    """Empty where the data do not say who wrote the responses."""
    weaknesses: tuple[WeaknessReport, ...]
    changes: tuple[Change, ...]
    """Against the earlier report, for the first of `weaknesses`."""


class Paired(Record):
    """Two judges on the items they share."""

    first: str
    second: str
    comparison: Comparison


class Report(Record):
    """The figures of one or more runs."""

    deemster: str
    """The version that made it."""
    title: Text
    judges: tuple[JudgeSection, ...]
    agreement: Agreement | None
    """Between judges, and with the truth; None with a single judge."""
    standings: tuple[Standing, ...] = ()
    """The judges by their labels, best first; empty with a single judge, or where the runs are of
    other data."""
    comparisons: tuple[Paired, ...]
    """Every two judges, where there are at most 6 and they share items."""
    notes: tuple[str, ...]
    """What was left out, and why."""
    not_believed: tuple[str, ...] = ()
    """Of `notes`: files of the runs that are damaged, or of another run."""
    items: tuple[ItemRow, ...]
