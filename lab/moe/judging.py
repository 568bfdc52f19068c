"""Judgments of a trained arm through the `hf:` backend."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

from deemster import Judge
from deemster.schemas import Sample

VERDICTS = "verdicts.json"


def judged(folder: Path, samples: Sequence[Sample]) -> None:
    """Greedy judgments of pairs by `folder/model`; right or not goes to `verdicts.json`.

    A judgment that cannot be parsed, and a tie, is not right.
    """
    if (folder / VERDICTS).exists():
        return
    begun, used = time.perf_counter(), time.process_time()
    right, tokens = asyncio.run(_judge(folder / "model", samples))
    found = {
        "right": right,
        "tokens": tokens,
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - used,
    }
    (folder / VERDICTS).write_text(json.dumps(found), "utf-8")


async def _judge(model: Path, samples: Sequence[Sample]) -> tuple[list[bool], int]:
    judge = Judge(f"hf:{model}", dialect="nano", k=1, temperature=0.0, max_tokens=160)
    right: list[bool] = []
    tokens = 0
    async for sample, verdict in judge.score_many(samples):
        right.append(verdict.best is not None and verdict.best == sample.best)
        tokens += verdict.usage.tokens_out
    await judge.aclose()
    return right, tokens
