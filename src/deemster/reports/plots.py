"""The figures of a judge, drawn with matplotlib. Each is None if there is nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deemster.reports.records import JudgeSection, Latency
from deemster.reports.svg import GRID, INK, MUTED, PAPER, SERIES, drawing, plain, to_svg
from deemster.suites.metrics import Calibration, CurvePoint, Estimate, Summary
from deemster.suites.metrics.accuracy import FEW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 4.1
"""Inches; the page shows a figure at about 1.6 times that, on a phone at its own size."""
_MOST_BARS = 30
_NAME = {"vote": "plain voting", "meta": "meta-guided voting"}


def judge_plots(section: JudgeSection, *, name: str) -> dict[str, str]:
    """SVG elements by what they show: curve, subsets, calibration, position, latency."""
    summary = section.summary
    with drawing():
        drawn = {
            "curve": _curve(summary),
            "subsets": _subsets(summary),
            "calibration": _calibration(summary.calibration),
            "position": _position(summary),
            "latency": _latency(section.latency),
        }
        labels = {
            "curve": "Accuracy by number of votes",
            "subsets": "Accuracy by subset",
            "calibration": "Accuracy by stated confidence",
            "position": "Consistency under exchange of positions",
            "latency": "Histogram of seconds per vote",
        }
        return {
            key: to_svg(figure, name=f"{name}-{key}", label=labels[key])
            for key, figure in drawn.items()
            if figure is not None
        }


def overview_plot(sections: Sequence[JudgeSection]) -> str | None:
    """Accuracy of several judges side by side."""
    shown = {s.label: s.summary.detail.scored for s in sections if s.summary.accuracy is not None}
    if len(shown) < 2:
        return None
    with drawing():
        return to_svg(_bars(shown), name="overview", label="Accuracy by judge")


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.tick_params(length=3)
    return figure, axes


def _percent(axis: Any) -> None:  # noqa: ANN401 - an XAxis or a YAxis
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))


def _curve(summary: Summary) -> Figure | None:
    curves = {
        name: [p for p in points if p.accuracy.value is not None]
        for name, points in summary.curves.items()
    }
    ks = sorted({p.k for points in curves.values() for p in points})
    if len(ks) < 2:
        return None
    figure, axes = _figure(3.0)
    for (name, points), colour, marker in zip(curves.items(), SERIES, "os", strict=False):
        if points:
            _line(axes, points, colour, marker, _NAME.get(name, name))
    axes.set_xscale("log", base=2)
    _ticks(axes, ks, [str(k) for k in ks])
    axes.set_xlabel("votes per item (k)")
    axes.grid(axis="y")
    _percent(axes.yaxis)
    if sum(bool(points) for points in curves.values()) > 1:
        axes.legend(loc="lower right")
    top = axes.secondary_xaxis("top")
    top.spines["top"].set_visible(False)
    costs = [_cost_at(summary, k) for k in ks]
    _ticks(top, ks, [f"{votes:,.0f}{money}".replace(",", " ") for votes, money in costs])
    top.set_xlabel("votes in all" + (" and US$" if costs[-1][1] else ""))
    return figure


def _line(axes: Axes, points: Sequence[CurvePoint], colour: str, marker: str, label: str) -> None:
    ks = [p.k for p in points]
    values = [_value(p.accuracy) for p in points]
    ends = [_ends(p.accuracy) for p in points]
    axes.fill_between(
        ks, [low for low, _ in ends], [high for _, high in ends],
        color=colour, alpha=0.14, linewidth=0,
    )  # fmt: skip
    axes.plot(ks, values, color=colour, marker=marker, markersize=4, linewidth=1.8, label=label)


def _ticks(axes: Any, at: Sequence[float], labels: Sequence[str]) -> None:  # noqa: ANN401
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator  # noqa: PLC0415

    keep = list(range(len(at)))
    if len(at) > 8:  # labels would touch
        keep = [i for i in keep if i % 2 == (len(at) - 1) % 2]
    axes.xaxis.set_major_locator(FixedLocator([at[i] for i in keep]))
    axes.xaxis.set_major_formatter(FixedFormatter([labels[i] for i in keep]))
    axes.xaxis.set_minor_locator(NullLocator())


def _cost_at(summary: Summary, k: int) -> tuple[float, str]:
    """How many votes k per item are in all, and what they cost, as a line of a label."""
    votes = float(k * summary.n)
    cost = summary.usage.cost
    if not cost or not summary.n_votes:
        return votes, ""
    money = cost / summary.n_votes * votes
    return votes, f"\n{money:,.2f}" if money < 100 else f"\n{money:,.0f}"


def _subsets(summary: Summary) -> Figure | None:
    shown = {name: one.scored for name, one in summary.subsets.items() if one.scored.n}
    if not 1 < len(shown) <= _MOST_BARS:
        return None
    return _bars(shown, line=summary.accuracy, fewest=FEW)


def _bars(
    estimates: Mapping[str, Estimate], *, line: float | None = None, fewest: int = 0
) -> Figure:
    """Bars with intervals; grey ones rest on fewer than `fewest` items."""
    figure, axes = _figure(0.75 + 0.26 * len(estimates))
    places = list(range(len(estimates)))[::-1]
    values = [_value(estimate) for estimate in estimates.values()]
    colours = [GRID if estimate.n < fewest else SERIES[0] for estimate in estimates.values()]
    axes.barh(places, values, height=0.62, color=colours, alpha=0.85, linewidth=0)
    for place, estimate in zip(places, estimates.values(), strict=True):
        low, high = _ends(estimate)
        axes.plot([low, high], [place, place], color=INK, linewidth=1.1)
    if line is not None:
        axes.axvline(line, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_yticks(places, [plain(name) for name in estimates])
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.set_xlim(0, 1)
    _percent(axes.xaxis)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def _calibration(calibration: Calibration | None) -> Figure | None:
    if calibration is None or len(calibration.curve) < 2:
        return None
    figure, axes = _figure(3.0)
    low = min(0.5, *(b.confidence for b in calibration.curve))
    axes.plot([low, 1], [low, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    for b in calibration.curve:
        ends = _ends(b.accuracy)
        axes.plot([b.confidence] * 2, ends, color=SERIES[0], alpha=0.5, linewidth=1.4)
    axes.plot(
        [b.confidence for b in calibration.curve],
        [_value(b.accuracy) for b in calibration.curve],
        color=SERIES[0], marker="o", markersize=4.5, linewidth=1.4,
    )  # fmt: skip
    axes.set_xlabel("stated confidence")
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1.02)
    _percent(axes.xaxis)
    _percent(axes.yaxis)
    axes.grid()
    return figure


def _position(summary: Summary) -> Figure | None:
    found = summary.position_consistency
    if found is None:
        return None
    rows = {
        "same winner in both orders": found.by_item,
        "votes of different order agree": found.by_vote,
        "votes of the same order agree": found.same_order,
        "votes for the one shown first": found.first_wins,
    }
    rows = {name: estimate for name, estimate in rows.items() if estimate.value is not None}
    figure, axes = _figure(0.75 + 0.34 * len(rows))
    places = list(range(len(rows)))[::-1]
    axes.axvline(0.5, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    for place, estimate in zip(places, rows.values(), strict=True):
        low, high = _ends(estimate)
        axes.plot([low, high], [place, place], color=SERIES[0], linewidth=1.6)
        axes.plot(
            [_value(estimate)], [place], marker="o", markersize=5.5, color=SERIES[0],
            markeredgecolor=PAPER, markeredgewidth=1.2,
        )  # fmt: skip
    axes.set_yticks(places, list(rows))
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.set_xlim(-0.03, 1.03)
    _percent(axes.xaxis)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def _latency(latency: Latency | None) -> Figure | None:
    if latency is None or latency.edges[0] == latency.edges[-1]:
        return None
    figure, axes = _figure(2.3)
    widths = [b - a for a, b in zip(latency.edges, latency.edges[1:], strict=False)]
    axes.bar(
        latency.edges[:-1], latency.counts, width=widths, align="edge", color=SERIES[0],
        alpha=0.85, linewidth=0.6, edgecolor=PAPER,
    )  # fmt: skip
    for value, text in ((latency.p50, "median"), (latency.p95, "95 %")):
        axes.axvline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            text, (value, 1), xycoords=("data", "axes fraction"), xytext=(3, -9),
            textcoords="offset points", color=MUTED, fontsize=8,
        )  # fmt: skip
    axes.set_xlabel("seconds per vote (slowest 1 % in the last bar)")
    axes.set_ylabel("votes")
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    return figure


def _value(estimate: Estimate) -> float:
    """The value; NaN, which is not drawn, if there is none."""
    return math.nan if estimate.value is None else estimate.value


def _ends(estimate: Estimate) -> tuple[float, float]:
    """The interval; the value itself if there is none."""
    if estimate.low is None or estimate.high is None:
        return _value(estimate), _value(estimate)
    return estimate.low, estimate.high
