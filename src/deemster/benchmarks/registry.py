"""Benchmarks and trace formats by name. Other packages add theirs by entry point."""

from __future__ import annotations

from deemster.benchmarks.base import Benchmark, TraceFormat
from deemster.plugins import Registry

BENCHMARKS: Registry[type[Benchmark]] = Registry(
    "benchmark",
    group="deemster.benchmarks",
    builtin={
        "alpaca-eval": "deemster.benchmarks.alpaca_eval:AlpacaEval",
        "auto-j": "deemster.benchmarks.auto_j:AutoJ",
        "faireval": "deemster.benchmarks.faireval:FairEval",
        "gsm8k-solutions": "deemster.benchmarks.gsm8k:GSM8KSolutions",
        "judgebench": "deemster.benchmarks.judgebench:JudgeBench",
        "llmbar": "deemster.benchmarks.llmbar:LLMBar",
        "mt-bench": "deemster.benchmarks.mt_bench:MTBench",
        "ppe-correctness": "deemster.benchmarks.ppe:PPECorrectness",
        "ppe-correctness-pairs": "deemster.benchmarks.ppe:PPECorrectnessPairs",
        "ppe-preference": "deemster.benchmarks.ppe:PPEPreference",
        "realmistake": "deemster.benchmarks.realmistake:ReaLMistake",
        "reward-bench": "deemster.benchmarks.reward_bench:RewardBench",
        "reward-bench-2": "deemster.benchmarks.reward_bench:RewardBench2",
        "rm-bench": "deemster.benchmarks.rm_bench:RMBench",
        "rmb-bon": "deemster.benchmarks.rmb:RMBBestOfN",
        "rmb-bon-pairs": "deemster.benchmarks.rmb:RMBBestOfNPairs",
        "rmb-pairs": "deemster.benchmarks.rmb:RMBPairs",
        "typed-decisions": "deemster.benchmarks.typed_decisions:TypedDecisions",
    },
)
"""Benchmarks by name."""

TRACE_FORMATS: Registry[type[TraceFormat]] = Registry(
    "trace format",
    group="deemster.traces",
    builtin={
        "alpaca-eval": "deemster.benchmarks.traces.alpaca_eval:AlpacaEvalTraces",
        "auto-j": "deemster.benchmarks.traces.auto_j:AutoJTraces",
        "columns": "deemster.benchmarks.traces.columns:ColumnTraces",
        "arena-hard": "deemster.benchmarks.traces.arena_hard:ArenaHardTraces",
        "deepeval": "deemster.benchmarks.traces.eval_tools:DeepevalTraces",
        "fastchat-reviews": "deemster.benchmarks.traces.two_scores:FastChatReviews",
        "inspect": "deemster.benchmarks.traces.inspect_log:InspectTraces",
        "judgelm": "deemster.benchmarks.traces.two_scores:JudgeLMTraces",
        "judgelrm": "deemster.benchmarks.traces.two_scores:JudgeLRMTraces",
        "lm-eval": "deemster.benchmarks.traces.eval_tools:LmEvalTraces",
        "openjudge": "deemster.benchmarks.traces.openjudge:OpenJudgeTraces",
        "pandalm": "deemster.benchmarks.traces.pandalm:PandaLMTraces",
        "prometheus": "deemster.benchmarks.traces.prometheus:PrometheusTraces",
        "promptfoo": "deemster.benchmarks.traces.eval_tools:PromptfooTraces",
        "wildbench": "deemster.benchmarks.traces.wildbench:WildBenchTraces",
        "judgebench": "deemster.benchmarks.traces.judgebench:JudgeBenchTraces",
        "llmbar": "deemster.benchmarks.traces.llmbar:LLMBarTraces",
        "mt-bench-pairs": "deemster.benchmarks.traces.mt_bench:MTBenchPairs",
        "mt-bench-single": "deemster.benchmarks.traces.mt_bench:MTBenchSingle",
        "rb2-ratings": "deemster.benchmarks.traces.rb2_ratings:RB2Ratings",
        "realmistake": "deemster.benchmarks.traces.realmistake:ReaLMistakeTraces",
    },
)
"""Layouts of judge logs by name, as `deemster import --format` takes them."""


def open_benchmark(name: str) -> Benchmark:
    """Make the adapter of a benchmark.

    Raises:
        InputError: the name is unknown; the text lists the known ones.
    """
    return BENCHMARKS.get(name)()


def open_trace_format(name: str) -> TraceFormat:
    """Make the reader of a trace format.

    Raises:
        InputError: the name is unknown; the text lists the known ones.
    """
    return TRACE_FORMATS.get(name)()


__all__ = ["BENCHMARKS", "TRACE_FORMATS", "open_benchmark", "open_trace_format"]
