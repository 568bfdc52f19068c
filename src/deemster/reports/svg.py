"""Matplotlib figures as SVG for pages with a strict content security policy.

No `style` attributes and no style sheets (the page's policy forbids them), no metadata, no
identifiers that two figures share; colours are names of the page's own, so that a figure follows
light, dark and print like the text around it.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET  # what is parsed is our own output, not a stranger's
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"

INK, MUTED, GRID = "#010101", "#020202", "#030303"
SERIES = ("#040404", "#050505", "#060606")
PAPER = "#070707"
_NAMES = {
    INK: "ink", MUTED: "muted", GRID: "line", SERIES[0]: "series-1", SERIES[1]: "series-2",
    SERIES[2]: "series-3", PAPER: "paper",
}  # fmt: skip
_FONT = re.compile(r"(?:(?P<weight>bold|[1-9]00)\s+)?(?P<size>[\d.]+)px")
_DROPPED = {"stroke-linejoin", "stroke-linecap"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


@contextmanager
def drawing() -> Iterator[None]:
    """Settings for drawing figures: reproducible, text kept as text, without mathematics."""
    import logging  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    from matplotlib import rc_context  # noqa: PLC0415 - slow to import

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "deemster",
        "text.parse_math": False,
        "axes.formatter.use_mathtext": False,
        "font.size": 8.5,
        "axes.edgecolor": GRID,
        "axes.labelcolor": MUTED,
        "axes.titlecolor": INK,
        "text.color": INK,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "legend.frameon": False,
    }
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    # The page's fonts have the letters that matplotlib's do not: it only measures them here.
    logger.setLevel(logging.ERROR)
    try:
        with rc_context(settings), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
            yield
    finally:
        logger.setLevel(level)


def plain(text: str, longest: int = 28) -> str:
    """Text for a label: one line, without control characters, cut to `longest`."""
    text = " ".join(_CONTROL.sub(" ", text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def to_svg(figure: Figure, *, name: str, label: str) -> str:
    """The figure as an SVG element.

    Args:
        figure: drawn under `drawing()`.
        name: unique in the page; prefixed to every identifier.
        label: what a screen reader says.
    """
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata)
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - our own output
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    _strip(root)
    for element in root.iter():
        _restyle(element, name)
    width, height = root.get("viewBox", "0 0 1 1").split()[2:]
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("class", "wide" if float(width) > 1.9 * float(height) else "plot")
    return ET.tostring(root, encoding="unicode")


def _strip(element: ET.Element) -> None:
    for child in list(element):
        if child.tag in {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}:
            element.remove(child)
        else:
            _strip(child)


def _restyle(element: ET.Element, name: str) -> None:
    """Turn `style` into attributes, colours into names, and make identifiers unique."""
    style = element.attrib.pop("style", "")
    for declaration in style.split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":
            font = _FONT.search(value)
            if font is not None:
                element.set("font-size", font["size"])
                if font["weight"]:
                    element.set("font-weight", font["weight"])
        elif key and key not in _DROPPED:
            element.set(key, value)
    for key, value in list(element.attrib.items()):
        if value in _NAMES:
            element.set(key, f"var(--{_NAMES[value]})")
        elif key == "id":
            element.set(key, f"{name}-{value}")
        elif value.startswith("#") and key.endswith("href"):
            element.set(key, f"#{name}-{value[1:]}")
        elif value.startswith("url(#"):
            element.set(key, f"url(#{name}-{value[5:]}")
