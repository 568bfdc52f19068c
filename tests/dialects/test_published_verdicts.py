"""The parsers against real judges' raw texts, where the data is present.

Each test re-reads what a tool logged and compares with what it published from it.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deemster.dialects import Dialect, open_dialect
from deemster.errors import ParseError
from deemster.schemas import Completion

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the judge logs in ../shared/data")


def rows(path: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def scores(dialect: Dialect, text: str | None, n: int = 2) -> tuple[float | None, ...] | str:
    """The parsed scores, or the status of the failure."""
    try:
        return dialect.parse(Completion(text=text or ""), n=n).scores
    except ParseError as error:
        return error.status


JUDGEBENCH = sorted((DATA / "judgebench" / "traces").glob("*arena_hard*"))


@pytest.mark.parametrize("path", JUDGEBENCH, ids=lambda path: path.name.split("__")[-1])
def test_judgebench_two_game_accuracy(path: Path) -> None:
    dialect = open_dialect("arena-hard")
    pairs = {pair["pair_id"]: pair for pair in rows("judgebench/pairs.jsonl.gz")}
    games: dict[str, int] = defaultdict(int)
    seen: Counter[str] = Counter()
    for game in rows(f"judgebench/traces/{path.name}"):
        read = scores(dialect, game["response"])
        logged = game["decision"]
        if isinstance(read, str):
            assert logged in {None, "A>A"}
            seen[read] += 1
            games[game["pair_id"]] += 0
            continue
        first, second = (score or 0.0 for score in read)
        decision = "A>B" if first > second else "B>A" if second > first else "A=B"
        assert decision == logged
        label = pairs[game["pair_id"]]["label"]
        # `decision` is about the order shown; game 1 shows the pair swapped.
        if game["game"] == 1:
            decision = {"A>B": "B>A", "B>A": "A>B"}.get(decision, decision)
        opposite = {"A>B": "B>A", "B>A": "A>B"}[label]
        games[game["pair_id"]] += (decision == label) - (decision == opposite)
    expected = {
        entry["file"]: entry
        for entry in json.loads((DATA / "judgebench/expected.json").read_text())
    }[path.name]
    right = sum(total > 0 for total in games.values())
    assert len(games) == expected["pairs"]
    assert round(100 * right / len(games), 2) == expected["accuracy_two_game"]
    if "claude-3-haiku" in path.name:
        assert seen == {"ambiguous": 13}


def test_judgebench_malformed_label_is_a_parse_error() -> None:
    dialect = open_dialect("arena-hard")
    name = "devcomfort__claude__arena_hard__openrouter_minimax_minimax-m2.1.jsonl.gz"
    read = Counter(
        (game["decision"], str(scores(dialect, game["response"])))
        for game in rows(f"judgebench/traces/{name}")
        if game["decision"] in {None, "A>A"}
    )
    assert read == {
        ("A>A", "parse_error"): 6,
        (None, "parse_error"): 75,
        (None, "ambiguous"): 4,
    }


JUDGES = {
    "qwen/judge_7B": "Qwen-7B",
    "qwen/judge_14B": "Qwen-14B",
    "qwen/judge_32B": "Qwen-32B",
    "exaone/judge_32B": "EXAONE-32B",
    "gpt/judge_gpt4omini": "GPT-4o-mini",
    "gemma4/judge_12B": "Gemma-4-12B",
}
WINNERS = {"A": (1.0, 0.0), "B": (0.0, 1.0), "tie": (0.5, 0.5)}


def table(name: str) -> dict[str, dict[str, str]]:
    with (DATA / "mt_bench" / name).open(encoding="utf-8") as file:
        return {row["judge"]: row for row in csv.DictReader(file)}


def test_mt_bench_position_inconsistency() -> None:
    dialect = open_dialect("mt-bench-pair:last")
    valid: Counter[str] = Counter()
    inconsistent: Counter[str] = Counter()
    agree = total = 0
    for row in rows("mt_bench/kook222_en_pairwise.jsonl.gz"):
        read = [scores(dialect, row[f"judgment_{order}"]) for order in ("ab", "ba")]
        for got, order in zip(read, ("ab", "ba"), strict=True):
            agree += (got if not isinstance(got, str) else None) == WINNERS.get(
                row[f"winner_{order}"]
            )
            total += 1
        if any(isinstance(got, str) for got in read):
            continue
        judge = JUDGES[row["judge"]]
        valid[judge] += 1
        inconsistent[judge] += read[0] != tuple(reversed(read[1]))
    assert (agree, total) == (14_400, 14_400)
    expected = table("expected_table5_pairwise_inconsistency.csv")
    for judge in JUDGES.values():
        assert inconsistent[judge] == int(expected[judge]["en_inconsistent"])
        assert valid[judge] == int(expected[judge]["en_valid"])


def test_mt_bench_strict_rule_reads_eleven_more_of_the_log_and_refuses_one() -> None:
    strict, last = open_dialect("mt-bench-pair"), open_dialect("mt-bench-pair:last")
    differ = [
        scores(strict, row[f"judgment_{order}"])
        for row in rows("mt_bench/kook222_en_pairwise.jsonl.gz")
        for order in ("ab", "ba")
        if scores(strict, row[f"judgment_{order}"]) != scores(last, row[f"judgment_{order}"])
    ]
    # The others name the assistant or quote the letter, which the tool's own reader does not take.
    assert Counter(map(str, differ)) == {"ambiguous": 1, "(0.0, 1.0)": 6, "(1.0, 0.0)": 5}


def test_mt_bench_single_means() -> None:
    dialect = open_dialect("mt-bench-single:last")
    ratings: dict[str, list[float]] = defaultdict(list)
    for row in rows("mt_bench/kook222_en_single.jsonl.gz"):
        for turn in ("1", "2"):
            read = scores(dialect, row.get(f"judgment_turn{turn}"), n=1)
            logged = row.get(f"score_turn{turn}")
            if isinstance(read, str):
                assert logged in {None, -1}
                continue
            assert read == (logged,)
            if row["protocol"] == "single_grade" and read[0] is not None:
                ratings[JUDGES[row["judge"]]].append(read[0])
    for judge, expected in table("expected_table6_single_scores.csv").items():
        if judge != "Mean":
            assert len(ratings[judge]) == int(expected["en_valid_scores"])
            mean = sum(ratings[judge]) / len(ratings[judge])
            assert round(mean, 2) == pytest.approx(float(expected["en_mean"]), abs=0.0051)


@pytest.mark.parametrize("rule", ["mt-bench-single", "mt-bench-single:first"])
def test_fastchat_single_scores(rule: str) -> None:
    dialect = open_dialect(rule)
    agree = total = 0
    for row in rows("mt_bench/gpt4_fastchat_judgments.jsonl.gz"):
        if "score" in row:
            read = scores(dialect, row["judgment"], n=1)
            total += 1
            agree += read == ((float(row["score"]),) if row["score"] != -1 else "parse_error")
    assert (agree, total) == (1610, 1610)


def test_fastchat_pair_winners() -> None:
    dialect = open_dialect("mt-bench-pair")
    first_wins = {"g1": "model_1", "g2": "model_2"}
    checked = 0
    for row in rows("mt_bench/gpt4_fastchat_judgments.jsonl.gz"):
        for game, first in first_wins.items():
            if f"{game}_judgment" not in row:
                continue
            read = scores(dialect, row[f"{game}_judgment"])
            winner = row[f"{game}_winner"]
            wanted: object = "parse_error" if winner == "error" else WINNERS.get(winner)
            if wanted is None:
                wanted = (1.0, 0.0) if winner == first else (0.0, 1.0)
            assert read == wanted
            checked += 1
    assert checked == 150


REASONED = {"CoT", "Swap_CoT"}


@pytest.mark.parametrize("evaluator", ["ChatGPT", "ChatGPT-0301", "LLaMA2"])
def test_llmbar_accuracies(evaluator: str) -> None:
    right: Counter[tuple[str, str]] = Counter()
    games: Counter[tuple[str, str]] = Counter()
    agree = total = 0
    for row in rows(f"llmbar/traces/{evaluator}.jsonl.gz"):
        key = (row["set"], row["strategy"])
        final = row["results"][-1]
        if row["strategy"].startswith("Rating"):
            rating = open_dialect("llmbar-rating")
            read = [scores(rating, final[f"score_{i}"][0], n=1) for i in (1, 2)]
            one, two = (float(got[0] or 0) if not isinstance(got, str) else 0.0 for got in read)
            wins = 1.0 if one > two else 0.0 if two > one else 0.5
            right[key] += int(2 * (wins if row["label"] == 1 else 1 - wins))
            games[key] += 2
            continue
        for number, step in enumerate(row["results"]):
            # Swap reasons first and gives a bare label when it reconciles the two orders.
            reasoned = row["strategy"] in REASONED or (row["strategy"], number) == ("Swap", 0)
            dialect = open_dialect("llmbar:phrase" if reasoned else "llmbar:label")
            for swap, game in step.items() if isinstance(step, dict) else ():
                got = scores(dialect, game["completion"][0])
                winner = None
                if not isinstance(got, str):
                    place = got.index(1.0)
                    winner = str(2 - place if swap.endswith("True") else 1 + place)
                total += 1
                agree += winner == game["winner"]
                if step is final:
                    games[key] += 1
                    right[key] += winner == str(row["label"])
    assert agree == total
    checked = 0
    for entry in rows("llmbar/expected_statistics.jsonl.gz"):
        key = (entry["set"], entry["strategy"])
        if entry["evaluator"] == evaluator and key in games:
            published = float(entry["statistics_json"]["correct_average"].rstrip("%"))
            assert 100 * right[key] / games[key] == pytest.approx(published)
            checked += 1
    assert checked == len(games)


def test_llmbar_strict_rule_never_contradicts_the_published_winner_of_a_label() -> None:
    strict = open_dialect("llmbar")
    outcome: Counter[str] = Counter()
    for row in rows("llmbar/traces/ChatGPT.jsonl.gz"):
        final = row["results"][-1]
        for swap in ("swap = False", "swap = True"):
            game = final[swap]
            if "completion" not in game or row["strategy"] in {*REASONED, "Swap"}:
                continue
            got = scores(strict, game["completion"][0])
            winner = game["winner"]
            if swap.endswith("True") and winner:
                winner = {"1": "2", "2": "1"}[winner]
            wanted: object = {"1": (1, 0), "2": (0, 1), None: "parse_error"}[winner]
            outcome["same" if got == wanted else "other"] += 1
    assert set(outcome) == {"same"}


def test_realmistake_predictions_and_majority() -> None:
    dialect = open_dialect("realmistake:published")
    names: dict[object, str] = {(1.0,): "no_error", (0.0,): "error"}
    right: Counter[tuple[str, str]] = Counter()
    agree = total = 0
    for row in rows("realmistake/self_consistency_k5.jsonl.gz"):
        read = [scores(dialect, text, n=1) for text in row["samples"]]
        votes = [names[got] if not isinstance(got, str) else None for got in read]
        agree += sum(a == b for a, b in zip(votes, row["predictions_list"], strict=True))
        total += len(votes)
        # As the data's README counts: a missing vote is a class of its own, the first seen wins.
        majority = Counter(votes).most_common(1)[0][0]
        right[row["task"], row["judge_model"]] += majority == row["label"]
    assert (agree, total) == (2250, 2250)
    for entry in json.loads((DATA / "realmistake/expected_self_consistency.json").read_text()):
        accuracy = right[entry["task"], entry["judge"]] / entry["n"]
        assert accuracy == pytest.approx(entry["majority_recomputed_accuracy"])


def test_realmistake_strict_rule() -> None:
    strict, published = open_dialect("realmistake"), open_dialect("realmistake:published")
    pairs: Counter[tuple[str, str]] = Counter()
    for row in rows("realmistake/self_consistency_k5.jsonl.gz"):
        for text in row["samples"]:
            pair = str(scores(strict, text, n=1)), str(scores(published, text, n=1))
            pairs[pair] += 1
    same = sum(count for (one, two), count in pairs.items() if one == two)
    assert same == 2250 - 57
    assert pairs["ambiguous", "(1.0,)"] == 3
    # "Contains errors" and the like; what neither reads was cut at the token limit.
    assert pairs["(0.0,)", "parse_error"] + pairs["(1.0,)", "parse_error"] == 34


def alpaca(raw: object) -> str:
    return raw if isinstance(raw, str) else json.dumps(raw)


def is_tied(raw: object) -> bool:
    ranks = raw.get("ordered_models", ()) if isinstance(raw, dict) else ()
    return len({entry["rank"] for entry in ranks}) == 1


def test_alpaca_eval_reads_every_logged_form() -> None:
    dialect = open_dialect("alpaca-eval:published")
    read: Counter[str] = Counter()
    for row in rows("alpaca_eval/judge_traces.jsonl.gz"):
        raw = row["raw_completion"]
        if raw is None:
            read["no completion"] += 1
            continue
        got = scores(dialect, alpaca(raw))
        assert not isinstance(got, str), got
        first, second = (float(score or 0) for score in got)
        shown = row["referenced_models"]
        if shown is not None and not is_tied(raw):
            assert row["preference"] == 1 + (second if shown["m"] == "output_1" else first)
            read["order known"] += 1
        else:
            # The order was not logged; the preference is one of the two that the verdict allows.
            assert min(abs(row["preference"] - 1 - p) for p in (first, second)) < 1e-6
            read["order unknown"] += 1
    assert read == {"order known": 9617, "order unknown": 9669, "no completion": 839}


def test_alpaca_eval_same_rank_is_a_tie_by_the_strict_rule() -> None:
    strict = open_dialect("alpaca-eval")
    ties = sum(
        scores(strict, alpaca(row["raw_completion"])) == (0.5, 0.5)
        for row in rows("alpaca_eval/judge_traces.jsonl.gz")
        if row["raw_completion"] is not None
    )
    assert ties == 21


def test_alpaca_eval_win_rates() -> None:
    dialect = open_dialect("alpaca-eval:published")
    wins: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows("alpaca_eval/judge_traces.jsonl.gz"):
        if row["preference"] is None:
            continue
        win = float(row["preference"]) - 1
        if row["raw_completion"] is not None:
            got = scores(dialect, alpaca(row["raw_completion"]))
            assert not isinstance(got, str)
            win = min((float(score or 0) for score in got), key=lambda score: abs(score - win))
        wins[row["annotator"], row["model"]].append(win)
    checked = 0
    for entry in json.loads((DATA / "alpaca_eval/replay.json").read_text()):
        values = wins.get((entry["annotator"], entry["model"]))
        if values:
            assert len(values) + entry["n_null_preference"] == entry["n"]
            rate = 100 * sum(values) / len(values)
            assert rate == pytest.approx(entry["replayed_win_rate"], abs=1e-4)
            checked += 1
    assert checked == len(wins) == 25


def test_autoj_single_ratings() -> None:
    dialect = open_dialect("mt-bench-single")
    cut = 0
    for row in rows("autoj/critique_meta_judgements.jsonl.gz"):
        got = scores(dialect, row["autoj_critique"], n=1)
        if "[[" in row["autoj_critique"]:
            assert not isinstance(got, str)
        else:
            assert got == "parse_error"
            cut += 1
    assert cut <= 5
