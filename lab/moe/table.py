"""The two arms side by side, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deemster.suites.metrics import Bootstrap, Estimate
from lab.moe.judging import VERDICTS
from lab.moe.models import ARMS

FIGURES = "figures.json"
"""Of an arm's training, in its folder."""


def table(out: Path) -> str:
    """What is in the folders of the arms: parameters, accuracy with its 95 % interval, speed, load.

    Tokens a second are per second of processor time, so that what else runs there counts little.
    """
    lines = [
        "| | parameters | active per token | accuracy | training | judging | busiest expert |",
        "|---|---|---|---|---|---|---|",
    ]
    right: dict[str, list[float]] = {}
    for arm in ARMS:
        folder = out / arm
        if (folder / FIGURES).exists() and (folder / VERDICTS).exists():
            figures, verdicts = _read(folder / FIGURES), _read(folder / VERDICTS)
            right[arm] = [float(one) for one in verdicts["right"]]
            lines.append(_row(arm, figures, verdicts, right[arm]))
    if len(right) == len(ARMS):
        gap = Bootstrap().difference(right["moe"], right["dense"])
        lines += ["", f"moe less dense, over the same pairs: {_shown(gap, signed=True)}"]
    return "\n".join(lines)


def _row(
    arm: str, figures: Mapping[str, Any], verdicts: Mapping[str, Any], right: list[float]
) -> str:
    load = figures.get("experts", {}).get("largest_share")
    cells = (
        arm,
        f"{figures['parameters']:,}",
        f"{figures['active']:,}",
        _shown(Bootstrap().mean(right)),
        f"{figures['read'] / figures['cpu']:,.0f} tokens/s",
        f"{verdicts['tokens'] / verdicts['cpu']:,.0f} tokens/s",
        "" if load is None else f"{load:.2f} times an even load",
    )
    return f"| {' | '.join(cells)} |"


def _shown(estimate: Estimate, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "unknown"
    ends = f"{100 * estimate.low:{sign}.1f} to {100 * estimate.high:{sign}.1f}"
    return f"{100 * estimate.value:{sign}.1f} ({ends})"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found
