"""`make bench`: run every benchmark on this machine and write docs/benchmarks.md.

    python -m benchmarks [--only SECTION …] [--take SECTION FILE] [--page]

The figures are kept in benchmarks/figures.json, and the page is made of them alone. What is ratios
within one run is given as ratios: machines differ, ratios less so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.page import FIGURES, PAGE, WRITERS, render

_API = ("litellm", "instructor", "aiohttp")
_LOCAL = ("torch", "transformers")
MEASURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "peers": ("benchmarks.peers.harness", ()),
    "api": ("benchmarks.api_backend", _API),
    "judges": ("benchmarks.api_judges", ("aiohttp",)),
    "startup": ("benchmarks.startup", _LOCAL),
    "transformers": ("benchmarks.transformers_backend", _LOCAL),
    "path": ("benchmarks.local_path", _LOCAL),
    "requests": ("benchmarks.local_requests", _LOCAL),
    "suite": ("benchmarks.suite_run", ()),
    "growth": ("benchmarks.growth", ("numpy",)),
    "ray": ("benchmarks.ray_plan", ("ray",)),
}
"""The module whose `main` measures a section, and the packages whose versions matter to it."""


def measured(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a section: its figures, when, on what."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "load": round(os.getloadavg()[2], 1),  # of the last 15 minutes
        "versions": {
            "Python": platform.python_version(),
            **{package: version(package) for package in MEASURES[name][1]},
        },
        "figures": figures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=WRITERS, metavar="SECTION",
        help=f"measure these and leave the rest of the page as it is: {', '.join(WRITERS)}",
    )  # fmt: skip
    parser.add_argument(
        "--take", nargs=2, metavar=("SECTION", "FILE"),
        help="measure nothing; the figures of a section are in this file, as its command wrote it",
    )  # fmt: skip
    parser.add_argument("--page", action="store_true", help="measure nothing")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    if given.take is not None:
        name, file = given.take
        kept[name] = measured(name, json.loads(Path(file).read_text("utf-8")))
    elif not given.page:
        # Ray is in no environment of the project's own.
        installed = [name for name in WRITERS if name != "ray" or find_spec("ray")]
        for name in given.only or installed:
            kept[name] = measured(name, import_module(MEASURES[name][0]).main())
            _keep(kept)  # after each: an interruption loses one section
    _keep(kept)
    PAGE.write_text(render(kept), "utf-8")
    print(PAGE.read_text("utf-8"))


def _keep(figures: dict[str, Any]) -> None:
    FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
