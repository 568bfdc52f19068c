"""Dialects by name."""

from __future__ import annotations

from pathlib import Path

from deemster.dialects.base import Dialect
from deemster.plugins import Registry
from deemster.prompts import PromptTemplate

DIALECTS: Registry[type[Dialect]] = Registry(
    "dialect",
    group="deemster.dialects",
    builtin={
        "grm": "deemster.dialects.grm:Grm",
        "nano": "deemster.dialects.nano:Nano",
        "json": "deemster.dialects.json_schema:Json",
        "pairwise": "deemster.dialects.pairwise:Pairwise",
        "pairwise-tokenprob": "deemster.dialects.pairwise:PairwiseTokenProb",
        "arena-hard": "deemster.dialects.arena_hard:ArenaHard",
        "mt-bench-pair": "deemster.dialects.mt_bench:MtBenchPair",
        "mt-bench-single": "deemster.dialects.mt_bench:MtBenchSingle",
        "prometheus": "deemster.dialects.prometheus:Prometheus",
        "judgelrm": "deemster.dialects.judgelrm:JudgeLrm",
        "llmbar": "deemster.dialects.llmbar:LlmBar",
        "llmbar-rating": "deemster.dialects.llmbar:LlmBarRating",
        "alpaca-eval": "deemster.dialects.alpaca_eval:AlpacaEval",
        "realmistake": "deemster.dialects.realmistake:RealMistake",
        "score-json": "deemster.dialects.score_json:ScoreJson",
        "two-scores": "deemster.dialects.two_scores:TwoScores",
        "auto-j": "deemster.dialects.autoj:AutoJ",
    },
)
"""Dialects by name."""


def open_dialect(spec: str, *, template: str | Path | None = None) -> Dialect:
    """Make a dialect by name or `name:rule`, with the user's own template file if one is given.

    Raises:
        InputError: the name or the rule is unknown, or the template unusable.
    """
    name, _, rule = spec.partition(":")
    dialect = DIALECTS.get(name)
    return dialect(
        None if template is None else PromptTemplate.load(template), rule=rule or "strict"
    )
