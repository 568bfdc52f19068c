"""What the formulas of the cost page are fed: stopping by real votes, lengths of texts, prices.

Votes are the published ratings of RewardBench 2 (eight votes a judge), prompts those of the `grm`
template about pairs of RM-Bench, completions as long as GPT-4o-mini's judgments of MT-bench pairs.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cost_formulas import Size
from benchmarks.votes import SCALE, ballot, ratings, right
from deemster.aggregators import Decided, PerJudge, Sum, confidence, win_shares
from deemster.aggregators.base import Floats
from deemster.backends import Request
from deemster.backends.fake import FakeBackend
from deemster.judges import DecisionJudge, Judge
from deemster.judges.case import Case
from deemster.principles import principles_request
from deemster.schemas import Principle

STOP = Decided(0.95)
SURE = 0.9
"""Confidence at which a cascade stops."""
K = 32
RESAMPLES = 20
PRINCIPLE = (
    "Accuracy (Weight: 25%): whether what the response says is true and complete, and whether no "
    "step is left out."
)
"""One criterion as judges write them; four make a set."""

JUDGES = {
    "gpt-5.4-mini": "mini",
    "gpt-5.4": "full",
    "claude-haiku-4-5": "Haiku",
    "claude-sonnet-4-6": "Sonnet",
}
"""Whose votes: model, and its name in `benchmarks.votes`."""
CASCADES = {"gpt-5.4": "gpt-5.4-mini", "claude-sonnet-4-6": "claude-haiku-4-5"}
"""The dear judge, and the cheap one before it."""
DECISION = "gpt-6-luna"


def prices() -> dict[str, dict[str, float]]:
    """US dollars per million tokens in LiteLLM's list, and of batches."""
    import litellm

    fields = {
        "tokens_in": "input_cost_per_token",
        "tokens_out": "output_cost_per_token",
        "batch_in": "input_cost_per_token_batches",
        "batch_out": "output_cost_per_token_batches",
    }
    found = {
        model: {name: _dollars(litellm.model_cost[model][field]) for name, field in fields.items()}
        for model in JUDGES
    }
    listed = litellm.model_cost[DECISION]
    found[DECISION] = {
        "tokens_in": _dollars(listed["input_cost_per_token_decisions"]),
        "tokens_out": _dollars(listed["output_cost_per_token_decisions"]),
    }
    return found


def _dollars(per_token: float) -> float:
    return round(per_token * 1e6, 6)


# --- votes --------------------------------------------------------------------------------------


def votes(data: Path) -> dict[str, dict[str, float]]:
    """By model: votes drawn by the stopping rule, and how often the labelled best wins."""
    found = {}
    for model, name in JUDGES.items():
        scores = np.stack(list(pairs(data, name).values()))
        used = _used(scores)
        cut = np.where(np.arange(8)[None, :, None] < used[:, None, None], scores, np.nan)
        found[model] = {
            "items": len(scores),
            "right": _right(scores),
            "used": round(float(used.mean()), 3),
            "right_stopped": _right(cut),
            "used_of_32": round(
                float(
                    np.mean([_used(_resampled(scores, seed)).mean() for seed in range(RESAMPLES)])
                ),
                3,
            ),
        }
    return found


def cascades(data: Path) -> dict[str, dict[str, float]]:
    """By dear judge: the share of items on which the cheap one's eight votes are not sure."""
    found = {}
    for dear, cheap in CASCADES.items():
        first, second = pairs(data, JUDGES[cheap]), pairs(data, JUDGES[dear])
        both = sorted(first.keys() & second.keys())
        unsure = np.array([_confidence(first[key]) < SURE for key in both])
        hits = []
        for key, escalated in zip(both, unsure, strict=True):
            joined = ballot(np.concatenate([first[key], second[key]]))
            whole = replace(joined, judges=np.repeat([0, 1], 8), judge_names=("cheap", "dear"))
            rewards = PerJudge().reduce(whole) if escalated else Sum().reduce(ballot(first[key]))
            hits.append(win_shares(rewards)[0])
        found[dear] = {
            "items": len(both),
            "reached": round(float(unsure.mean()), 4),
            "right": round(float(np.mean(hits)), 4),
        }
    return found


def pairs(data: Path, name: str) -> dict[str, Floats]:
    """(8, 2) by item, all there: the labelled best and the first of the others."""
    whole = {key: scores[:, :2] for key, scores in ratings(data, name).items()}
    return {
        key: scores
        for key, scores in whole.items()
        if scores.shape == (8, 2) and not np.isnan(scores).any()
    }


def _used(scores: Floats) -> Floats:
    used = STOP.votes_used(ballot(scores), scale=SCALE, both_orders=True)
    return used.astype(float)


def _resampled(scores: Floats, seed: int) -> Floats:
    """(items, 32, 2): votes drawn with replacement from the eight of each item."""
    drawn = np.random.default_rng(seed).integers(0, scores.shape[1], (len(scores), K))
    return np.take_along_axis(scores, drawn[:, :, None], 1)


def _right(scores: Floats) -> float:
    """How often the labelled best wins; a tie is worth half."""
    return round(float(right(Sum().reduce(ballot(scores)))[1].mean()), 4)


def _confidence(scores: Floats) -> float:
    votes = ballot(scores)
    found = confidence(Sum(), votes, int(Sum().reduce(votes).argmax()), seed=0)
    return 0.0 if found is None else found


# --- lengths ------------------------------------------------------------------------------------


def sizes(data: Path) -> dict[str, Any]:
    """Mean lengths in tokens (cl100k_base) of what is sent and what comes back."""
    from litellm import encoding  # LiteLLM brings the file of this one

    def tokens(text: str) -> int:
        return len(encoding.encode(text, disallowed_special=()))

    def prompt(request: Request) -> int:
        asked = [question.model_dump_json(exclude_defaults=True) for question in request.questions]
        return sum(map(tokens, [*(message.text for message in request.messages), *asked]))

    criteria = tuple(Principle(name=f"{i}", description=PRINCIPLE, weight=0.25) for i in range(4))
    backend = FakeBackend("")
    free, given = Judge(backend, k=1), Judge(backend, k=1, principles=criteria)
    fast = DecisionJudge(backend, k=1, ask="choice")
    cases = list(_cases(data / "rm_bench" / "rm_bench_no_math.jsonl.gz"))
    principles = 4 * tokens(f"1. {PRINCIPLE}\n")
    critique = np.mean([tokens(text) for text in _judgments(data / "mt_bench")])

    def mean(lengths: Iterator[int]) -> float:
        return round(float(np.mean(list(lengths))), 1)

    return {
        "pairs": len(cases),
        "free": mean(prompt(free.requests(case)[0][0]) for case in cases),
        "given": mean(prompt(given.requests(given.with_principles(case))[0][0]) for case in cases),
        "writing": mean(
            prompt(principles_request(backend, case.query, case.responses)) for case in cases
        ),
        "decision": mean(prompt(next(iter(fast.plan(case))).request) for case in cases),
        "critique": round(float(critique), 1),
        "principles": principles,
    }


def as_sizes(found: dict[str, Any]) -> dict[str, Size]:
    """The three kinds of requests of a judge that writes."""
    critique, principles = found["critique"], found["principles"]
    return {
        "free": Size(found["free"], critique + principles),
        "given": Size(found["given"], critique),
        "writing": Size(found["writing"], principles),
    }


def _cases(path: Path) -> Iterator[Case]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in itertools.islice(lines, 0, None, 4):
            row = json.loads(line)
            yield Case.of(row["prompt"], (row["chosen"][0], row["rejected"][0]))


def _judgments(folder: Path) -> Iterator[str]:
    with gzip.open(folder / "kook222_en_pairwise.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["judge"] == "gpt/judge_gpt4omini":
                yield row["judgment_ab"]
