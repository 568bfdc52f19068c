"""Every trace format: votes from raw text in the caller's order, judges told apart."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deemster.aggregators import parse_aggregator
from deemster.benchmarks import TRACE_FORMATS, open_trace_format
from deemster.errors import InputError
from deemster.schemas import Failure, Judgment, Sample, Vote

DATA = Path(__file__).parent / "data"
PAIRS = "judgebench/pairs.jsonl"
Read = list[tuple[Sample, tuple[Vote, ...]]]


def read(name: str, traces: str, data: str | None = None, judge: str | None = None) -> Read:
    found = list(
        open_trace_format(name).read(
            DATA / traces, None if data is None else DATA / data, judge=judge
        )
    )
    assert len({sample.id for sample, _ in found}) == len(found)
    for _, votes in found:
        assert [vote.draw for vote in votes] == list(range(len(votes)))
    return found


def said(votes: tuple[Vote, ...]) -> list[object]:
    """The scores of judgments and the status of failures."""
    return [vote.scores if isinstance(vote, Judgment) else vote.status for vote in votes]


def rewards(name: str, votes: tuple[Vote, ...]) -> tuple[float, ...] | None:
    reader = open_trace_format(name)
    return parse_aggregator(reader.aggregator)(votes, min_valid=reader.min_valid(len(votes)))


@pytest.mark.parametrize("name", TRACE_FORMATS.names())
def test_registered_under_its_own_name(name: str) -> None:
    reader = open_trace_format(name)
    assert reader.name == name
    assert reader.description
    parse_aggregator(reader.aggregator)


def test_names_of_the_formats() -> None:
    assert set(TRACE_FORMATS.names()) >= {
        "judgebench", "mt-bench-pairs", "mt-bench-single", "llmbar", "realmistake", "alpaca-eval",
        "rb2-ratings", "auto-j",
    }  # fmt: skip


def test_judgebench_games() -> None:
    law, code, logic = read("judgebench", "judgebench/traces/heron.jsonl", PAIRS)
    assert said(law[1]) == [(1.0, 0.0), (0.75, 0.25)], "the second game is swapped back"
    assert [vote.order for vote in law[1]] == [(0, 1), (1, 0)]
    assert law[1][0].raw.endswith("[[A>>B]]")
    assert said(code[1]) == [(0.5, 0.5), "ambiguous"]
    assert said(logic[1]) == ["parse_error", (0.25, 0.75)]
    assert rewards("judgebench", law[1]) == (2, 0)
    assert rewards("judgebench", code[1]) == (0, 0), "a tie gives nothing to anyone"
    assert law[0].metadata["judge"] == "heron"
    assert law[0].subset == "knowledge"


def test_judgebench_reward_model_scores_are_in_the_order_shown() -> None:
    ((_, votes),) = read("judgebench", "judgebench/scalar.jsonl", PAIRS)
    assert said(votes) == [(1.5, -2.0), (1.5, -2.0)]


def test_judgebench_official_layout_needs_no_data() -> None:
    law, code = read("judgebench", "judgebench/official.jsonl")
    assert said(law[1]) == [(0.75, 0.25), (0.25, 0.75)]
    assert said(code[1]) == ["api_error", (0.0, 1.0)], "a failed call has no completion"


def test_judgebench_directory_holds_a_judge_a_file() -> None:
    assert len(read("judgebench", "judgebench/traces", PAIRS, "heron")) == 3


def test_mt_bench_pairs() -> None:
    first, second = read("mt-bench-pairs", "mt-bench/pairs.jsonl", "mt-bench/data", "Heron-7B")
    assert said(first[1]) == [(1.0, 0.0), (1.0, 0.0)]
    assert said(second[1]) == [(0.0, 1.0), (1.0, 0.0)], "this tool takes the last of two verdicts"
    assert first[0].policies == ("walrus-1", "gull-2")
    assert [turn.text for turn in first[0].query][1] == "Now without the letter e."
    assert second[0].subset == "writing"
    assert rewards("mt-bench-pairs", second[1]) == (1, 1)
    ((_, failed),) = read("mt-bench-pairs", "mt-bench/pairs.jsonl", None, "Ibis-2B")
    assert said(failed) == ["parse_error", "empty"]


def test_fastchat_pairs_and_ratings_in_one_file() -> None:
    ((pair, votes),) = read("mt-bench-pairs", "mt-bench/fastchat.jsonl")
    assert said(votes) == [(1.0, 0.0), (1.0, 0.0)]
    assert pair.policies == ("walrus-1", "gull-2")
    ratings = read("mt-bench-single", "mt-bench/fastchat.jsonl", "mt-bench/data/question.jsonl")
    assert [said(votes)[0] for _, votes in ratings] == [(7.0,), "api_error", (3.0,)]
    assert ratings[1][1][0].raw == "$ERROR$"
    assert ratings[2][0].id == ratings[1][0].id + "#2", "judged twice"
    assert ratings[0][0].subset == "writing"
    assert ratings[0][0].metadata["dialect"] == "mt-bench-single:first"


def test_mt_bench_single_turns_are_samples() -> None:
    (one, two) = read("mt-bench-single", "mt-bench/single.jsonl")
    assert (said(one[1]), said(two[1])) == ([(8.0,)], [(6.5,)])
    assert [sample.metadata["turn"] for sample, _ in (one, two)] == [1, 2]
    assert one[0].query == ()


def test_mt_bench_without_the_kind() -> None:
    with pytest.raises(InputError, match=r"single\.jsonl holds no pairs"):
        read("mt-bench-pairs", "mt-bench/single.jsonl")


@pytest.mark.parametrize(
    ("strategy", "expected", "rule"),
    [
        pytest.param(
            "CoT", [[(1, 0), (1, 0)], ["parse_error", (0, 1)]], "llmbar:phrase", id="phrase"
        ),
        pytest.param(
            "Vanilla", [[(1, 0), (0, 1)], ["refused", (0, 1)]], "llmbar:label", id="label"
        ),
        pytest.param("Swap", [[(1, 0), (1, 0)], [(0, 1), (0, 1)]], "llmbar:label", id="last-step"),
        pytest.param(
            "Rating",
            [[(9, None), (None, 4)], [(7, None), "parse_error"]],
            "llmbar-rating",
            id="ratings",
        ),
    ],
)
def test_llmbar_strategies(strategy: str, expected: list[list[object]], rule: str) -> None:
    found = read("llmbar", "llmbar/traces.jsonl", "llmbar/datasets.jsonl", f"Heron/{strategy}")
    assert [said(votes) for _, votes in found] == expected
    assert found[0][0].metadata["dialect"] == rule
    assert found[0][0].responses[0].text == "Bonjour"


def test_llmbar_second_step_of_swap_is_a_label_and_the_first_a_phrase() -> None:
    two_steps, one_step = read("llmbar", "llmbar/traces.jsonl", None, "Heron/Swap")
    assert two_steps[0].metadata["dialect"] == "llmbar:label"
    assert one_step[0].metadata["dialect"] == "llmbar:phrase"


def test_llmbar_ratings_aggregate_across_votes() -> None:
    rated, half = read("llmbar", "llmbar/traces.jsonl", None, "Heron/Rating")
    assert rewards("llmbar", rated[1]) == (9, 4)
    assert rewards("llmbar", half[1]) is None, "a response without score cannot be ranked"


def test_llmbar_official_layout() -> None:
    ((sample, votes),) = read("llmbar", "llmbar/official")
    assert said(votes) == [(1, 0), (1, 0)]
    assert (sample.id, sample.metadata["judge"]) == ("LLMBar/Natural/0", "Heron/CoT")


def test_realmistake_majority_needs_more_than_half() -> None:
    wrong, right = read("realmistake", "realmistake/traces.jsonl", "realmistake/data", "heron")
    assert said(wrong[1]) == [(0,), (1,), (0,)]
    assert rewards("realmistake", wrong[1]) == (0.0,)
    assert wrong[0].ground_truth == (0.0,)
    assert said(right[1]) == [(1,), "parse_error", "parse_error"]
    assert rewards("realmistake", right[1]) is None
    assert wrong[0].responses[0].text == "What is 2 + 2?"
    ((_, single),) = read("realmistake", "realmistake/traces.jsonl", None, "ibis")
    assert said(single) == [(0,)]


def test_alpaca_eval_order_follows_from_the_instruction() -> None:
    birds, knot, nothing = read(
        "alpaca-eval", "alpaca-eval/annotations.jsonl", "alpaca-eval/instructions.jsonl", "heron_fn"
    )
    assert {birds[1][0].order, knot[1][0].order} == {(0, 1), (1, 0)}
    assert (said(birds[1]), said(knot[1])) == ([(1, 0)], [(0, 1)])
    assert said(nothing[1]) == [(0.5, 0.5)], "equal outputs were never shown"
    assert nothing[1][0].raw == ""
    assert birds[0].policies == ("gpt4_1106_preview", "auk-4")
    assert birds[0].subset == "auk-4"
    assert birds[0].responses[0].text == "Gull, tern, auk."
    assert birds[0].ground_truth is None


def test_alpaca_eval_weights_log_probabilities() -> None:
    birds, failed = read(
        "alpaca-eval",
        "alpaca-eval/annotations.jsonl",
        "alpaca-eval/instructions.jsonl",
        "ibis_weighted",
    )
    (vote,) = birds[1]
    assert isinstance(vote, Judgment)
    model_first = vote.order == (1, 0)
    assert vote.scores == pytest.approx((0.25, 0.75) if model_first else (0.75, 0.25))
    assert json.loads(vote.raw)["text"] == "m"
    assert said(failed[1]) == ["api_error"]


def test_alpaca_eval_order_from_the_log_itself(tmp_path: Path) -> None:
    row = {
        "annotator": "a", "model": "m", "instruction_sha1": "0" * 12, "preference": 2,
        "referenced_models": {"m": "output_2", "M": "output_1"}, "raw_completion": "m",
    }  # fmt: skip
    path = tmp_path / "annotations.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    reader = open_trace_format("alpaca-eval")
    ((_, votes),) = reader.read(path)
    assert (votes[0].order, said(votes)) == ((1, 0), [(0, 1)])
    path.write_text(json.dumps(row | {"referenced_models": None}), encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1: the order shown is unknown; give --data"):
        list(reader.read(path))


def test_rb2_ratings() -> None:
    fact, safe = read("rb2-ratings", "rb2-ratings.jsonl", None, "full")
    assert said(fact[1]) == [(7, 7, 3, 2), (6, 5, 3, 2)]
    assert rewards("rb2-ratings", fact[1][:1]) == (7, 7, 3, 2)
    assert rewards("rb2-ratings", fact[1]) == (6.5, 6, 3, 2)
    assert said(safe[1]) == [(9, 8, 8, 1), "refused"]
    (mini, _) = read("rb2-ratings", "rb2-ratings.jsonl", None, "mini")
    assert said(mini[1]) == [(5, 5, 4, 1), (5, 6, None, 1)]
    assert rewards("rb2-ratings", mini[1]) == (5, 5.5, 4, 1), "mean over the ratings there are"
    assert mini[0].ground_truth == (1, 0, 0, 0)


def test_rb2_ratings_take_texts_from_the_data(tmp_path: Path) -> None:
    line = (DATA / "rb2-ratings.jsonl").read_text(encoding="utf-8").splitlines()[0]
    path = tmp_path / "ratings.jsonl"
    path.write_text(line, encoding="utf-8")
    reader = open_trace_format("rb2-ratings")
    ((sample, _),) = reader.read(path, DATA / "reward-bench-2.jsonl", judge="mini")
    assert sample.responses[0].text == "Strelsau"
    assert sample.metadata["judge"] == "mini"


def test_auto_j_numbers_and_texts() -> None:
    found = read("auto-j", "auto-j.jsonl")
    assert [said(votes) for _, votes in found] == [
        [(1, 0), (1, 0)],
        [(1, 0), (0, 1)],
        [(0.5, 0.5), (0.5, 0.5)],
        [(0, 1), (0.5, 0.5)],
    ]
    assert found[3][1][0].raw == "So, the final decision is Response 2"
    assert found[2][0].best is None
    with_data = read("auto-j", "auto-j.jsonl", "auto-j.jsonl")
    assert [sample.id for sample, _ in with_data] == [sample.id for sample, _ in found]


@pytest.mark.parametrize(
    ("name", "traces", "judges"),
    [
        pytest.param("mt-bench-pairs", "mt-bench/pairs.jsonl", "Heron-7B, Ibis-2B", id="mt-bench"),
        pytest.param("llmbar", "llmbar/traces.jsonl", "Heron/CoT, Heron/Vanilla", id="llmbar"),
        pytest.param("realmistake", "realmistake/traces.jsonl", "heron, ibis", id="realmistake"),
        pytest.param(
            "alpaca-eval",
            "alpaca-eval/annotations.jsonl",
            "heron_fn, ibis_weighted",
            id="alpaca-eval",
        ),
        pytest.param("rb2-ratings", "rb2-ratings.jsonl", "full, mini", id="rb2-ratings"),
    ],
)
def test_several_judges_must_be_told_apart(name: str, traces: str, judges: str) -> None:
    with pytest.raises(InputError, match=rf"holds \d judges; name one of them: {judges}"):
        read(name, traces)
    with pytest.raises(InputError, match=rf"no judge 'nobody' in .*; judges there: {judges}"):
        read(name, traces, judge="nobody")


@pytest.mark.parametrize(
    ("name", "traces"),
    [("judgebench", "judgebench/official.jsonl"), ("auto-j", "auto-j.jsonl")],
)
def test_a_log_that_names_no_judge_takes_the_given_name(name: str, traces: str) -> None:
    found = read(name, traces, judge="mine")
    assert {sample.metadata["judge"] for sample, _ in found} == {"mine"}


@pytest.mark.parametrize(
    ("name", "traces", "data", "judge"),
    [
        ("judgebench", "judgebench/traces/heron.jsonl", PAIRS, None),
        ("judgebench", "judgebench/scalar.jsonl", PAIRS, None),
        ("mt-bench-pairs", "mt-bench/pairs.jsonl", None, "Heron-7B"),
        ("llmbar", "llmbar/traces.jsonl", None, "Heron/CoT"),
        ("realmistake", "realmistake/traces.jsonl", None, "heron"),
        ("rb2-ratings", "rb2-ratings.jsonl", None, "full"),
        ("auto-j", "auto-j.jsonl", None, None),
    ],
)
def test_a_csv_file_is_read_as_the_jsonl_it_was_made_of(
    tmp_path: Path, name: str, traces: str, data: str | None, judge: str | None
) -> None:
    whole = read(name, traces, data, judge)
    rows = [json.loads(line) for line in (DATA / traces).read_text().splitlines() if line.strip()]
    path = tmp_path / f"{Path(traces).stem}.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        for row in rows:
            held = (list, dict)
            table.writerow({k: json.dumps(v) if isinstance(v, held) else v for k, v in row.items()})
    again = list(
        open_trace_format(name).read(path, None if data is None else DATA / data, judge=judge)
    )
    assert [said(votes) for _, votes in again] == [said(votes) for _, votes in whole]
    assert [sample.ground_truth for sample, _ in again] == [one.ground_truth for one, _ in whole]


def test_llmbar_official_layout_from_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (log,) = (DATA / "llmbar/official").rglob("result.json")
    monkeypatch.chdir(log.parent)
    ((sample, votes),) = open_trace_format("llmbar").read(Path("result.json"))
    assert said(votes) == [(1, 0), (1, 0)]
    assert (sample.id, sample.metadata["judge"]) == ("LLMBar/Natural/0", "Heron/CoT")


def test_rb2_keeps_why_a_response_has_no_rating() -> None:
    (mini, _) = read("rb2-ratings", "rb2-ratings.jsonl", None, "mini")
    assert "response 3 has no rating" in mini[1][1].warnings[0]


def test_judgebench_needs_the_pairs() -> None:
    with pytest.raises(InputError, match="'judgebench' needs the judged data: give --data with"):
        read("judgebench", "judgebench/traces/heron.jsonl")


@dataclass(frozen=True)
class Broken:
    """A change to the last row of a log, and what must be said about it."""

    name: str
    traces: str
    change: dict[str, Any]
    message: str
    data: str | None = None
    judge: str | None = None


BROKEN = {
    "judgebench-pair": Broken(
        "judgebench",
        "judgebench/traces/heron.jsonl",
        {"pair_id": "p-x"},
        "no pair 'p-x' in",
        data=PAIRS,
    ),
    "judgebench-game": Broken(
        "judgebench",
        "judgebench/traces/heron.jsonl",
        {"game": 2},
        "'game' is 2; allowed: 0, 1",
        data=PAIRS,
    ),
    "judgebench-twice": Broken(
        "judgebench", "judgebench/traces/heron.jsonl", {"game": 0}, "occurs twice", data=PAIRS
    ),
    "judgebench-scores": Broken(
        "judgebench", "judgebench/scalar.jsonl", {"scores": [1]}, "must be two numbers", data=PAIRS
    ),
    "judgebench-games": Broken(
        "judgebench", "judgebench/official.jsonl", {"judgments": [None] * 3}, "3 games of one pair"
    ),
    "mt-bench-turn": Broken(
        "mt-bench-pairs",
        "mt-bench/pairs.jsonl",
        {"turn": 3},
        "'turn' is 3; allowed: 1, 2",
        judge="Ibis-2B",
    ),
    "mt-bench-question": Broken(
        "mt-bench-pairs",
        "mt-bench/pairs.jsonl",
        {"question_id": 9},
        "question 9 is not among",
        data="mt-bench/data",
        judge="Ibis-2B",
    ),
    "mt-bench-model": Broken(
        "mt-bench-single",
        "mt-bench/single.jsonl",
        {"model_id": None},
        "no field 'model_id' or 'model'",
    ),
    "llmbar-results": Broken(
        "llmbar", "llmbar/traces.jsonl", {"results": []}, "'results' is empty", judge="Heron/Rating"
    ),
    "llmbar-completion": Broken(
        "llmbar",
        "llmbar/traces.jsonl",
        {"results": [{"score_1": ["9"], "score_2": ["9", "stop"]}]},
        r"must be \[text, reason",
        judge="Heron/Rating",
    ),
    "llmbar-label": Broken(
        "llmbar",
        "llmbar/traces.jsonl",
        {"label": 1},
        "is not that of the data",
        data="llmbar/datasets.jsonl",
        judge="Heron/Rating",
    ),
    "llmbar-row": Broken(
        "llmbar",
        "llmbar/traces.jsonl",
        {"idx": 7},
        "no row 'LLMBar/Natural/7' in the data",
        data="llmbar/datasets.jsonl",
        judge="Heron/Rating",
    ),
    "realmistake-samples": Broken(
        "realmistake",
        "realmistake/traces.jsonl",
        {"samples": [1]},
        "'samples' must be a list of 1 or more texts",
        judge="ibis",
    ),
    "realmistake-label": Broken(
        "realmistake",
        "realmistake/traces.jsonl",
        {"label": "maybe"},
        "allowed: 'no_error', 'error'",
        judge="ibis",
    ),
    "alpaca-preference": Broken(
        "alpaca-eval",
        "alpaca-eval/annotations.jsonl",
        {"preference": 3, "raw_completion": None},
        "preference 3 is neither 0 nor from 1 to 2",
        data="alpaca-eval/instructions.jsonl",
        judge="ibis_weighted",
    ),
    "alpaca-instruction": Broken(
        "alpaca-eval",
        "alpaca-eval/annotations.jsonl",
        {"instruction_sha1": "f" * 12},
        "no instruction 'ffffffffffff' in the data",
        data="alpaca-eval/instructions.jsonl",
        judge="ibis_weighted",
    ),
    "rb2-ragged": Broken(
        "rb2-ratings",
        "rb2-ratings.jsonl",
        {"full_scores": [[1, 2], [3]]},
        "one list per response, all of one length",
        judge="full",
    ),
    "rb2-scale": Broken(
        "rb2-ratings",
        "rb2-ratings.jsonl",
        {"full_scores": [[11], [3]]},
        "rating 11 is not a whole number from 1 to 10",
        judge="full",
    ),
    "rb2-type": Broken(
        "rb2-ratings",
        "rb2-ratings.jsonl",
        {"full_scores": [["9"], [3]]},
        "rating '9' is not a number",
        judge="full",
    ),
    "auto-j-verdict": Broken(
        "auto-j", "auto-j.jsonl", {"autoj_verdict": 5}, "'autoj_verdict' is 5; allowed: 0, 1, 2"
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_malformed_row_names_its_line(tmp_path: Path, case: Broken) -> None:
    lines = (DATA / case.traces).read_text(encoding="utf-8").splitlines()
    lines[-1] = json.dumps(json.loads(lines[-1]) | case.change)
    path = tmp_path / Path(case.traces).name
    path.write_text("\n".join(lines), encoding="utf-8")
    data = None if case.data is None else DATA / case.data
    with pytest.raises(InputError, match=case.message) as error:
        list(open_trace_format(case.name).read(path, data, judge=case.judge))
    assert re.match(rf"{re.escape(str(path))} line \d+: ", str(error.value))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", TRACE_FORMATS.names())
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param(
            '{"unrelated": 1}', "line 1: no field|holds no|has no column", id="other-file"
        ),
        pytest.param("{", "line 1: not JSON", id="not-json"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        list(open_trace_format(name).read(path, DATA / PAIRS if name == "judgebench" else None))


def test_failures_keep_the_raw_text() -> None:
    _, code, _ = read("judgebench", "judgebench/traces/heron.jsonl", PAIRS)
    failed = code[1][1]
    assert isinstance(failed, Failure)
    assert failed.raw == "First [[A>B]], on reflection [[B>A]]"
    assert failed.order == (1, 0)
