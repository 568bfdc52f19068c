"""The health card as one HTML file that opens anywhere, and as JSON."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from deemster.errors import InputError
from deemster.probe.card import SIGNED, Figure, HealthCard
from deemster.suites.metrics import Estimate
from deemster.suites.summaries import write_json

HTML, JSON = "probe.html", "probe.json"
_TAGS = {"ok": "right", "suspect": "tied", "fault": "wrong", "not measured": ""}
"""State to the style class of the reports that has its colour."""


def write_card(card: HealthCard, directory: str | Path) -> tuple[Path, Path]:
    """Write `probe.html` and `probe.json` into a directory, made if missing.

    Raises:
        InputError: it cannot be written.
    """
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / HTML).write_text(render_card(card), encoding="utf-8")
        write_json(folder / JSON, card.model_dump(mode="json"))
    except OSError as error:
        raise InputError(f"cannot write health card to {str(directory)!r}: {error}") from error
    return folder / HTML, folder / JSON


def render_card(card: HealthCard) -> str:
    """The page; it has no script and loads nothing."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only for reports
    from markupsafe import Markup  # noqa: PLC0415

    assets = files("deemster.probe") / "assets"
    style = (files("deemster.reports") / "assets" / "report.css").read_text("utf-8")
    style += (assets / "card.css").read_text("utf-8")
    style = style.strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "interval": interval, "bar": _bar}
    return environment.from_string((assets / "card.html.j2").read_text("utf-8")).render(
        card=card,
        style=Markup(style),  # noqa: S704 - our own asset
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'",
        tags=_TAGS,
        signed=SIGNED,
    ) + "\n"  # fmt: skip


def number(value: float | None, *, signed: bool = False) -> str:
    """A share in percent, a difference of shares in points; an en dash for None."""
    if value is None:
        return "–"
    return f"{100 * value:+z.0f}".replace("-", "−") if signed else f"{100 * value:.0f} %"


def interval(estimate: Estimate, *, signed: bool = False) -> str:
    """`[low, high]`, or nothing where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{number(estimate.low, signed=signed)}, {number(estimate.high, signed=signed)}]"


def _bar(figure: Figure) -> dict[str, float] | None:
    """Healthy range, interval and value as places from 0 to 100 of the figure's own axis."""
    found = figure.estimate
    if found.value is None:
        return None
    start = -1.0 if figure.name in SIGNED else 0.0

    def place(value: float) -> float:
        return round(100 * (min(max(value, start), 1.0) - start) / (1 - start), 2)

    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    return {
        "healthy": place(figure.low),
        "healthy_width": place(figure.high) - place(figure.low),
        "low": place(low),
        "width": max(place(high) - place(low), 0.5),
        "value": place(found.value),
    }
