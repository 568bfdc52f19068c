"""How voting works: the embedded model judges twelve written examples, offline.

Every example gets 32 votes, each rated by the meta RM. What fewer votes or plain voting would have
said is then decided from the same votes, without another call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from deemster import Judge, Sample, Sum, TopK, Verdict
from deemster.cli.render import console, show_verdict
from deemster.data.samples import read_samples
from deemster.judges.decide import decide
from deemster.suites.metrics import CurvePoint, Item, curve, meta_curve

DATA = Path(__file__).parent / "data" / "quickstart.jsonl"
K = 32
SHOWN = (1, 8, 32)
WIDTH = 40


async def main() -> None:
    samples = list(read_samples(DATA))
    async with Judge("nano", k=K, meta_rm="nano") as judge:
        verdicts = await judge.score_all(samples)
    show_verdict(samples[0], verdicts[0])
    console().print(outcomes(samples, verdicts))
    items = [
        Item.from_verdict(sample, verdict)
        for sample, verdict in zip(samples, verdicts, strict=True)
    ]
    console().print(curves({"plain": curve(items), "meta-guided": meta_curve(items)}))
    print(
        f"{len(samples)} examples show how voting works, not how well: docs/scaling.md has the "
        "measurements, docs/backends.md how to use a real model."
    )


def outcomes(samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> Table:
    """Right, wrong or tied: by the first k votes, and by the half the meta RM likes better."""
    table = Table(title="which examples are judged right", title_justify="left")
    table.add_column("example", no_wrap=True)
    for voting in ("plain", "meta"):
        for k in SHOWN:
            table.add_column(f"{voting}\nk={k}", justify="center")
    totals = [0] * (2 * len(SHOWN))
    for sample, verdict in zip(samples, verdicts, strict=True):
        cells = []
        for reducer in (Sum(), TopK() >> Sum()):
            for k in SHOWN:
                decided = decide(
                    verdict.votes[:k],
                    n=len(sample.responses),
                    k=k,
                    reducer=reducer,
                    info=verdict.judge,
                )
                tied = "–" if decided.rewards is None else "tie"
                right = "✓" if decided.best == sample.best else "✗"
                cells.append(tied if decided.best is None else right)
        table.add_row(sample.id, *cells)
        totals = [so_far + (cell == "✓") for so_far, cell in zip(totals, cells, strict=True)]
    table.add_section()
    table.add_row("right", *(f"{total}/{len(samples)}" for total in totals))
    return table


def curves(named: dict[str, tuple[CurvePoint, ...]]) -> Table:
    """Accuracy@k as bars, in expectation over which k of the votes are drawn."""
    table = Table(title="accuracy at k votes", title_justify="left", box=None, pad_edge=False)
    table.add_column("votes")
    table.add_column("k", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("0 %" + " " * (WIDTH - 8) + "100 %", no_wrap=True)
    for name, points in named.items():
        for point in points:
            value = point.accuracy.value or 0.0
            table.add_row(name, str(point.k), f"{value:.1%}", "█" * round(WIDTH * value))
        table.add_section()
    return table


if __name__ == "__main__":
    asyncio.run(main())
