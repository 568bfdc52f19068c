"""A run as one HTML file that opens anywhere without a network, and as JSON."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deemster.errors import InputError
from deemster.files import read_bytes
from deemster.reports.browser import Browser
from deemster.reports.collect import MOST_ITEMS, collect_report
from deemster.reports.embed import escaped_json
from deemster.reports.plots import judge_plots, overview_plot
from deemster.reports.policies import Compared
from deemster.reports.records import Report
from deemster.suites.metrics import RANKED_BY, Standing
from deemster.suites.metrics.accuracy import FEW
from deemster.suites.summaries import published_tables, write_text


def write_report(
    run_dirs: Sequence[str | Path],
    out: str | Path,
    *,
    policy: str | None = None,
    versus: str | None = None,
    before: str | Path | None = None,
    title: str | None = None,
    most_items: int = MOST_ITEMS,
) -> Report:
    """Write `out` (HTML) and the same figures beside it as JSON (`report.html`: `report.json`).

    Equal runs give equal files. The texts of items are in the HTML file only; `report.json` lists
    the items' outcomes.

    Args:
        run_dirs: one or more runs; every judge in them becomes a section.
        out: the HTML file to write; it is replaced in one step.
        policy: whose weaknesses to analyse. None: each of two, where the data have just two.
        versus: against whom; None is the best of all others.
        before: the JSON of an earlier report, to show what became of its weaknesses.
        title: the page's heading; the names of the runs if not given.
        most_items: of more judged items about so many are listed, drawn by their ids. Weaknesses
            are those of as many items, or of 50,000 where that is more; all other figures are over
            all items.

    Raises:
        InputError: a directory holds no run, a policy is unknown, or a path cannot be used.
    """
    out = Path(out)
    if out.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"report file {str(out)!r} must end in .html")
    if versus is not None and policy is None:
        raise InputError(f"versus {versus!r} without a policy; name the policy to analyse")
    if most_items < 0:
        raise InputError(f"most_items must be >= 0, got {most_items!r}; 0 lists none")
    earlier = None if before is None else load_report(before)
    with Browser() as browser:
        report = collect_report(
            run_dirs,
            browser,
            title=title or ", ".join(Path(directory).resolve().name for directory in run_dirs),
            compared=Compared(policy=policy, versus=versus, before=earlier),
            most_items=most_items,
        )
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_text(out, render(report, browser))
            write_text(out.with_suffix(".json"), (report.model_dump_json(indent=2), "\n"))
        except OSError as error:
            raise InputError(f"cannot write report {str(out)!r}: {error}") from error
    return report


def load_report(path: str | Path) -> Report:
    """Read the JSON of a report.

    Raises:
        InputError: it cannot be read or is not a report.
    """
    try:
        return Report.model_validate_json(read_bytes(path, what="report"))
    except ValidationError as error:
        raise InputError(
            f"{str(path)!r} is not the JSON of a report: {error.errors()[0]['msg']}"
        ) from error


def render(report: Report, browser: Browser) -> Iterator[str]:
    """The page, piece by piece: with the texts of its items it may be larger than memory.

    It reads nothing but its own template, style and script, and the blocks of the browser.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only for reports
    from markupsafe import Markup  # noqa: PLC0415

    style, script = _asset("report.css"), _asset("report.js")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = figure
    environment.filters["heat"] = _heat
    environment.filters["tables"] = published_tables
    ranking = _ranking(report)
    overview = overview_plot([report.judges[at] for at, _ in ranking])
    weak = next(
        (f"weak-{n}-{m}" for n, s in enumerate(report.judges) for m in range(len(s.weaknesses))),
        None,
    )
    # Markup: our own assets, figures that escape their texts, escaped JSON, and base64.
    yield from environment.from_string(_asset("report.html.j2")).generate(
        report=report,
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        overview=None if overview is None else Markup(overview),  # noqa: S704
        plots=[
            {
                **dict.fromkeys(("curve", "subsets", "calibration", "position", "latency")),
                **{key: Markup(svg) for key, svg in drawn.items()},  # noqa: S704
            }
            for drawn in (judge_plots(s, name=f"j{i}") for i, s in enumerate(report.judges))
        ],
        ranking=ranking,
        ranked_by=RANKED_BY[report.standings[0].ranked_by] if report.standings else "",
        unscored=bool(report.standings)
        and any(section.summary.detail.unscored for section in report.judges),
        few=FEW,
        votes=sum(section.summary.n_votes for section in report.judges),
        n_items=sum(section.summary.n for section in report.judges),
        weak=weak,
        index=Markup(escaped_json(browser.index([s.label for s in report.judges]))),  # noqa: S704
        samples=map(Markup, browser.samples.packed()),
        verdicts=map(Markup, browser.verdicts.packed()),
    )
    yield "\n"


def _ranking(report: Report) -> list[tuple[int, Standing | None]]:
    """Positions of the judges, best first, with their standings if there are any."""
    places = {section.label: number for number, section in enumerate(report.judges)}
    if not report.standings:
        return [(number, None) for number in places.values()]
    return [(places[one.judge], one) for one in report.standings]


def figure(value: float | None, kind: str) -> str:
    """A number as readers want it; an en dash for None.

    Args:
        value: the number.
        kind: percent, points (percentage points with sign), number, number4 (4 digits),
            count, usd, seconds or p.
    """
    if value is None:
        return "–"
    formats: dict[str, Any] = {
        "percent": lambda: f"{value:.1%}".replace("%", "\u202f%"),
        "points": lambda: f"{100 * value:+z.1f}".replace("-", "−"),
        "number4": lambda: f"{value:z.4g}",
        "number": lambda: f"{value:z.2f}".replace("-", "−"),
        "count": lambda: f"{value:,.0f}".replace(",", "\u202f"),
        "usd": lambda: f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.2g}",
        "seconds": lambda: _seconds(value),
        "p": lambda: "< 0.0001" if value < 0.0001 else f"{value:.2g}",
    }
    return str(formats[kind]())


def _seconds(value: float) -> str:
    digits = ".2g" if value < 0.1 else ".2f" if value < 10 else ".0f"
    return f"{value:{digits}}\u202fs"


def _heat(value: float | None) -> str:
    """The style class of a kappa: five shades from 0 to 1, another colour below 0."""
    if value is None:
        return ""
    return "hneg" if value < 0 else f"h{min(4, int(value * 5))}"


def _policy(style: str, script: str) -> str:
    """The content security policy: this style, this script, and nothing else."""
    sources = {
        "style-src": style,
        "script-src": script,
    }
    hashes = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in sources.items()
    }
    allowed = "; ".join(f"{name} 'sha256-{value}'" for name, value in hashes.items())
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _asset(name: str) -> str:
    return (files("deemster.reports") / "assets" / name).read_text(encoding="utf-8").strip()
