"""Plots of a stage: what it logged over its steps, and accuracy by number of votes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import JsonValue

from deemster.errors import InputError
from deemster.files import read_bytes
from deemster.json_text import parse_json
from deemster.training.stage import METRICS

if TYPE_CHECKING:
    from deemster.suites.metrics import CurvePoint
    from deemster.training.evaluation import Evaluation

_PANELS = {
    "reward": ("reward",),
    "loss": ("loss", "eval_loss"),
    "KL to the reference": ("kl",),
    "parse failures": ("parse_failures",),
    "AUC": ("auc", "auc_within"),
    "items with both outcomes": ("mixed",),
    "router balance loss": ("aux_loss",),
    "busiest expert (1: even)": ("expert_load",),
}
"""Titles and the logged figures drawn under each, in the order drawn."""
_MAX_BYTES = 256 * 2**20
_COLOURS = ("#0b6e99", "#c4541a", "#3c7d3c", "#7a4fa3", "#8a6d00", "#555555")


def read_metrics(folder: Path) -> list[dict[str, JsonValue]]:
    """The lines of a stage's `metrics.jsonl`; empty if there is none.

    If a run was continued from a checkpoint, steps after it were logged twice: the later line
    counts. Lines torn by a kill are skipped.
    """
    path = folder / METRICS
    if not path.exists():
        return []
    kept: dict[object, dict[str, JsonValue]] = {}
    log = read_bytes(path, limit=_MAX_BYTES).decode(errors="replace")
    for number, text in enumerate(log.splitlines()):
        try:
            line = parse_json(text, "")
        except InputError:
            continue
        if isinstance(line, dict):
            step = line.get("step")
            same = sorted(key for key in line if key != "step")
            key = number if step is None else (line.get("phase"), step, tuple(same))
            kept[json.dumps(key)] = line
    return list(kept.values())


def plot_metrics(folder: Path) -> list[Path]:
    """Draw `metrics.png` and `.svg` from a stage's log; nothing if it logged no steps.

    Returns:
        The files written.
    """
    lines = read_metrics(folder)
    panels = {title: found for title, names in _PANELS.items() if (found := _series(lines, names))}
    if not panels:
        return []
    with _figure(len(panels)) as (figure, all_axes):
        for axes, (title, series) in zip(all_axes, panels.items(), strict=True):
            for (label, points), colour in zip(series.items(), _cycle(), strict=False):
                xs, ys = zip(*points, strict=True)
                marker = "o" if len(points) < 20 else ""
                axes.plot(xs, ys, color=colour, label=label, marker=marker, markersize=3)
            axes.set_title(title)
            axes.set_xlabel("step")
            if len(series) > 1:
                axes.legend(frameon=False)
        return _save(figure, folder / "metrics")


def plot_experts(figures: Mapping[str, JsonValue], folder: Path) -> list[Path]:
    """Draw `experts.png` and `.svg`: each expert's load by layer; nothing for a dense model.

    Args:
        figures: of a stage, with `experts` in one of its parts (`experts.Routing.figures`).
        folder: of the stage.

    Returns:
        The files written.
    """
    parts = [part["experts"] for part in figures.values() if _has_experts(part)]
    if not parts:
        return []
    load: dict[str, list[float]] = parts[-1]["load"]
    even = [[share * len(row) for share in row] for row in load.values()]
    with _figure(1) as (figure, (axes,)):
        axes.grid(visible=False)
        drawn = axes.imshow(even, aspect="auto", cmap="viridis", vmin=0, interpolation="nearest")
        layers = [next((one for one in name.split(".") if one.isdigit()), name) for name in load]
        axes.set_yticks(range(len(layers)), layers)
        axes.set_xlabel("expert")
        axes.set_ylabel("layer")
        axes.set_title("load (1: even)")
        figure.colorbar(drawn, ax=axes)
        return _save(figure, folder / "experts")


def _has_experts(part: Any) -> TypeGuard[dict[str, Any]]:  # noqa: ANN401 - JSON
    return isinstance(part, dict) and isinstance(part.get("experts"), dict)


def plot_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Draw `accuracy.png` and `.svg`: by number of votes and by subset, with 95 % intervals.

    Returns:
        The files written.
    """
    subsets = sorted({name for one in evaluation.models.values() for name in one.by})
    with _figure(2 if subsets else 1) as (figure, all_axes):
        for (name, found), colour in zip(evaluation.models.items(), _cycle(), strict=False):
            _curve(all_axes[0], found.vote, colour, "-", name)
            _curve(all_axes[0], found.meta, colour, "--", f"{name}, meta-guided")
            if found.greedy.value is not None:
                all_axes[0].axhline(found.greedy.value, color=colour, linewidth=0.8, linestyle=":")
        all_axes[0].set_xscale("log", base=2)
        # The default labels of a log axis are mathematics, which would be drawn as source text.
        all_axes[0].xaxis.set_major_formatter(lambda votes, _: f"{votes:g}")
        all_axes[0].set_xlabel("votes (dotted: greedy)")
        all_axes[0].set_title("accuracy")
        if all_axes[0].get_legend_handles_labels()[0]:  # none if no vote of any model parses
            all_axes[0].legend(frameon=False)
        if subsets:
            _by_subset(all_axes[1], evaluation, subsets)
        return _save(figure, folder / "accuracy")


def _series(
    lines: Sequence[Mapping[str, JsonValue]], names: Sequence[str]
) -> dict[str, list[tuple[float, float]]]:
    """(step, value) points by label, of the figures that were logged at steps."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        step = line.get("step")
        for name in names:
            value = line.get(name)
            if isinstance(step, int | float) and isinstance(value, int | float):
                phase = line.get("phase")
                label = name if phase is None else f"{name} ({phase})"
                found.setdefault(label, []).append((float(step), float(value)))
    return {label: sorted(points) for label, points in found.items()}


def _curve(axes: Any, points: Sequence[CurvePoint], colour: str, style: str, label: str) -> None:  # noqa: ANN401 - matplotlib is untyped here
    known = [point for point in points if point.accuracy.value is not None]
    if not known:
        return
    ks = [point.k for point in known]
    axes.plot(
        ks, [point.accuracy.value for point in known], style, color=colour, label=label,
        marker="o", markersize=3,
    )  # fmt: skip
    banded = [p for p in known if p.accuracy.low is not None and p.accuracy.high is not None]
    axes.fill_between(
        [p.k for p in banded], [p.accuracy.low for p in banded], [p.accuracy.high for p in banded],
        color=colour, alpha=0.12, linewidth=0,
    )  # fmt: skip


def _by_subset(axes: Any, evaluation: Evaluation, subsets: Sequence[str]) -> None:  # noqa: ANN401 - as above
    height = 0.8 / len(evaluation.models)
    for number, ((name, found), colour) in enumerate(
        zip(evaluation.models.items(), _cycle(), strict=False)
    ):
        for place, subset in enumerate(subsets):
            estimate = found.by.get(subset, {}).get("vote")
            if estimate is None or estimate.value is None:
                continue
            at = place + number * height
            label = name if place == 0 else None
            axes.barh(at, estimate.value, height=height, color=colour, alpha=0.85, label=label)
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [at, at], color="#222222", linewidth=1)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(subsets))], subsets)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_title(f"accuracy with {evaluation.k} votes")


def _cycle() -> Iterator[str]:
    while True:
        yield from _COLOURS


@contextmanager
def _figure(panels: int) -> Iterator[tuple[Any, list[Any]]]:
    """A figure with that many panels in a row; leaves the global state of matplotlib alone."""
    from matplotlib import rc_context  # noqa: PLC0415 - slow to import
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    settings: dict[Any, Any] = {
        "font.size": 8.5,
        "axes.titlesize": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "lines.linewidth": 1.5,
        "svg.hashsalt": "deemster",
        "text.parse_math": False,
        "axes.formatter.use_mathtext": False,
    }
    with rc_context(settings):
        figure = Figure(figsize=(3.6 * panels, 2.9), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _save(figure: Any, stem: Path) -> list[Path]:  # noqa: ANN401 - as above
    written = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    figure.savefig(written[0], dpi=150, metadata={"Software": None})
    figure.savefig(written[1], metadata={"Date": None})
    return written
