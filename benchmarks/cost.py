"""What a thousand judgments take, by how they are drawn; writes docs/cost.md.

    python -m benchmarks.cost [--data DIR] [--page]

The figures are in benchmarks/cost_figures.json; the page is made of them and the formulas. Each run
measures the formulas against servers on loopback and reads LiteLLM's prices. Stopping shares and
lengths come from the published data in DIR and stay as they are where it is missing; `--page` only
writes the page again.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.cost_page import render

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cost.md"
FIGURES = Path(__file__).with_name("cost_figures.json")
DATA = ROOT.parent / "shared" / "data"


def measure(data: Path) -> dict[str, Any]:
    """New figures; those that need the data stay as they were without it."""
    from benchmarks.cost_checks import SAMPLES, run_checks
    from benchmarks.cost_inputs import RESAMPLES, cascades, prices, sizes, votes

    figures: dict[str, Any] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    k = 8
    figures |= {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "litellm": version("litellm"),
        "prices": prices(),
        "samples": SAMPLES,
        "k": k,
        "resamples": RESAMPLES,
        "checks": [
            {
                "name": check.name,
                "agrees": check.agrees,
                "formula": [vars(load) for load in check.formula],
                "counted": [vars(load) for load in check.counted],
            }
            for check in run_checks(k)
        ],
    }
    if data.is_dir():
        figures |= {"sizes": sizes(data), "votes": votes(data), "cascades": cascades(data)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    given = parser.parse_args()
    if not given.page:
        figures = measure(given.data)
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    PAGE.write_text(render(json.loads(FIGURES.read_text("utf-8"))), "utf-8")
    print(PAGE.read_text("utf-8"))


if __name__ == "__main__":
    main()
