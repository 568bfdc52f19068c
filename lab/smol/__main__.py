"""Write the training data of `recipes/smol.yaml`: samples, and a cassette of their teacher.

    python -m lab.smol                    # into build/smol-data

The recipe's stage `distil` replays the cassette, so the teacher passes through the same prompts,
parser and rejection as any other judge.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from deemster import Judge
from deemster.backends.fake import FakeBackend
from deemster.backends.replay import RecordBackend
from deemster.dialects import open_dialect
from deemster.training.prompts import training_messages
from lab.smol.generator import Judged, generate

SAMPLES = "train.jsonl"
CASSETTE = "teacher.cassette"
TEACHER = "smol-teacher"


def write(out: Path, *, items: int, seed: int) -> None:
    """Write `train.jsonl` and `teacher.cassette`, new, into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / CASSETTE).unlink(missing_ok=True)
    drawn = list(generate(items, seed=seed))
    lines = (f"{one.sample.model_dump_json(exclude_none=True)}\n" for one in drawn)
    (out / SAMPLES).write_text("".join(lines), encoding="utf-8")
    asyncio.run(_record(drawn, out / CASSETTE))


async def _record(drawn: Sequence[Judged], path: Path) -> None:
    dialect = open_dialect("smol")
    written: dict[str, str] = {}
    for one in drawn:
        order = tuple(range(len(one.answers)))
        messages = training_messages(one.sample, dialect, order=order, seed=0)
        written[messages[-1].text] = one.completion(order)
    inner = FakeBackend(
        lambda request, _draw: written[request.messages[-1].text], name=TEACHER, keep=False
    )
    backend = RecordBackend(inner, path)
    judge = Judge(backend, dialect=dialect, orders="fixed")
    async for sample, verdict in judge.score_many(one.sample for one in drawn):
        if verdict.rewards is None:
            raise ValueError(f"sample {sample.id!r}: the teacher's own judgment does not parse")
    await judge.aclose()
    await backend.aclose()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=16_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/smol-data"))
    given = parser.parse_args()
    write(given.out, items=given.items, seed=given.seed)


if __name__ == "__main__":
    main()
