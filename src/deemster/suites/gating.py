"""May this run replace that one? Checks with a margin, for a pipeline to stop at."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # what is written is our own
from collections.abc import Iterator
from pathlib import Path

from deemster.errors import InputError
from deemster.judges.calibrator import judge_identity
from deemster.schemas import Count, Record, Text
from deemster.shown import harmless, inline
from deemster.suites.comparing import (
    JudgedRun,
    RunComparison,
    compare_judged,
    load_judged,
    shared_items,
)
from deemster.suites.metrics import Comparison, compare_by_subset
from deemster.suites.metrics.noninferiority import NonInferiority, non_inferiority

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML does not allow."""
_SHOWN = 10
"""Items that got worse, named in the summary."""


class Check(Record):
    """One thing that the gate looked at."""

    name: str
    passed: bool
    message: str


class GateReport(Record):
    """A run against its baseline."""

    run: Text
    baseline: Text
    alpha: float
    comparison: RunComparison
    """Baseline first. Unscored items count as wrong in all that the gate decides by."""
    overall: NonInferiority
    subsets: dict[str, Comparison]
    """p values corrected for their number (Holm)."""
    same_judge: bool
    """Whether both runs are of one judge, by its fingerprint."""
    changed: Count
    """Shared items on which the two runs name another response best."""
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(check.passed for check in self.checks)


def gate_run(
    run: Path,
    baseline: Path,
    *,
    margin: float = 0.02,
    alpha: float = 0.05,
    judges: tuple[str | None, str | None] = (None, None),
    allow_inconclusive: bool = False,
) -> GateReport:
    """Check a run against a baseline over the same labelled data.

    Two kinds of check. Overall the run must show that its accuracy is not lower by `margin` or
    more (non-inferiority). And a two-sided test at `alpha` must not call it worse, overall or in
    any subset, corrected for the number of subsets.

    Args:
        run: the new run's directory.
        baseline: what it is held against.
        margin: loss of accuracy that is still acceptable, > 0 and < 1.
        alpha: level of every test.
        judges: which judge of the run and of the baseline.
        allow_inconclusive: pass where there are too few items to show that it is not worse.

    Raises:
        InputError: there is no such run or judge, the runs share no labelled item, or an argument
            is out of range.
    """
    if not 0 < margin < 1:
        raise InputError(f"margin must be between 0 and 1, got {margin!r}; 0.02 is 2 points")
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha must be between 0 and 0.5, got {alpha!r}; 0.05 is usual")
    new, old = load_judged(run, judges[0]), load_judged(baseline, judges[1])
    comparison = compare_judged(old, new)
    before, after = shared_items(old, new)
    subsets = compare_by_subset(before, after, unscored_as_wrong=True)
    overall = non_inferiority(
        comparison.overall.only_first,
        comparison.overall.only_second,
        comparison.overall.difference.n,
        margin=margin,
        alpha=alpha,
    )
    return GateReport(
        run=new.name,
        baseline=old.name,
        alpha=alpha,
        comparison=comparison,
        overall=overall,
        subsets={} if set(subsets) <= {""} else subsets,
        same_judge=_same(old, new),
        changed=sum(a.best != b.best for a, b in zip(before, after, strict=True)),
        checks=tuple(_checks(comparison, overall, subsets, alpha, allow_inconclusive)),
    )


def _same(old: JudgedRun, new: JudgedRun) -> bool:
    return judge_identity(old.info) == judge_identity(new.info)


def _checks(
    comparison: RunComparison,
    overall: NonInferiority,
    subsets: dict[str, Comparison],
    alpha: float,
    allow_inconclusive: bool,
) -> Iterator[Check]:
    worse = comparison.is_worse(alpha=alpha)
    p = comparison.overall.p_value
    yield Check(
        name="overall: no regression",
        passed=not worse,
        message=f"{_points(comparison.change)} points, McNemar p {_p(p)}",
    )
    bound = overall.difference.low or 0.0
    shown = f"{_points(comparison.change)} points, at worst {_points(bound)} (one-sided bound)"
    margin = f"margin of {100 * overall.margin:g} points"
    if not overall.holds and not worse:
        shown += f": {_untold(overall)}"
    yield Check(
        name=f"overall: not worse by a {margin}",
        passed=overall.holds or (allow_inconclusive and not worse),
        message=shown,
    )
    for name, one in subsets.items() if set(subsets) - {""} else ():
        change = -(one.difference.value or 0.0)
        lower = change < 0 and one.p_adjusted is not None and one.p_adjusted < alpha
        yield Check(
            name=f"subset {name}: no regression",
            passed=not lower,
            message=f"{_points(change)} points on {one.difference.n} items, "
            f"p {_p(one.p_adjusted)} corrected for {len(subsets)} subsets",
        )


def _untold(overall: NonInferiority) -> str:
    """Why neither a loss nor its absence is shown."""
    needed = overall.n_needed
    if needed is None:  # where the runs never differ, nothing says how many
        return "too few items to tell"
    if needed > overall.difference.n:
        return f"too few items to tell, about {needed} are needed"
    return "the loss seen is too near the margin to tell"


def _points(share: float) -> str:
    return f"{100 * share:+z.2f}"


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def junit(report: GateReport) -> str:
    """The checks as a JUnit XML file, which CI services show as tests."""
    failed = [check for check in report.checks if not check.passed]
    suite = ET.Element(
        "testsuite",
        name=f"deemster gate {report.run}",
        tests=str(len(report.checks)),
        failures=str(len(failed)),
    )
    for check in report.checks:
        case = ET.SubElement(suite, "testcase", classname="deemster.gate", name=check.name)
        if check.passed:
            ET.SubElement(case, "system-out").text = check.message
        else:
            ET.SubElement(case, "failure", message=check.message).text = check.message
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + harmless(_CONTROL.sub("\ufffd", ET.tostring(root, "unicode")))
        + "\n"
    )


def markdown(report: GateReport) -> str:
    """The report as Markdown, for the summary of a CI job."""
    verdict = "passed" if report.passed else "FAILED"
    overall = report.comparison.overall
    counts = (
        f"{overall.difference.n} items: {_percent(overall.first.value)} to "
        f"{_percent(overall.second.value)}, {overall.only_first} lost, {overall.only_second} gained"
    )
    lines = [
        f"## Gate {verdict}: {inline(report.run)}",
        "",
        f"Against {inline(report.baseline)}, {counts}. {drift(report)}",
        "",
        "| check | | |",
        "|---|---|---|",
        *(
            f"| {inline(check.name)} | {'passed' if check.passed else '**failed**'} | "
            f"{inline(check.message)} |"
            for check in report.checks
        ),
    ]
    lost = [one for one in report.comparison.changes if one.before == "right"]
    if lost:
        more = f", the first {_SHOWN}" if len(lost) > _SHOWN else ""
        lines += ["", f"Right before, no longer right: {len(lost)}{more}", ""]
        lines += [f"- {inline(one.id)} ({one.after})" for one in lost[:_SHOWN]]
    return "\n".join(lines) + "\n"


def drift(report: GateReport) -> str:
    """What changed in the verdicts, and whether the judge is said to be the same."""
    who = "the same judge by its fingerprint" if report.same_judge else "another judge"
    n = report.comparison.overall.difference.n
    return f"{who.capitalize()}; another best response on {report.changed} items ({n} labelled)."


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"
