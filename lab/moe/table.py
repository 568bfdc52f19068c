"""The two arms side by side, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deemster.suites.metrics import Bootstrap, Estimate
from lab.moe.judging import verdicts_file
from lab.moe.models import ARMS

SIZES = "sizes.json"
"""Of an arm: `parameters`, those `active` for a token, and `step_tokens` read in a step."""
METRICS = "metrics.jsonl"
"""Of an arm's training, a line per step; `cpu` is the seconds of processor time so far."""


def table(out: Path, *, step: int | None = None) -> str:
    """What is in the folders of the arms: parameters, accuracy with its 95 % interval, speed, load.

    Tokens a second are per second of processor time, so that what else runs there counts little;
    the load is the largest of any expert in any batch of the last tenth of the steps.

    Args:
        out: folder of the arms.
        step: look at that checkpoint; None is the finished models.
    """
    lines = [
        "| | parameters | active per token | accuracy | training | judging | busiest expert |",
        "|---|---|---|---|---|---|---|",
    ]
    right: dict[str, list[float]] = {}
    for arm in ARMS:
        folder = out / arm
        file = verdicts_file(folder, step)
        if not file.exists():
            continue
        sizes, verdicts = _read(folder / SIZES), _read(file)
        text = (folder / METRICS).read_text("utf-8")
        logged = {one["step"]: one for one in map(json.loads, text.splitlines())}
        steps = [logged[number] for number in sorted(logged) if step is None or number <= step]
        right[arm] = [float(one) for one in verdicts["right"]]
        lines.append(_row(arm, sizes, verdicts, steps))
    if len(right) == len(ARMS):
        gap = Bootstrap().difference(right["moe"], right["dense"])
        lines += ["", f"moe less dense, over the same pairs: {_shown(gap, signed=True)}"]
    return "\n".join(lines)


def _row(
    arm: str,
    sizes: Mapping[str, Any],
    verdicts: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
) -> str:
    loads = [
        one["expert_load"] for one in steps[-max(1, len(steps) // 10) :] if "expert_load" in one
    ]
    again = [i for i in range(1, len(steps)) if steps[i]["cpu"] < steps[i - 1]["cpu"]]
    attempt = steps[again[-1] if again else 0 :]  # a continued run counts its time anew
    begun, ended = attempt[0], attempt[-1]
    done = ended["step"] - begun["step"]
    speed = done * sizes["step_tokens"] / (ended["cpu"] - begun["cpu"]) if done else None
    cells = (
        arm,
        f"{sizes['parameters']:,}",
        f"{sizes['active']:,}",
        _shown(Bootstrap().mean([float(one) for one in verdicts["right"]])),
        "" if speed is None else f"{speed:,.0f} tokens/s",
        f"{verdicts['tokens'] / verdicts['cpu']:,.0f} tokens/s",
        f"{max(loads):.2f} times an even load" if loads else "",
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
