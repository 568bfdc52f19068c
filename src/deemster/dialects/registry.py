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
        "json": "deemster.dialects.json_schema:Json",
        "pairwise": "deemster.dialects.pairwise:Pairwise",
        "pairwise-tokenprob": "deemster.dialects.pairwise:PairwiseTokenProb",
        "arena-hard": "deemster.dialects.arena_hard:ArenaHard",
        "mt-bench-pair": "deemster.dialects.mt_bench:MtBenchPair",
        "mt-bench-single": "deemster.dialects.mt_bench:MtBenchSingle",
        "prometheus": "deemster.dialects.prometheus:Prometheus",
        "judgelrm": "deemster.dialects.judgelrm:JudgeLrm",
        "llmbar": "deemster.dialects.llmbar:LlmBar",
        "alpaca-eval": "deemster.dialects.alpaca_eval:AlpacaEval",
    },
)


def open_dialect(name: str, *, template: str | Path | None = None) -> Dialect:
    """Make a dialect by name, with the user's own template file if one is given.

    Raises:
        InputError: the name is unknown, or the template unusable.
    """
    dialect = DIALECTS.get(name)
    return dialect() if template is None else dialect(PromptTemplate.load(template))
