"""Published figures of eight judge logs, from their raw text by our parsers and aggregators.

Needs the shared data beside the checkout; without it every test is skipped.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.support.quick import rest_slow

from deemster.aggregators import parse_aggregator
from deemster.benchmarks import Figures, open_benchmark, open_trace_format
from deemster.judges import decide
from deemster.schemas import JudgeInfo, Judgment, Sample, Vote

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data (../shared/data) is not there"
)
KOOK_JUDGES = {
    "Qwen-7B": "Qwen2.5-7B-Instruct",
    "Qwen-14B": "Qwen2.5-14B-Instruct",
    "Qwen-32B": "Qwen2.5-32B-Instruct",
    "EXAONE-32B": "EXAONE-3.5-32B-Instruct-AWQ",
    "GPT-4o-mini": "gpt-4o-mini",
    "Gemma-4-12B": "Gemma-4-12B-it",
}
Read = Iterator[tuple[Sample, tuple[Vote, ...]]]


def read(name: str, traces: str, data: str | None = None, judge: str | None = None) -> Read:
    reader = open_trace_format(name)
    return reader.read(SHARED / traces, None if data is None else SHARED / data, judge=judge)


@cache
def figures(name: str, traces: str, data: str | None = None, judge: str | None = None) -> Figures:
    """What `deemster import` calls the published figures of a log."""
    reader = open_trace_format(name)
    reducer = parse_aggregator(reader.aggregator)
    info = JudgeInfo(name="log", model="log")
    return reader.figures(
        [
            (
                sample,
                votes,
                decide(
                    votes,
                    n=len(sample.responses),
                    k=len(votes),
                    reducer=reducer,
                    info=info,
                    min_valid=reader.min_valid(len(votes)),
                ),
            )
            for sample, votes in read(name, traces, data, judge)
        ]
    )


def parts(found: Figures) -> set[str]:
    return {name.rpartition("/")[0] for name in found} - {""}


def rows_of(path: str) -> list[dict[str, Any]]:
    with gzip.open(SHARED / path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def rows_of_csv(path: str) -> list[dict[str, str]]:
    with (SHARED / path).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def expected(path: str) -> Any:
    """A file of expected figures; nothing where the shared data is not there."""
    file = SHARED / path
    if not file.exists():
        return []
    if file.suffix == ".csv":
        return {row["judge"]: row for row in rows_of_csv(path)}
    return json.loads(file.read_text(encoding="utf-8"))


JUDGEBENCH = expected("judgebench/expected.json")


@pytest.mark.parametrize("expects", JUDGEBENCH, ids=[one["file"] for one in JUDGEBENCH])
def test_judgebench_two_game_accuracy(expects: dict[str, Any]) -> None:
    traces = f"judgebench/traces/{expects['file']}"
    found = figures("judgebench", traces, "judgebench/pairs.jsonl.gz")
    assert round(found["accuracy_two_game"], 2) == expects["accuracy_two_game"]
    for name in ("pairs", "pairs_with_null", "pairs_inconsistent"):
        assert found[name] == expects[name]
    assert parts(found) == set(expects["per_category"])
    for category, (right, pairs, accuracy) in expects["per_category"].items():
        assert (found[f"{category}/right"], found[f"{category}/pairs"]) == (right, pairs)
        assert round(found[f"{category}/accuracy_two_game"], 2) == accuracy


@pytest.mark.parametrize("judge", rest_slow(KOOK_JUDGES, quick=2))
def test_mt_bench_position_inconsistency(judge: str) -> None:
    table = expected("mt_bench/expected_table5_pairwise_inconsistency.csv")[judge]
    log = "mt_bench/kook222_en_pairwise.jsonl.gz"
    found = figures("mt-bench-pairs", log, judge=KOOK_JUDGES[judge])
    assert (found["pairs"], found["valid"]) == (1200, int(table["en_valid"]))
    assert found["inconsistent"] == int(table["en_inconsistent"])
    assert round(found["rate_pct"], 2) == float(table["en_rate_pct"])


@pytest.mark.parametrize("judge", rest_slow(KOOK_JUDGES, quick=2))
def test_mt_bench_single_means(judge: str) -> None:
    log = "mt_bench/kook222_en_single.jsonl.gz"
    found = figures("mt-bench-single", log, judge=KOOK_JUDGES[judge])
    table = expected("mt_bench/expected_table6_single_scores.csv")[judge]
    assert found["single_grade/valid_scores"] == int(table["en_valid_scores"])
    assert round(found["single_grade/mean"], 2) == float(table["en_mean"])
    table = expected("mt_bench/expected_table7_reference_scores.csv")[judge]
    # Table 7 is over answers scored without reference too, for one judge two fewer.
    if found["single_grade_ref/valid_scores"] == int(table["en_paired"]):
        assert round(found["single_grade_ref/mean"], 2) == float(table["en_reference_mean"])
    else:
        assert judge == "Gemma-4-12B"
    assert found["equal_to_stored"] == found["stored_scores"] == 2 * (480 + 174)
    for row in rows_of_csv("mt_bench/expected_table8_parse_failures.csv"):
        protocol = row["protocol"]
        if (row["language"], row["judge"]) == ("en", judge) and protocol != "pairwise":
            unread = found[f"{protocol}/failures"] - found[f"{protocol}/without_text"]
            assert unread == int(row["format_parse_failures"])


def test_fastchat_single_scores() -> None:
    found = figures("mt-bench-single", "mt_bench/gpt4_fastchat_judgments.jsonl.gz")
    assert found["equal_to_stored"] == found["stored_scores"] == 1610
    assert found["failures"] == found["without_text"] == 4


LLMBAR_JUDGES = [
    f"{evaluator}/{strategy}"
    for evaluator, more in (
        ("ChatGPT", ["Rating", "Rating_NoRules"]),
        ("ChatGPT-0301", []),
        ("LLaMA2", []),
    )
    for strategy in [
        "CoT", "Metrics", "Metrics_Reference", "Reference", "Swap", "Swap_CoT", "Vanilla",
        "Vanilla_1shot", "Vanilla_2shot", "Vanilla_NoRules", *more,
    ]
]  # fmt: skip


@cache
def llmbar_statistics() -> dict[tuple[str, str], dict[str, Any]]:
    rows = rows_of("llmbar/expected_statistics.jsonl.gz")
    return {(row["set"], f"{row['evaluator']}/{row['strategy']}"): row for row in rows}


@pytest.mark.parametrize("judge", rest_slow(LLMBAR_JUDGES, quick=12))
def test_llmbar_accuracies(judge: str) -> None:
    evaluator, _, strategy = judge.partition("/")
    log = f"llmbar/traces/{evaluator}.jsonl.gz"
    found = figures("llmbar", log, "llmbar/datasets.jsonl.gz", judge)
    assert found
    for part in parts(found):
        published = llmbar_statistics()[part.removesuffix(f"/{strategy}"), judge]
        stated = published["statistics_json"]
        assert found[f"{part}/n"] == published["n"]
        accuracy = float(stated["correct_average"].rstrip("%"))
        assert found[f"{part}/correct_average"] == pytest.approx(accuracy, abs=1e-6)
        for name in ("correct_False", "correct_True", "correct_both", "equal"):
            assert found[f"{part}/{name}"] == int(stated[name].split(" / ")[0]), name


REALMISTAKE = expected("realmistake/expected_self_consistency.json")


@pytest.mark.parametrize(
    "expects", REALMISTAKE, ids=[f"{o['judge']}-{o['task']}" for o in REALMISTAKE]
)
def test_realmistake_self_consistency(expects: dict[str, Any]) -> None:
    """Published figures, and the recount of the data set's README (a different tie rule)."""
    log = "realmistake/self_consistency_k5.jsonl.gz"
    found = figures("realmistake", log, judge=expects["judge"])
    task = expects["task"]
    assert found[f"{task}/n"] == expects["n"]
    for name in ("accuracy", "precision", "recall", "f1"):
        assert found[f"{task}/{name}"] == pytest.approx(expects["published"][name], abs=1e-9)
    recounted = expects["majority_recomputed_accuracy"]
    assert found[f"{task}/recounted_accuracy"] == pytest.approx(recounted)


@pytest.mark.parametrize(
    ("annotator", "models"),
    rest_slow(
        [
            ("weighted_alpaca_eval_gpt4_turbo", 4),
            ("alpaca_eval_gpt4_turbo_fn", 9),
            ("alpaca_eval_cot_gpt4_turbo_fn", 12),
        ],
        quick=1,
    ),
)
def test_alpaca_eval_win_rates(annotator: str, models: int) -> None:
    log = "alpaca_eval/judge_traces.jsonl.gz"
    found = figures("alpaca-eval", log, "alpaca_eval/instructions.jsonl.gz", annotator)
    assert len(parts(found)) == models
    stated = {
        one["model"]: one
        for one in expected("alpaca_eval/replay.json")
        if one["annotator"] == annotator
    }
    for model in parts(found):
        nulls = stated[model]["n_null_preference"]
        assert found[f"{model}/n_null"] == nulls
        assert found[f"{model}/n"] == stated[model]["n"] - nulls
        rate = stated[model]["replayed_win_rate"]
        assert found[f"{model}/win_rate"] == pytest.approx(rate, abs=1e-6)


@pytest.mark.slow
def test_alpaca_eval_orders_from_the_seed_agree_with_every_stored_preference() -> None:
    log = "alpaca_eval/judge_traces.jsonl.gz"
    stored = {
        (row["annotator"], row["model"], row["instruction_sha1"]): row["preference"]
        for row in rows_of(log)
    }
    compared = 0
    for annotator in {key[0] for key in stored}:
        for sample, (vote,) in read(
            "alpaca-eval", log, "alpaca_eval/instructions.jsonl.gz", annotator
        ):
            model, _, sha1 = sample.id.rpartition("/")
            preference = stored[annotator, model, sha1]
            if isinstance(vote, Judgment):
                compared += 1
                assert vote.scores[1] == pytest.approx(preference - 1, abs=1e-6)
            else:
                assert preference is None
    assert compared == 20_122


RB2 = [
    ("base_both_k8", "full"),
    ("base_both_k8", "mini"),
    ("base_claude_both_k8", "full"),
    ("base_claude_both_k8", "mini"),
    ("base_nano_k8", "nano"),
    ("base_full_k8_t0.0", "full"),
    ("base_full_k8_t0.3", "full"),
    ("base_full_k8_t0.7", "full"),
]
RB2_STATED = {
    ("base_both_k8", "full", 1): 71.7,
    ("base_both_k8", "full", 8): 81.5,
    ("base_both_k8", "mini", 8): 79.2,
    ("base_claude_both_k8", "full", 1): 72.3,
    ("base_claude_both_k8", "full", 8): 82.7,
    ("base_claude_both_k8", "mini", 8): 84.8,
}


@pytest.mark.parametrize(("file", "judge"), rest_slow(RB2, quick=3))
def test_rb2_accuracy_at_k(file: str, judge: str) -> None:
    found = figures("rb2-ratings", f"rb2_k8_scores/{file}.jsonl.gz", judge=judge)
    stated = expected("rb2_k8_scores/replay.json")[f"{file}.jsonl"][judge]
    for k in (1, 3, 8):
        for name in ("n", "n_correct", "n_tied"):
            assert found[f"k{k}/{name}"] == stated[f"k{k}"][name]
        assert found[f"k{k}/accuracy"] == pytest.approx(100 * stated[f"k{k}"]["accuracy"])
        if (file, judge, k) in RB2_STATED:
            assert found[f"k{k}/accuracy"] == pytest.approx(RB2_STATED[file, judge, k], abs=0.05)
    assert found["accuracy"] == found["k8/accuracy"]


def test_auto_j_agreement_and_consistency() -> None:
    found = figures("auto-j", "autoj/pairwise_test_with_verdicts.jsonl.gz")
    assert found["pairs"] == 1392
    assert round(found["agreement"], 2) == 54.96
    assert round(found["consistency"], 2) == 83.41


@pytest.mark.parametrize(
    ("name", "path", "n"),
    [
        ("judgebench", "judgebench/pairs.jsonl.gz", 620),
        ("rm-bench", "rm_bench/rm_bench_no_math.jsonl.gz", 798 * 9),
        ("rmb-pairs", "rmb/pairs_sample.jsonl.gz", 2061),
        ("rmb-bon", "rmb/bon_sample.jsonl.gz", 682),
        ("rmb-bon-pairs", "rmb/bon_sample.jsonl.gz", 1580),
        ("llmbar", "llmbar/datasets.jsonl.gz", 1200),
        ("auto-j", "autoj/pairwise_test_with_verdicts.jsonl.gz", 1392),
        ("faireval", "faireval/pairs_human.jsonl.gz", 80),
        ("gsm8k-solutions", "verifiable/gsm8k_model_solutions.jsonl.gz", 1319),
        ("alpaca-eval", "alpaca_eval/instructions.jsonl.gz", 805),
    ],
)
def test_real_data_sets_load_whole_with_ids_apart(name: str, path: str, n: int) -> None:
    samples = list(open_benchmark(name).load(SHARED / path))
    assert len(samples) == n
    assert len({sample.id for sample in samples}) == n
    assert all(response.role == "assistant" for s in samples for response in s.responses)


def test_gsm8k_truth_is_the_number_of_the_answer() -> None:
    """The labels of all 5,276 solutions follow from the numbers that our adapter hands on."""

    def number(text: str) -> float | None:
        last_line = text.strip().rpartition("\n")[2].replace(",", "")
        found = re.findall(r"-?[0-9]+\.?[0-9]*", last_line)
        return float(found[-1]) if found else None

    agree = 0
    log = SHARED / "verifiable/gsm8k_model_solutions.jsonl.gz"
    for sample in open_benchmark("gsm8k-solutions").load(log):
        gold = number(sample.reference or "")
        for response, truth in zip(sample.responses, sample.ground_truth or (), strict=True):
            agree += (number(response.text) == gold) == bool(truth)
    assert agree == 5_276
