"""`deemster import`: every format end to end, published figures, and what it refuses."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.quick import rest_slow

from deemster.suites.metrics import Summary
from deemster.suites.store import RunStore

DATA = Path(__file__).parents[1] / "benchmarks" / "data"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data (../shared/data) is not there"
)
HERON = ("judgebench", "judgebench/traces/heron.jsonl", "judgebench/pairs.jsonl")


Log = tuple[str | None, ...]
"""Format, log, data, judge; the last two may be left out."""


def arguments(
    name: str | None,
    traces: str | None,
    data: str | None = None,
    judge: str | None = None,
    *,
    root: Path = DATA,
) -> list[str]:
    assert name is not None
    assert traces is not None
    given = ["import", "--format", name, "--traces", str(root / traces)]
    if data is not None:
        given += ["--data", str(root / data)]
    return given if judge is None else [*given, "--judge", judge]


def summary_of(out: Path, *given: str) -> dict[str, Any]:
    """The summary that a command prints, which must be the one that it writes."""
    done = deemster(*given, "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    written = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    del written["judges"], written["seal"]
    assert printed == written
    Summary.model_validate_json(done.stdout)
    return printed


@dataclass(frozen=True)
class Case:
    """A log of the fixtures, and what its tool makes of it."""

    log: Log
    figures: dict[str, float]
    n: int
    scored: int


CASES = {
    "judgebench": Case(
        HERON,
        {
            "accuracy_two_game": 100 / 3, "right": 1, "pairs": 3, "pairs_with_null": 2,
            "pairs_inconsistent": 2, "knowledge/accuracy_two_game": 100, "coding/right": 0,
            "coding/pairs_with_null": 1, "reasoning/pairs": 1,
        },
        n=3, scored=3,
    ),
    "judgebench-scores": Case(
        ("judgebench", "judgebench/scalar.jsonl", "judgebench/pairs.jsonl"),
        {"accuracy_two_game": 100, "pairs": 1, "pairs_with_null": 0, "pairs_inconsistent": 0},
        n=1, scored=1,
    ),
    "mt-bench-pairs": Case(
        ("mt-bench-pairs", "mt-bench/pairs.jsonl", "mt-bench/data", "Heron-7B"),
        {"pairs": 2, "valid": 2, "inconsistent": 1, "rate_pct": 50},
        n=2, scored=2,
    ),
    "mt-bench-pairs-without-verdict": Case(
        ("mt-bench-pairs", "mt-bench/pairs.jsonl", None, "Ibis-2B"),
        {"pairs": 1, "valid": 0, "inconsistent": 0},
        n=1, scored=0,
    ),
    "mt-bench-single": Case(
        ("mt-bench-single", "mt-bench/fastchat.jsonl"),
        {
            "mean": 5, "valid_scores": 2, "failures": 1, "without_text": 1, "stored_scores": 3,
            "equal_to_stored": 3, "single-v1/mean": 5,
        },
        n=3, scored=2,
    ),
    "llmbar": Case(
        ("llmbar", "llmbar/traces.jsonl", "llmbar/datasets.jsonl", "Heron/CoT"),
        {
            "LLMBar/Natural/CoT/correct_average": 75, "LLMBar/Natural/CoT/n": 2,
            "LLMBar/Natural/CoT/correct_False": 1, "LLMBar/Natural/CoT/correct_True": 2,
            "LLMBar/Natural/CoT/correct_both": 1, "LLMBar/Natural/CoT/equal": 1,
        },
        n=2, scored=2,
    ),
    "llmbar-ratings": Case(
        ("llmbar", "llmbar/traces.jsonl", None, "Heron/Rating"),
        {"LLMBar/Natural/Rating/correct_average": 75, "LLMBar/Natural/Rating/correct_both": 1},
        n=2, scored=1,
    ),
    "realmistake": Case(
        ("realmistake", "realmistake/traces.jsonl", None, "heron"),
        {
            f"math_word_problem_generation/{name}": value
            for name, value in {
                "accuracy": 0.5, "precision": 1, "recall": 1, "f1": 1, "recounted_accuracy": 0.5,
                "n": 2,
            }.items()
        },
        n=2, scored=1,
    ),
    "alpaca-eval": Case(
        ("alpaca-eval", "alpaca-eval/annotations.jsonl", "alpaca-eval/instructions.jsonl",
         "heron_fn"),
        {"auk-4/win_rate": 50, "auk-4/n": 3, "auk-4/n_null": 0},
        n=3, scored=3,
    ),
    "alpaca-eval-weighted": Case(
        ("alpaca-eval", "alpaca-eval/annotations.jsonl", "alpaca-eval/instructions.jsonl",
         "ibis_weighted"),
        {"auk-4/win_rate": 75, "auk-4/n": 1, "auk-4/n_null": 1},
        n=2, scored=1,
    ),
    "rb2-ratings": Case(
        ("rb2-ratings", "rb2-ratings.jsonl", None, "full"),
        {
            "accuracy": 100, "n": 2, "n_correct": 2, "n_tied": 0, "k1/accuracy": 50, "k1/n": 2,
            "k1/n_correct": 1, "k1/n_tied": 1,
        },
        n=2, scored=2,
    ),
    "auto-j": Case(
        ("auto-j", "auto-j.jsonl"),
        {"agreement": 50, "consistency": 50, "pairs": 4},
        n=4, scored=4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_formats(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = summary_of(tmp_path / "run", *arguments(*case.log))
    assert (found["n"], found["n_scored"]) == (case.n, case.scored)
    published = {key: found["published"][key] for key in case.figures}
    assert published == pytest.approx(case.figures, abs=1e-6)
    assert ("rate_pct" in found["published"]) == ("rate_pct" in case.figures)
    with RunStore(tmp_path / "run") as store:
        assert store.count_samples() == case.n
        assert found["judge"]["name"] == store.judges()[0].name


def test_figures_are_printed(tmp_path: Path) -> None:
    done = deemster(*arguments(*HERON), "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    for part in ("accuracy_two_game", "33.33", "pairs_inconsistent", "knowledge", "reasoning"):
        assert part in done.stdout.partition("published figures")[2]
    assert str(tmp_path / "run") in done.stderr


def test_equal_ratings_go_to_each_response_once(tmp_path: Path) -> None:
    """LLMBar prefers the second of equal ratings in the first game, the first in the other."""
    tied = {"score_1": ["7", "stop"], "score_2": ["7", "stop"]}
    row = {"set": "S", "evaluator": "Heron", "strategy": "Rating", "idx": 0, "label": 2,
           "results": [tied]}  # fmt: skip
    (tmp_path / "log.jsonl").write_text(json.dumps(row), encoding="utf-8")
    found = summary_of(tmp_path / "run", *arguments("llmbar", "log.jsonl", root=tmp_path))
    assert found["ties"] == 1
    assert found["published"] == {
        "S/Rating/correct_average": 50, "S/Rating/n": 1, "S/Rating/correct_False": 1,
        "S/Rating/correct_True": 0, "S/Rating/correct_both": 0, "S/Rating/equal": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ratings", "winners", "differ"),
    [
        pytest.param(("7", "9"), ("2", "2"), 0, id="same"),
        pytest.param(("7", "7"), ("2", "1"), 0, id="equal-ratings"),
        pytest.param(("7", "9"), ("1", "1"), 1, id="other-winner"),
        pytest.param(("7", ""), ("2", "1"), 1, id="a-rating-kept-back"),
    ],
)
def test_winners_by_ratings_are_compared_with_ours(
    ratings: tuple[str, str], winners: tuple[str, str], differ: int, tmp_path: Path
) -> None:
    step: dict[str, Any] = {
        f"score_{i}": [text, "stop" if text else "content_filter"]
        for i, text in enumerate(ratings, 1)
    }
    games = ("swap = False", "swap = True")
    step |= {game: {"winner": who} for game, who in zip(games, winners, strict=True)}
    row = {"set": "S", "evaluator": "Heron", "strategy": "Rating", "idx": 0, "label": 2,
           "results": [step]}  # fmt: skip
    (tmp_path / "log.jsonl").write_text(json.dumps(row), encoding="utf-8")
    found = summary_of(tmp_path / "run", *arguments("llmbar", "log.jsonl", root=tmp_path))
    (note,) = found["notes"]
    assert note.startswith(f"verdicts stored in the log: 1; read otherwise here: {differ}")


def test_senseless_labels_and_equal_scores_as_judgebench_counts_them(tmp_path: Path) -> None:
    games = [
        {"pair_id": "p-law", "game": 0, "response": "[[A>A]]"},
        {"pair_id": "p-law", "game": 1, "response": "[[B>A]]"},
        {"pair_id": "p-code", "game": 0, "response": "", "scores": [2, 2]},
        {"pair_id": "p-code", "game": 1, "response": "", "scores": [2, 2]},
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, games)), encoding="utf-8")
    given = arguments("judgebench", "log.jsonl", str(DATA / HERON[2]), root=tmp_path)
    found = summary_of(tmp_path / "run", *given)["published"]
    assert found["knowledge/pairs_with_null"] == 0, "a label was given"
    assert found["knowledge/pairs_inconsistent"] == 1
    assert found["knowledge/right"] == 1, "the other game says it"
    assert found["coding/pairs_inconsistent"] == 1, "the second shown of each game"
    assert found["coding/right"] == 0


def test_k_and_aggregator_change_the_summary_only(tmp_path: Path) -> None:
    given = arguments("rb2-ratings", "rb2-ratings.jsonl", None, "full")
    whole = summary_of(tmp_path / "whole", *given)
    first = summary_of(tmp_path / "first", *given, "-k", "1")
    median = summary_of(tmp_path / "median", *given, "--aggregator", "median")
    assert (whole["accuracy"], first["accuracy"]) == (1.0, 0.5)
    assert (whole["n_votes"], first["n_votes"], first["judge"]["k"]) == (4, 2, 1)
    assert median["judge"]["aggregator"] == "median()"
    assert first["published"] == median["published"] == whole["published"]


def test_realmistake_needs_more_than_half_and_has_an_accuracy(tmp_path: Path) -> None:
    given = arguments("realmistake", "realmistake/traces.jsonl", None, "heron")
    found = summary_of(tmp_path / "run", *given)
    assert (found["n_scored"], found["accuracy"]) == (1, 1.0)
    assert found["by"] == {"math_word_problem_generation": 1.0}
    assert found["detail"]["overall"]["value"] == 0.5


def test_win_rates_of_policies(tmp_path: Path) -> None:
    given = arguments("mt-bench-pairs", "mt-bench/pairs.jsonl", None, "Heron-7B")
    found = summary_of(tmp_path / "run", *given)["win_rates"]
    assert {name: one["value"] for name, one in found.items()} == {"gull-2": 0.25, "walrus-1": 0.75}


def test_same_log_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        assert deemster(*arguments(*HERON), "--out", str(tmp_path / name)).returncode == 0
    one, other = ((tmp_path / name / "summary.json").read_bytes() for name in "ab")
    assert one == other


# Rescoring imported logs.


@pytest.mark.parametrize(
    "name", ["judgebench", "judgebench-scores", "mt-bench-single", "llmbar", "alpaca-eval"]
)
def test_stored_dialect_reads_every_row_as_the_import_did(name: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = summary_of(run, *arguments(*CASES[name].log))
    done = deemster("rescore", str(run), "--dialect", "stored", "--json")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    # A run does not hold whether a completion was cut, which the log's reader adds to a message.
    reasons, before = (found.pop("failure_reasons") for found in (again, first))
    assert [(one["status"], one["raw"]) for one in reasons] == [
        (one["status"], one["raw"]) for one in before
    ]
    assert again == first | {"published": {}, "notes": []}


def test_stored_dialect_where_rows_differ(tmp_path: Path) -> None:
    """LLMBar's Swap answers with a phrase or, after a second step, with a label."""
    run = tmp_path / "run"
    first = summary_of(run, *arguments("llmbar", "llmbar/traces.jsonl", None, "Heron/Swap"))
    assert first["failures"] == {}
    again = deemster("rescore", str(run), "--dialect", "stored", "--out", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    with RunStore(tmp_path / "again") as store:
        assert store.judges()[0].dialect == "llmbar:label"
        assert [verdict.best for _, verdict in store.verdicts(0)] == [0, 1]
    done = deemster("rescore", str(run), "--dialect", "llmbar:phrase", "--json")
    assert json.loads(done.stdout)["failures"] == {"parse_error": 2}


def test_failed_calls_are_not_read_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = arguments("mt-bench-single", "mt-bench/fastchat.jsonl")
    assert summary_of(run, *given)["failures"] == {"api_error": 1}
    done = deemster("rescore", str(run), "--dialect", "mt-bench-single:last", "--json")
    found = json.loads(done.stdout)
    assert found["failures"] == {"api_error": 1}, "there was nothing to read"
    with RunStore(run) as store:
        assert [v.rewards for _, v in store.verdicts(0)] == [(7.0,), None, (3.0,)]


def test_a_refusal_in_plain_words_is_read_again(tmp_path: Path) -> None:
    row = (DATA / "mt-bench" / "fastchat.jsonl").read_text(encoding="utf-8").splitlines()[0]
    said = "I cannot provide praise: the response contains errors."
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(json.loads(row) | {"judgment": said, "score": -1}), encoding="utf-8")
    run = tmp_path / "run"
    given = arguments("mt-bench-single", "log.jsonl", root=tmp_path)
    assert summary_of(run, *given)["failures"] == {"refused": 1}
    done = deemster("rescore", str(run), "--dialect", "realmistake", "--json")
    assert json.loads(done.stdout)["failures"] == {}


def test_scores_without_text_cannot_be_read_by_another_dialect(tmp_path: Path) -> None:
    run = tmp_path / "run"
    summary_of(run, *arguments("rb2-ratings", "rb2-ratings.jsonl", None, "full"))
    text = one_line(deemster("rescore", str(run), "--dialect", "grm"))
    assert "has no raw text" in text


# What is refused: one line, exit status 2, nothing written.


@dataclass(frozen=True)
class Bad:
    given: tuple[str, ...]
    told: tuple[str, ...]


BAD = {
    "unknown-format": Bad(
        ("--format", "mt-banch", "--traces", "x.jsonl"),
        ("unknown trace format 'mt-banch'", "mt-bench-pairs", "rb2-ratings"),
    ),
    "no-such-file": Bad(("--format", "auto-j", "--traces", "gone.jsonl"), ("gone.jsonl",)),
    "missing-data": Bad(
        ("--format", "judgebench", "--traces", str(DATA / HERON[1])),
        ("'judgebench'", "give --data"),
    ),
    "several-judges": Bad(
        ("--format", "rb2-ratings", "--traces", str(DATA / "rb2-ratings.jsonl")),
        ("2 judges", "full, mini"),
    ),
    "wrong-judge": Bad(
        ("--format", "rb2-ratings", "--traces", str(DATA / "rb2-ratings.jsonl"),
         "--judge", "nano"),
        ("no judge 'nano'", "full, mini"),
    ),
    "k-0": Bad(
        ("--format", "auto-j", "--traces", str(DATA / "auto-j.jsonl"), "-k", "0"),
        ("k must be >= 1, got 0",),
    ),
    "k-no-number": Bad(
        ("--format", "auto-j", "--traces", str(DATA / "auto-j.jsonl"), "-k", "two"),
        ("'-k'", "valid integer"),
    ),
    "unknown-aggregator": Bad(
        ("--format", "auto-j", "--traces", str(DATA / "auto-j.jsonl"), "--aggregator", "best"),
        ("'best'", "majority"),
    ),
    "corrupt-gzip": Bad(("--format", "auto-j", "--traces", "corrupt.jsonl.gz"), ("corrupt",)),
    "cut-gzip": Bad(("--format", "auto-j", "--traces", "cut.jsonl.gz"), ("cut.jsonl.gz",)),
    "empty": Bad(("--format", "realmistake", "--traces", "empty.jsonl"), ("is empty",)),
    "malformed-line": Bad(
        ("--format", "auto-j", "--traces", "malformed.jsonl"),
        ("malformed.jsonl line 3", "not JSON"),
    ),
    "wrong-type": Bad(
        ("--format", "auto-j", "--traces", "wrong.jsonl"), ("wrong.jsonl line 4", "'label'", "7")
    ),
    "another-layout": Bad(
        ("--format", "realmistake", "--traces", str(DATA / "auto-j.jsonl")),
        ("line 1", "no field 'samples' or 'response'"),
    ),
    "same-sample-twice": Bad(
        ("--format", "llmbar", "--traces", "twice.jsonl", "--judge", "Heron/CoT"),
        ("'LLMBar/Natural/0' occurs twice",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (DATA / "auto-j.jsonl").read_text(encoding="utf-8").splitlines()
    packed = gzip.compress("\n".join(lines * 500).encode())
    llmbar = (DATA / "llmbar" / "traces.jsonl").read_text(encoding="utf-8").splitlines()
    Path("corrupt.jsonl.gz").write_bytes(packed[:100] + b"\0" * 20 + packed[120:])
    Path("cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    Path("empty.jsonl").write_text("\n", encoding="utf-8")
    Path("malformed.jsonl").write_text("\n".join([*lines[:2], "{", *lines[2:]]), encoding="utf-8")
    wrong = json.dumps(json.loads(lines[0]) | {"label": 7})
    Path("wrong.jsonl").write_text("\n".join([*lines[:3], wrong]), encoding="utf-8")
    Path("twice.jsonl").write_text("\n".join([llmbar[0], llmbar[0]]), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    text = one_line(deemster("import", *BAD[name].given, "--out", "run"))
    for part in BAD[name].told:
        assert part in text
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = (*arguments(*HERON), "--out", str(out))
    assert deemster(*given).returncode == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    text = one_line(deemster(*given))
    assert "already holds a run" in text
    assert "give another --out" in text
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_out_is_a_file(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.write_text("mine", encoding="utf-8")
    assert str(out) in one_line(deemster(*arguments(*HERON), "--out", str(out)))
    assert out.read_text(encoding="utf-8") == "mine"


# Published figures of real logs, through the command line. All of them, without it, are in
# tests/benchmarks/test_published_figures.py.

PUBLISHED: dict[str, tuple[Log, dict[str, float]]] = {
    "judgebench-o1-mini": (
        ("judgebench", "judgebench/traces/orig__gpt__arena_hard__o1-mini-2024-09-12.jsonl.gz",
         "judgebench/pairs.jsonl.gz"),
        {"accuracy_two_game": 65.71, "pairs": 350, "pairs_inconsistent": 110},
    ),
    "rb2-full": (
        ("rb2-ratings", "rb2_k8_scores/base_both_k8.jsonl.gz", None, "full"),
        {"k1/accuracy": 71.7, "k8/accuracy": 81.5, "accuracy": 81.5, "n": 1730},
    ),
    "rb2-mini": (
        ("rb2-ratings", "rb2_k8_scores/base_both_k8.jsonl.gz", None, "mini"), {"k8/accuracy": 79.2}
    ),
    "rb2-haiku": (
        ("rb2-ratings", "rb2_k8_scores/base_claude_both_k8.jsonl.gz", None, "mini"),
        {"k8/accuracy": 84.8},
    ),
    "fastchat": (
        ("mt-bench-single", "mt_bench/gpt4_fastchat_judgments.jsonl.gz"),
        {"equal_to_stored": 1610, "stored_scores": 1610, "failures": 4},
    ),
    "llmbar": (
        ("llmbar", "llmbar/traces/ChatGPT.jsonl.gz", "llmbar/datasets.jsonl.gz", "ChatGPT/CoT"),
        {
            "LLMBar/Natural/CoT/correct_average": 74, "LLMBar/Natural/CoT/correct_both": 56,
            "LLMBar/Adversarial/Neighbor/CoT/correct_average": 22.76,
        },
    ),
    "realmistake": (
        ("realmistake", "realmistake/self_consistency_k5.jsonl.gz", None,
         "Mixtral-8x7B-Instruct-v0.1"),
        {
            "answerability_classification/accuracy": 0.4,
            "answerability_classification/recounted_accuracy": 0.42,
            "answerability_classification/f1": 0.4231,
        },
    ),
    "alpaca-eval": (
        ("alpaca-eval", "alpaca_eval/judge_traces.jsonl.gz", "alpaca_eval/instructions.jsonl.gz",
         "weighted_alpaca_eval_gpt4_turbo"),
        {"NullModel/win_rate": 76.92, "NullModel/n": 805},
    ),
    "auto-j": (
        ("auto-j", "autoj/pairwise_test_with_verdicts.jsonl.gz"),
        {"agreement": 54.96, "consistency": 83.41},
    ),
}  # fmt: skip


ELSEWHERE = {"rb2-full", "rb2-mini", "rb2-haiku", "alpaca-eval"}
"""Large logs whose figures `test_published_figures` has as well."""


@needs_shared
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ELSEWHERE else name
        for name in PUBLISHED
    ],
)
def test_published_figures_of_real_logs(name: str, tmp_path: Path) -> None:
    log, stated = PUBLISHED[name]
    given = arguments(*log, root=SHARED)
    found = summary_of(tmp_path / "run", *given)["published"]
    assert {key: found[key] for key in stated} == pytest.approx(stated, abs=0.05)


@needs_shared
@pytest.mark.parametrize(
    ("row", "judge"),
    rest_slow(
        [
            ("GPT-4o-mini", "gpt-4o-mini"),
            ("Qwen-7B", "Qwen2.5-7B-Instruct"),
            ("Qwen-14B", "Qwen2.5-14B-Instruct"),
            ("Qwen-32B", "Qwen2.5-32B-Instruct"),
            ("EXAONE-32B", "EXAONE-3.5-32B-Instruct-AWQ"),
            ("Gemma-4-12B", "Gemma-4-12B-it"),
        ],
        quick=1,
    ),
)
def test_mt_bench_table_5(row: str, judge: str, tmp_path: Path) -> None:
    table = SHARED / "mt_bench" / "expected_table5_pairwise_inconsistency.csv"
    with table.open(encoding="utf-8") as stream:
        stated = next(one for one in csv.DictReader(stream) if one["judge"] == row)
    log = ("mt-bench-pairs", "mt_bench/kook222_en_pairwise.jsonl.gz", None, judge)
    found = summary_of(tmp_path / "run", *arguments(*log, root=SHARED))["published"]
    assert found["inconsistent"] == int(stated["en_inconsistent"])
    assert found["valid"] == int(stated["en_valid"])
    assert found["rate_pct"] == pytest.approx(float(stated["en_rate_pct"]), abs=0.005)


@needs_shared
def test_rb2_first_rating_only(tmp_path: Path) -> None:
    log = ("rb2-ratings", "rb2_k8_scores/base_both_k8.jsonl.gz", None, "full")
    found = summary_of(tmp_path / "run", *arguments(*log, root=SHARED), "-k", "1")
    assert found["accuracy"] == pytest.approx(1240 / 1729)
    assert found["n_votes"] == 1730


def test_rescoring_by_meta_rewards_that_are_not_there_is_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    summary_of(run, *arguments(*CASES["judgebench"].log))
    for given in (("--k-meta", "1"), ("--aggregator", "weighted >> sum")):
        done = deemster("rescore", str(run), *given)
        assert done.returncode == 2
        assert "needs meta rewards; the run has none" in done.stderr
