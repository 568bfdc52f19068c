"""How well a judge does on hand-written pairs: greedy, each pair in both orders.

    python -m lab.smol.measure hf:build/smol/distil/model          # the held-out pairs
    python -m lab.smol.measure hf:build/smol/distil/model --development --show 400
    python -m lab.smol.measure hf:build/smol/distil/checkpoints/checkpoint-100 --limit 60

Prints one JSON object. A checkpoint of a LoRA run is an adapter folder, which `hf:` reads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deemster import Judge
from deemster.schemas import Judgment, Sample, as_query, as_responses

HELD_OUT, DEVELOPMENT = (
    Path(__file__).with_name(f"{name}.jsonl") for name in ("heldout", "development")
)
"""Pairs written by hand: the first only to report figures, the second to choose and to look at."""


def held_out(limit: int | None = None, *, file: Path = HELD_OUT) -> list[Sample]:
    """The pairs of a file, or so many of them evenly from all kinds."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    samples = [
        Sample(
            id=row["id"],
            query=as_query(row["query"]),
            responses=as_responses(row["responses"]),
            ground_truth=tuple(row["ground_truth"]),
            subset=row["subset"],
        )
        for row in rows
    ]
    if limit is None or limit >= len(samples):
        return samples
    return [samples[i * len(samples) // limit] for i in range(limit)]


def reserved() -> list[Sample]:
    """All pairs that no training may have seen."""
    return [*held_out(), *held_out(file=DEVELOPMENT)]


async def measure(judge: Judge, samples: Sequence[Sample]) -> dict[str, object]:
    """Figures of a judge with two votes a pair, one in each order."""
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    lengths: list[int] = []
    wrong: list[str] = []
    async for sample, verdict in judge.score_many(samples):
        truth = sample.ground_truth
        if truth is None:
            continue
        best = truth.index(max(truth))
        for vote in verdict.votes:
            counts["judgments"] += 1
            if not isinstance(vote, Judgment):
                counts["unparseable"] += 1
                continue
            first, second = (vote.scores[place] or 0 for place in vote.order)
            counts["tied"] += first == second
            counts["first preferred"] += first > second
            right = vote.scores[best] or 0
            counts["right"] += right > (vote.scores[1 - best] or 0)
            lengths.append(vote.usage.tokens_out)
        counts["pairs right"] += verdict.best == best
        kinds[sample.subset] += verdict.best == best
        if verdict.best != best:
            wrong.append(sample.id)
    return {
        **dict(counts),
        "pairs": len(samples),
        "tokens": round(sum(lengths) / len(lengths)) if lengths else None,
        "by kind": {
            kind: f"{kinds[kind]}/{count}"
            for kind, count in sorted(Counter(sample.subset for sample in samples).items())
        },
        "wrong": sorted(wrong),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--dialect", default="smol")
    parser.add_argument(
        "--development", action="store_true", help="pairs to look at and to choose by"
    )
    parser.add_argument("--limit", type=int)
    parser.add_argument("--show", type=int, default=0, help="print so many judgments")
    given = parser.parse_args()

    async def run() -> dict[str, object]:
        file = DEVELOPMENT if given.development else HELD_OUT
        samples = held_out(given.limit, file=file)
        async with Judge(
            given.model, dialect=given.dialect, k=2, temperature=0.0, max_tokens=160
        ) as judge:
            for sample in samples[: given.show]:
                for vote in (await judge.score(sample.query, sample.responses)).votes:
                    sys.stderr.write(f"--- {sample.id} {vote.order}\n{vote.raw}\n")
            return await measure(judge, samples)

    sys.stdout.write(f"{json.dumps(asyncio.run(run()))}\n")


if __name__ == "__main__":
    main()
