"""Judges without a model for tests of training: what they say depends on the prompt and seed."""

from __future__ import annotations

import asyncio
import json
import re
from zlib import crc32

from deemster.backends import FakeBackend, Request

SHOWN = re.compile(r"<<<BEGIN RESPONSE \d+ [0-9a-f]+>>>\n(.*?)\n<<<END", re.DOTALL)


def grm_text(scores: list[int]) -> str:
    critiques = "\n".join(
        f"- Response {place}: at place {place} it earns {score} of 10"
        for place, score in enumerate(scores, start=1)
    )
    return (
        "Specific Criteria:\n1. Correctness (weight: 70%): right\n2. Brevity (weight: 30%): short\n"
        f"\nAnalysis:\n{critiques}\n\nScores: \\boxed{{{', '.join(map(str, scores))}}}"
    )


def json_text(scores: list[int]) -> str:
    return json.dumps(
        {
            "principles": [{"name": "Correctness", "description": "right", "weight": 100}],
            "critiques": [
                {"text": f"it is worth {score}, no more", "scores": [score]} for score in scores
            ],
            "scores": scores,
        }
    )


def noisy_scores(request: Request, draw: int) -> list[int]:
    """8 for a response that says `right`, else 3; every third draw the other way round."""
    shown = SHOWN.findall(request.messages[-1].text)
    flip = crc32(f"{sorted(shown)} {request.seeds[draw]}".encode()) % 3 == 0
    return [8 if ("right" in text) is not flip else 3 for text in shown]


def noisy_judge(name: str = "fake", *, wait: float = 0.0) -> FakeBackend:
    async def script(request: Request, draw: int) -> str:
        if wait:
            await asyncio.sleep(wait)
        return grm_text(noisy_scores(request, draw))

    return FakeBackend(script, name=name)
