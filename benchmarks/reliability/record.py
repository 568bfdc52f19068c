"""What a measurement writes down: counts, figures against targets, causes of misses."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deemster import __version__

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Check:
    """A figure against its target."""

    name: str
    target: str
    shown: str
    """The figure, with its unit."""
    met: bool


@dataclass
class Run:
    """One R at one scale. The functions that measure fill it."""

    r: str
    scale: float = 1.0
    counts: dict[str, int] = field(default_factory=dict)
    full: dict[str, int] = field(default_factory=dict)
    """The counts at scale 1."""
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Causes of misses, and what was put in place of what this machine does not have."""

    ends: float = math.inf
    """Of `time.monotonic`: what takes hours stops here and notes how far it came."""

    seed: int = 21
    """Of R20's sample. A published figure needs one that no test was written for."""

    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.ends

    def count(self, name: str, full: int, *, least: int = 1) -> int:
        """How many to do of what takes `full` at scale 1; noted."""
        n = min(full, max(least, round(full * self.scale)))
        self.counts[name], self.full[name] = n, full
        return n

    def check(self, name: str, shown: object, target: str, *, met: bool) -> None:
        """Note a figure."""
        self.checks.append(Check(name, target, str(shown), bool(met)))

    def zero(self, name: str, found: int) -> None:
        """Note a figure that has to be 0."""
        self.check(name, f"{found:,}", "0", met=found == 0)

    def most(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Note a figure with an upper limit."""
        self.check(name, f"{value:.4g}{unit}", f"≤ {limit:g}{unit}", met=value <= limit)

    def least(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Note a figure with a lower limit."""
        self.check(name, f"{value:.4g}{unit}", f"≥ {limit:g}{unit}", met=value >= limit)

    def share(self, name: str, part: int, whole: int, least: float) -> None:
        """Note a share, with its counts and a lower limit in percent."""
        value = 100 * part / whole if whole else 0.0
        # Cut, not rounded: 99.996 % is not 100 %.
        cut = int(value * 1000) / 1000
        shown = f"{cut:g} % ({part:,} of {whole:,})"
        self.check(name, shown, f"≥ {least:g} %" if least < 100 else "100 %", met=value >= least)


@dataclass(frozen=True)
class Result:
    """A run that ended, as it is kept."""

    r: str
    date: str
    command: str
    seconds: float
    scale: float
    counts: dict[str, int]
    full: dict[str, int]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    version: str
    python: str
    cores: int
    load: float | None
    """Of the machine at the end: processes that run or wait to, over a minute. None: not noted."""

    @property
    def met(self) -> bool:
        """Whether every figure meets its target."""
        return all(check.met for check in self.checks)

    @property
    def complete(self) -> bool:
        """Whether the counts are the full ones."""
        return self.done >= 1

    @property
    def done(self) -> float:
        """The share of the full counts, of the one that lacks most."""
        return min((self.counts[name] / full for name, full in self.full.items()), default=1.0)

    @property
    def seconds_at_full_counts(self) -> float:
        """How long the full counts would take, as far as time grows with them."""
        return self.seconds / max(self.done, 1e-9)


def ended(run: Run, seconds: float, *, minutes: float | None = None) -> Result:
    """The result of a run that ended now.

    Args:
        run: what was noted.
        seconds: how long it took.
        minutes: the limit it had.
    """
    scale = "" if run.scale == 1 else f" --scale {run.scale:g}"
    limit = "" if minutes is None else f" --minutes {minutes:g}"
    seed = "" if run.seed == Run.seed else f" --seed {run.seed}"
    return Result(
        r=run.r,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        command=f"python -m benchmarks.reliability --only {run.r}{scale}{limit}{seed}",
        seconds=round(seconds, 1),
        scale=run.scale,
        counts=run.counts,
        full=run.full,
        checks=tuple(run.checks),
        notes=tuple(run.notes),
        version=__version__,
        python=platform.python_version(),
        cores=os.cpu_count() or 1,
        load=round(os.getloadavg()[0], 1),
    )


def save(result: Result, folder: Path = RESULTS) -> bool:
    """Keep a result, unless one with larger counts is kept; whether it was."""
    kept = load(folder).get(result.r)
    if kept is not None and kept.done > result.done:
        return False
    folder.mkdir(exist_ok=True)
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (folder / f"{result.r}.json").write_text(text + "\n", "utf-8")
    return True


def load(folder: Path = RESULTS) -> dict[str, Result]:
    """All that is kept, by R."""
    found = {}
    for path in folder.glob("R*.json"):
        read: dict[str, Any] = json.loads(path.read_text("utf-8"))
        read["checks"] = tuple(Check(**check) for check in read["checks"])
        read["notes"] = tuple(read["notes"])
        read.setdefault("load", None)
        found[read["r"]] = Result(**read)
    return found
