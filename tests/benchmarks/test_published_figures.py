"""Published figures of eight judge logs, from their raw text by our parsers and aggregators.

Needs the shared data beside the checkout; without it every test is skipped.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from deemster.aggregators import parse_aggregator
from deemster.benchmarks import open_benchmark, open_trace_format
from deemster.schemas import Judgment, Sample, Vote

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


def rewards(name: str, votes: Sequence[Vote], k: int | None = None) -> tuple[float, ...] | None:
    """What our aggregator makes of the votes by the format's rule."""
    reader = open_trace_format(name)
    return parse_aggregator(reader.aggregator)(votes[:k], min_valid=reader.min_valid(len(votes)))


def strict_best(values: Sequence[float | None] | None) -> int | None:
    known = [value for value in values or () if value is not None]
    if not known or values is None:
        return None
    top = max(known)
    return list(values).index(top) if known.count(top) == 1 else None


def outcome(vote: Vote) -> int | str | None:
    """Which response a vote prefers, `tie`, or None for a failure."""
    if not isinstance(vote, Judgment):
        return None
    best = strict_best(vote.scores)
    return "tie" if best is None else best


def rows_of(path: str) -> list[dict[str, Any]]:
    with gzip.open(SHARED / path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def expected(path: str) -> Any:
    """A file of expected figures; nothing where the shared data is not there."""
    file = SHARED / path
    if not file.exists():
        return []
    if file.suffix == ".csv":
        with file.open(encoding="utf-8") as stream:
            return {row["judge"]: row for row in csv.DictReader(stream)}
    return json.loads(file.read_text(encoding="utf-8"))


JUDGEBENCH = expected("judgebench/expected.json")


@pytest.mark.parametrize("figures", JUDGEBENCH, ids=[one["file"] for one in JUDGEBENCH])
def test_judgebench_two_game_accuracy(figures: dict[str, Any]) -> None:
    right: dict[str, list[bool]] = defaultdict(list)
    traces = f"judgebench/traces/{figures['file']}"
    for sample, votes in read("judgebench", traces, "judgebench/pairs.jsonl.gz"):
        best = strict_best(rewards("judgebench", votes))
        right[sample.subset].append(best is not None and best == sample.best)
    flat = [one for subset in right.values() for one in subset]
    assert len(flat) == figures["pairs"]
    assert round(100 * fmean(flat), 2) == figures["accuracy_two_game"]
    assert {
        subset: [sum(ones), len(ones), round(100 * fmean(ones), 2)]
        for subset, ones in right.items()
    } == figures["per_category"]


@pytest.mark.parametrize("judge", KOOK_JUDGES)
def test_mt_bench_position_inconsistency(judge: str) -> None:
    table = expected("mt_bench/expected_table5_pairwise_inconsistency.csv")[judge]
    log = "mt_bench/kook222_en_pairwise.jsonl.gz"
    games = [
        tuple(map(outcome, votes))
        for _, votes in read("mt-bench-pairs", log, judge=KOOK_JUDGES[judge])
    ]
    valid = [game for game in games if None not in game]
    assert len(valid) == int(table["en_valid"])
    assert sum(first != second for first, second in valid) == int(table["en_inconsistent"])


@pytest.mark.parametrize("judge", KOOK_JUDGES)
def test_mt_bench_single_means(judge: str) -> None:
    table = expected("mt_bench/expected_table6_single_scores.csv")[judge]
    log = "mt_bench/kook222_en_single.jsonl.gz"
    scores = [
        reward[0]
        for sample, votes in read("mt-bench-single", log, judge=KOOK_JUDGES[judge])
        if sample.metadata["protocol"] == "single_grade"
        and (reward := rewards("mt-bench-single", votes)) is not None
    ]
    assert len(scores) == int(table["en_valid_scores"])
    assert round(fmean(scores), 2) == float(table["en_mean"])


def test_fastchat_single_scores() -> None:
    log = "mt_bench/gpt4_fastchat_judgments.jsonl.gz"
    stored = [row["score"] for row in rows_of(log) if "score" in row]
    agree, failed = 0, 0
    for score, (_, (vote,)) in zip(stored, read("mt-bench-single", log), strict=True):
        if isinstance(vote, Judgment):
            agree += vote.scores == (score,)
        else:
            failed += 1
            agree += score == -1 and vote.raw == "$ERROR$"
    assert (agree, len(stored), failed) == (1610, 1610, 4)


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


@pytest.mark.parametrize("judge", LLMBAR_JUDGES)
def test_llmbar_accuracies(judge: str) -> None:
    log = f"llmbar/traces/{judge.partition('/')[0]}.jsonl.gz"
    right: dict[str, list[list[bool]]] = defaultdict(list)
    for sample, votes in read("llmbar", log, "llmbar/datasets.jsonl.gz", judge):
        if "Rating" in judge:
            # Two ratings are one verdict; the tool gives a tie to either response in turn.
            best = strict_best(rewards("llmbar", votes))
            games = [True, False] if best is None else [best == sample.best] * 2
        else:
            games = [outcome(vote) == sample.best for vote in votes]
        right[sample.subset].append(games)
    assert right
    for subset, games_of in right.items():
        published = llmbar_statistics()[subset, judge]
        figures = published["statistics_json"]
        assert len(games_of) == published["n"]
        accuracy = 100 * fmean(game for games in games_of for game in games)
        assert f"{accuracy:.6f}" == f"{float(figures['correct_average'].rstrip('%')):.6f}"
        assert sum(map(all, games_of)) == int(figures["correct_both"].split(" / ")[0])


REALMISTAKE = expected("realmistake/expected_self_consistency.json")


@pytest.mark.parametrize(
    "figures", REALMISTAKE, ids=[f"{o['judge']}-{o['task']}" for o in REALMISTAKE]
)
def test_realmistake_self_consistency(figures: dict[str, Any]) -> None:
    """Published accuracy, and the recount of the data set's README (a different tie rule)."""
    log = "realmistake/self_consistency_k5.jsonl.gz"
    published, recounted = [], []
    for sample, votes in read("realmistake", log, judge=figures["judge"]):
        if sample.subset != figures["task"]:
            continue
        assert len(votes) == 5
        published.append(rewards("realmistake", votes) == sample.ground_truth)
        # The recount takes the most common class, unread texts being one, the first seen of ties.
        classes = [vote.scores if isinstance(vote, Judgment) else None for vote in votes]
        recounted.append(max(classes, key=classes.count) == sample.ground_truth)
    assert len(published) == figures["n"]
    assert fmean(published) == pytest.approx(figures["published"]["accuracy"])
    assert fmean(recounted) == pytest.approx(figures["majority_recomputed_accuracy"])


@pytest.mark.parametrize(
    ("annotator", "models"),
    [
        ("alpaca_eval_cot_gpt4_turbo_fn", 12),
        ("alpaca_eval_gpt4_turbo_fn", 9),
        ("weighted_alpaca_eval_gpt4_turbo", 4),
    ],
)
def test_alpaca_eval_win_rates(annotator: str, models: int) -> None:
    wins: dict[str, list[float]] = defaultdict(list)
    log = "alpaca_eval/judge_traces.jsonl.gz"
    for sample, votes in read("alpaca-eval", log, "alpaca_eval/instructions.jsonl.gz", annotator):
        reward = rewards("alpaca-eval", votes)
        if reward is not None:
            wins[sample.subset].append(reward[1])
    assert len(wins) == models
    for figures in expected("alpaca_eval/replay.json"):
        if figures["annotator"] == annotator and figures["model"] in wins:
            shares = wins.pop(figures["model"])
            assert len(shares) == figures["n"] - figures["n_null_preference"]
            assert 100 * fmean(shares) == pytest.approx(figures["replayed_win_rate"], abs=1e-6)
    assert not wins


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
]
RB2_STATED = {
    ("base_both_k8", "full", 1): 71.7,
    ("base_both_k8", "full", 8): 81.5,
    ("base_both_k8", "mini", 8): 79.2,
    ("base_claude_both_k8", "full", 1): 72.3,
    ("base_claude_both_k8", "full", 8): 82.7,
    ("base_claude_both_k8", "mini", 8): 84.8,
}


@pytest.mark.parametrize(("file", "judge"), RB2)
def test_rb2_accuracy_at_k(file: str, judge: str) -> None:
    found = list(read("rb2-ratings", f"rb2_k8_scores/{file}.jsonl.gz", judge=judge))
    figures = expected("rb2_k8_scores/replay.json")[f"{file}.jsonl"][judge]
    for k in (1, 3, 8):
        given = [(sample, rewards("rb2-ratings", votes, k)) for sample, votes in found]
        scored = [strict_best(reward) == sample.best for sample, reward in given if reward]
        assert (sum(scored), len(scored)) == (figures[f"k{k}"]["n_correct"], figures[f"k{k}"]["n"])
        if (file, judge, k) in RB2_STATED:
            assert 100 * fmean(scored) == pytest.approx(RB2_STATED[file, judge, k], abs=0.05)


def test_auto_j_agreement_and_consistency() -> None:
    agree, consistent, n = 0, 0, 0
    for sample, votes in read("auto-j", "autoj/pairwise_test_with_verdicts.jsonl.gz"):
        first, second = map(outcome, votes)
        truth = "tie" if sample.best is None else sample.best
        n += 1
        consistent += first == second
        agree += first == second == truth
    assert n == 1392
    assert (round(100 * agree / n, 2), round(100 * consistent / n, 2)) == (54.96, 83.41)


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
