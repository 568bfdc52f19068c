"""Judgments of a trained arm through the `hf:` backend."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

from deemster import Judge
from deemster.schemas import Sample


def verdicts_file(folder: Path, step: int | None) -> Path:
    """Of the finished model, or of the checkpoint of a step."""
    return folder / ("verdicts.json" if step is None else f"verdicts-{step}.json")


def judged(folder: Path, samples: Sequence[Sample], *, step: int | None = None) -> None:
    """Greedy judgments of pairs; right or not goes to `verdicts_file`, unless that is there.

    A judgment that cannot be parsed, and a tie, is not right.
    """
    file = verdicts_file(folder, step)
    model = folder / "model" if step is None else folder / "checkpoints" / f"checkpoint-{step}"
    if file.exists():
        return
    begun, used = time.perf_counter(), time.process_time()
    right, tokens = asyncio.run(_judge(model, samples))
    found = {
        "right": right,
        "tokens": tokens,
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - used,
    }
    file.write_text(json.dumps(found), "utf-8")


async def _judge(model: Path, samples: Sequence[Sample]) -> tuple[list[bool], int]:
    judge = Judge(f"hf:{model}", dialect="nano", k=1, temperature=0.0, max_tokens=160)
    right: list[bool] = []
    tokens = 0
    async for sample, verdict in judge.score_many(samples):
        right.append(verdict.best is not None and verdict.best == sample.best)
        tokens += verdict.usage.tokens_out
    await judge.aclose()
    return right, tokens
