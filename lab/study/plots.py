"""The study's plots: SVG files that follow the reader's light or dark setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deemster.reports.svg import GRID, INK, MUTED, SERIES, drawing, plain, to_svg
from lab.study.files import COOL, MAIN, SPLITS
from lab.study.records import MEAN, MODEL_NAMES, SPLIT_NAMES, Claim, Score, Study
from lab.study.table import Figure as Measured
from lab.study.voting import DEFAULT_META, KS, PLAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOK = {
    "base": (SERIES[1], "s"),
    "rft": (SERIES[2], "^"),
    "grpo": (SERIES[0], "o"),
    COOL: (MUTED, ""),
}
_WIDTH = 8.2
"""Inches, which is about the width of a text column at 100 units to the inch."""
_STYLE = """<style>
svg { --paper: #ffffff; --ink: #1b1f24; --muted: #5a636e; --line: #dfe2e6;
  --series-1: #2f6db5; --series-2: #b3541e; --series-3: #3f7d4e;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14171a; --ink: #e6e8ea; --muted: #a0a8b1; --line: #31373d;
    --series-1: #6ea8ea; --series-2: #e5965c; --series-3: #7cc08c; }
}
</style>
<rect width="100%" height="100%" fill="var(--paper)"/>"""


def write_plots(study: Study, folder: Path) -> dict[str, str]:
    """Draw all plots that have data; existing files of the same name are replaced.

    Returns:
        By plot (`curves`, `claims`, `domains`): the file's name in `folder`.
    """
    drawn: dict[str, tuple[Figure | None, str]] = {}
    with drawing():
        drawn["curves"] = _curves(study), "Accuracy by number of votes, model and split"
        drawn["claims"] = _claims(study.claims), "Measured differences with their intervals"
        drawn["domains"] = _domains(study), "Accuracy with 32 votes by domain, model and split"
        files = {}
        folder.mkdir(parents=True, exist_ok=True)
        for name, (figure, label) in drawn.items():
            if figure is not None:
                files[name] = f"{name}.svg"
                (folder / files[name]).write_text(
                    _standalone(to_svg(figure, name=name, label=label)), encoding="utf-8"
                )
    return files


def _standalone(svg: str) -> str:
    """An SVG element that takes colours from its page, made into a file with its own."""
    head, _, rest = svg.partition(">")
    box = head.partition('viewBox="')[2].partition('"')[0].split()
    wide, high = (float(side) * 96 / 72 for side in box[2:])  # points to CSS pixels
    size = f' width="{wide:.0f}" height="{high:.0f}"'
    return f"{head}{size}>{_STYLE}{rest}\n"


def _panels(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    grid: Any = figure.subplots(rows, columns, sharey=True, squeeze=False)
    return figure, list(grid.ravel())


def _percent(axis: Any) -> None:  # noqa: ANN401 - an XAxis or a YAxis
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))


def _bare_percent(axis: Any) -> None:  # noqa: ANN401
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))


def _points(axis: Any) -> None:  # noqa: ANN401
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:+.3g}".replace("+0", "0"))
    )


def _curves(study: Study) -> Figure | None:
    splits = [split for split in SPLITS if split in study.setting.items]
    models = [model for model in (*MAIN, COOL) if model in study.accuracy]
    if not models:
        return None
    rows = (len(splits) + 1) // 2
    figure, panels = _panels(rows, min(2, len(splits)), 0.6 + 2.6 * rows)
    for axes in panels[len(splits) :]:
        axes.set_visible(False)
    for axes, split in zip(panels, splits, strict=False):
        for model in models:
            _curve(axes, study.accuracy[model].get(split, {}), model)
        axes.set_title(SPLIT_NAMES[split], loc="left", fontsize=9.5)
        axes.set_xscale("log", base=2)
        axes.set_xticks([0.5, *KS], ["greedy", *map(str, KS)])
        axes.minorticks_off()
        axes.tick_params(length=3, labelleft=True)
        axes.grid(axis="y")
        _percent(axes.yaxis)
    for axes in panels[max(0, len(splits) - 2) : len(splits)]:
        axes.set_xlabel("votes (k)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def _curve(axes: Axes, scores: Mapping[str, Score], model: str) -> None:
    """Greedy as a single mark, plain voting with its interval, meta-guided voting dashed."""
    colour, marker = _LOOK[model]
    look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.7}
    name = MODEL_NAMES[model]
    points = [(k, scores[f"{PLAIN}@{k}"].accuracy) for k in KS if f"{PLAIN}@{k}" in scores]
    if model == COOL:
        look |= {"linewidth": 1.2, "linestyle": (0, (1, 1.6))}
    if points:
        ks, values, lows, highs = _arrays(points)
        if model != COOL:
            axes.fill_between(ks, lows, highs, color=colour, alpha=0.15, linewidth=0)
        axes.plot(ks, values, label=name, **look)
    guided = [(k, scores[rule].accuracy) for k in KS if (rule := f"{DEFAULT_META}@{k}") in scores]
    if guided and model != COOL:
        ks, values, _, _ = _arrays(guided)
        dashed = look | {"linestyle": (0, (4, 2)), "markerfacecolor": "none", "linewidth": 1.2}
        axes.plot(ks, values, label=f"{name}, meta-guided", **dashed)
    if "greedy" in scores and model != COOL:
        _, values, lows, highs = _arrays([(0, scores["greedy"].accuracy)])
        axes.plot([0.5, 0.5], [lows[0], highs[0]], color=colour, linewidth=1, alpha=0.6)
        axes.plot([0.5], values, **look)


def _arrays(
    points: Sequence[tuple[int, Measured]],
) -> tuple[list[int], list[float], list[float], list[float]]:
    known = [(k, figure, figure.value) for k, figure in points if figure.value is not None]
    return (
        [k for k, _, _ in known],
        [value for _, _, value in known],
        [value if figure.low is None else figure.low for _, figure, value in known],
        [value if figure.high is None else figure.high for _, figure, value in known],
    )


def _claims(claims: Sequence[Claim]) -> Figure | None:
    """The differences among the claims, by split, with the mean in ink."""
    shown = [one for one in claims if MEAN in one.measured and len(one.measured) > 1]
    if not shown:
        return None
    figure, (axes,) = _panels(1, 1, 0.9 + 0.42 * len(shown))
    places = list(range(len(shown)))[::-1]
    looks = {
        "numbers": (SERIES[0], "s", 0.27),
        "words": (SERIES[1], "^", 0.09),
        "templates": (SERIES[2], "o", -0.09),
        MEAN: (INK, "D", -0.27),
    }
    for split, (colour, marker, shift) in looks.items():
        for place, claim in zip(places, shown, strict=True):
            _, values, lows, highs = _arrays([(0, claim.measured[split])])
            at, first = place + shift, claim is shown[0]
            axes.plot([lows[0], highs[0]], [at, at], color=colour, linewidth=1.3)
            axes.plot(
                values, [at], color=colour, marker=marker, markersize=4, linestyle="none",
                label=SPLIT_NAMES[split] if first else None,
            )  # fmt: skip
    axes.axvline(0, color=MUTED, linewidth=0.9)
    axes.set_yticks(places, [plain(claim.text, 60) for claim in shown])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    for place in places[:-1]:
        axes.axhline(place - 0.5, color=GRID, linewidth=0.5)
    axes.set_ylim(-0.5, len(shown) - 0.5)
    axes.set_xlabel("difference in accuracy, percentage points")
    _points(axes.xaxis)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def _domains(study: Study) -> Figure | None:
    """Accuracy with all votes: a panel per split, a row per domain, a mark per model."""
    rule = f"{PLAIN}@{KS[-1]}"
    found = {
        (model, split, domain): by_rule[rule]
        for model in MAIN
        for split, by_domain in study.domains.get(model, {}).items()
        for domain, by_rule in by_domain.items()
        if rule in by_rule and split in SPLITS
    }
    if not found:
        return None
    splits = [split for split in SPLITS if any(key[1] == split for key in found)]
    places = {domain: -place for place, domain in enumerate(sorted({key[2] for key in found}))}
    figure, panels = _panels(1, len(splits), 0.9 + 0.32 * len(places))
    least = min(_arrays([(0, one)])[2][0] for one in found.values())
    for axes, split in zip(panels, splits, strict=True):
        for model, shift in zip(MAIN, (0.22, 0.0, -0.22), strict=True):
            colour, marker = _LOOK[model]
            for domain, place in places.items():
                if (model, split, domain) not in found:
                    continue
                _, values, lows, highs = _arrays([(0, found[model, split, domain])])
                at = [place + shift]
                axes.plot([lows[0], highs[0]], at * 2, color=colour, linewidth=1.1)
                axes.plot(values, at, color=colour, marker=marker, markersize=4)
        axes.set_title(SPLIT_NAMES[split], loc="left", fontsize=9.5)
        axes.set_yticks(list(places.values()), [plain(domain) for domain in places])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        for place in places.values():
            axes.axhline(place - 0.5, color=GRID, linewidth=0.5)
        axes.set_xlim(least - 0.03, 1.03)
        axes.set_ylim(0.5 - len(places), 0.5)
        _bare_percent(axes.xaxis)
    for model in (model for model in MAIN if any(key[0] == model for key in found)):
        colour, marker = _LOOK[model]
        panels[0].plot([], [], color=colour, marker=marker, markersize=4, label=MODEL_NAMES[model])
    figure.supxlabel(f"accuracy with {KS[-1]} votes, per cent", fontsize="medium", color=MUTED)
    figure.legend(loc="outside upper center", ncols=len(MAIN))
    return figure
