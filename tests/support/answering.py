"""What the server on loopback answers to any judge: the longest response is best.

It reads the prompt as a model would: how many responses there are, and in which form the verdict
is asked for. The forms are those of our own prompts; a prompt without fenced responses is a
request to be answered.
"""

from __future__ import annotations

import json

from deemster.testing import Call, responses_shown
from deemster.testing.judges import prompt_of

_CRITERION = {"name": "Correctness", "description": "Is it right?", "weight": 100}


def answer(call: Call, _choice: int) -> str:
    """The completion of one request."""
    prompt = prompt_of(call)
    scores = _scores(responses_shown(prompt))
    if "<<<BEGIN JUDGMENT" in prompt:
        return "The scores follow from the analysis.\n\\boxed{80}"
    if '{"principles": [{' in prompt:
        weights = {"Truth": 50, "Completeness": 30, "Brevity": 20}
        made = [_CRITERION | {"name": name, "weight": weight} for name, weight in weights.items()]
        return json.dumps({"principles": made})
    return _verdict(prompt, scores)


def _verdict(prompt: str, scores: list[int]) -> str:
    """What is said of the responses, in the form that the prompt asks for."""
    if not scores:
        return "It is 42, and here is why: 6 times 7 is 42."
    best = 1 + scores.index(max(scores))
    if '"critiques"' in prompt:
        critiques = [{"text": "Read.", "scores": [score]} for score in scores]
        return json.dumps({"principles": [_CRITERION], "critiques": critiques, "scores": scores})
    if "Best: \\boxed{i}" in prompt:
        return f"{_grm(scores, analysis_only=True)}\nBest: \\boxed{{{best}}}"
    if "[[A=B]]" in prompt:
        return f"The longer one says more.\n[[{'A>B' if best == 1 else 'B>A'}]]"
    return _grm(scores)


def _scores(responses: list[str]) -> list[int]:
    """9 for the longest, 3 for the others; a single one is good if it is more than a word."""
    if len(responses) == 1:
        return [9 if len(responses[0].split()) > 1 else 3]
    longest = max(responses, key=len, default="")
    return [9 if text == longest else 3 for text in responses]


def _grm(scores: list[int], *, analysis_only: bool = False) -> str:
    read = "\n".join(f"- Response {i}: says this much." for i, _ in enumerate(scores, 1))
    text = f"Specific Criteria:\n1. Correctness (weight: 100%): is it right?\n\nAnalysis:\n{read}\n"
    return text if analysis_only else f"{text}\nScores: \\boxed{{{', '.join(map(str, scores))}}}"
