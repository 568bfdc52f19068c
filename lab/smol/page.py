"""Write the card of the adapter and docs/smol.md from its figures: `python -m lab.smol.page`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jinja2

from deemster.backends.domain import Domain
from deemster.backends.shipped import WEIGHTS, smol_folder
from deemster.backends.smol import DOMAINS
from lab.smol.figures import GAINS, Figures

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "smol.md"
JUDGES = {
    "base": "SmolLM2-135M-Instruct, untrained",
    "nano": "`nano`",
    "distil": "after distil",
    "rft": "after RFT, before it learned from wider tables",
    "wider": "after wider tables, before its teacher said what it saw",
    "seen": "after its teacher said what it saw, before its wording was mended",
    "mended": "after its wording was mended, before it had a calculator",
    "smol": "**`smol`**",
    "smol-32": "`smol`, more votes",
    "smol-alone": "`smol` without its calculator",
    "grpo": "`smol` after GRPO, which does not ship",
    "again": "`smol` after wider tables once more, which does not ship",
    "soup": "the mean of the weights of both, which does not ship",
    "smol-meta": "`smol` with a meta RM, which does not ship",
}
"""How the tables name who judged, in their order."""
BENCHMARKS = {
    "llmbar": "LLMBar",
    "judgebench": "JudgeBench, GPT-4o pairs",
    "rm-bench": "RM-Bench without mathematics",
    "reward-bench-2": "RewardBench 2",
}


def card(folder: Path) -> str:
    """The text of the adapter's README.md."""
    return _rendered("card.md.j2", folder)


def page(folder: Path) -> str:
    """The text of docs/smol.md."""
    return _rendered("page.md.j2", folder)


def _rendered(template: str, folder: Path) -> str:
    made = folder / "made.json"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown from our own figures
    )  # fmt: skip
    environment.filters |= {"share": share, "interval": interval}
    figures = Figures.read(folder)
    return environment.get_template(template).render(
        domains=DOMAINS,
        judges=JUDGES,
        benchmarks=BENCHMARKS,
        figures=figures,
        measured=[name for name in JUDGES if figures.of("heldout", name)],
        gains={
            name.removeprefix(f"{GAINS}/"): part
            for name, part in figures.parts.items()
            if name.startswith(f"{GAINS}/")
        },
        outside=any(figures.of(data, name) for data in BENCHMARKS for name in JUDGES),
        made=json.loads(made.read_text("utf-8")) if made.is_file() else None,
        domain=_domain(folder),
        megabytes=_size(folder),
    )


def share(value: float | None) -> str:
    """A share in percent, or a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def interval(point: list[float | None] | None) -> str:
    """A share with its interval, in percent."""
    if point is None or point[0] is None:
        return "–"
    return f"{share(point[0])} ({share(point[1])} to {share(point[2])})"


def _domain(folder: Path) -> dict[str, Any] | None:
    path = folder / "domain.json"
    if not path.is_file():
        return None
    found = Domain.load(path)
    return {"longest": found.longest, "measured": found.measured}


def _size(folder: Path) -> float | None:
    files = list(folder.rglob(WEIGHTS))
    return sum(file.stat().st_size for file in files) / 1e6 if files else None


def write(folder: Path) -> None:
    """Write the card of an adapter, and docs/smol.md if it is that of the package."""
    if (folder / WEIGHTS).is_file():
        (folder / "README.md").write_text(card(folder), encoding="utf-8")
    if folder == smol_folder():
        PAGE.write_text(page(folder), encoding="utf-8")


def note(folder: Path, name: str, part: dict[str, Any]) -> None:
    """Put a part into the figures of an adapter, and write its card and docs/smol.md anew."""
    figures = Figures.read(folder)  # again: another run may have written meanwhile
    figures.parts[name] = part
    figures.write(folder)
    write(folder)
    sys.stdout.write(f"{name} {json.dumps(part)}\n")


def main() -> None:
    """The command line."""
    write(smol_folder())
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
