"""The reliability diagram: what confidence says, and how often it is right."""

from __future__ import annotations

from deemster.reports.svg import drawing
from deemster.suites.calibrating import ConfidenceFit

_COLOURS = {"resampled": "#b35806", "calibrated": "#2166ac"}


def reliability_svg(found: ConfidenceFit) -> str:
    """Confidence before and after as one SVG file, with 95 % intervals."""
    import io  # noqa: PLC0415 - with the drawing only

    with drawing():
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

        figure = Figure(figsize=(4.2, 4.0), layout="constrained")
        axes = figure.subplots()
        axes.plot((0, 1), (0, 1), color="#999999", linewidth=0.8)
        for name, one in (("resampled", found.before), ("calibrated", found.after)):
            if one is None:
                continue
            points = [b for b in one.calibration.curve if b.accuracy.value is not None]
            y = [b.accuracy.value or 0.0 for b in points]
            ends = [
                [
                    v - (b.accuracy.low if b.accuracy.low is not None else v)
                    for b, v in zip(points, y, strict=True)
                ],
                [
                    (b.accuracy.high if b.accuracy.high is not None else v) - v
                    for b, v in zip(points, y, strict=True)
                ],
            ]
            x = [b.confidence for b in points]
            axes.errorbar(x, y, yerr=ends, marker="o", color=_COLOURS[name], label=name)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="right")
        axes.legend(frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
