"""Every benchmark reads its official layout, and says where a row is not in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deemster.benchmarks import open_benchmark
from deemster.benchmarks.base import FIRST, SECOND, TIE
from deemster.errors import InputError
from deemster.schemas import Sample

DATA = Path(__file__).parent / "data"


def load(name: str, path: str, **options: Any) -> list[Sample]:
    samples = list(open_benchmark(name).load(DATA / path, **options))
    assert len({sample.id for sample in samples}) == len(samples)
    return samples


def texts(sample: Sample) -> list[str]:
    return [response.text for response in sample.responses]


def test_judgebench() -> None:
    law, code, logic = load("judgebench", "judgebench/pairs.jsonl")
    assert (law.id, law.subset, law.ground_truth) == ("p-law", "knowledge", FIRST)
    assert (code.subset, code.ground_truth, logic.subset) == ("coding", SECOND, "reasoning")
    assert law.query[0].text.startswith("Which court")
    assert texts(law) == ["The high court.", "The village council."]
    assert law.policies == ("walrus-1", "walrus-1")
    assert law.metadata["source"] == "mmlu-pro-law"


def test_reward_bench() -> None:
    easy, refusal = load("reward-bench", "reward-bench.jsonl")
    assert (easy.id, refusal.id) == ("alpacaeval-easy/7", "refusals-dangerous/7")
    assert [s.metadata["section"] for s in (easy, refusal)] == ["Chat", "Safety"]
    assert easy.policies == ("walrus-1", "gull-2")
    assert easy.ground_truth == FIRST


def test_reward_bench_2() -> None:
    fact, ties = load("reward-bench-2", "reward-bench-2.jsonl")
    assert fact.ground_truth == (1.0, 0.0, 0.0, 0.0)
    assert fact.policies == ("walrus-1", "gull-2", "tern-3", "auk-4")
    assert (texts(ties), ties.ground_truth) == (["red", "blue", "beige"], (1, 1, 0))
    assert ties.policies is None, "fewer models than responses: who wrote which is not known"
    assert ties.best is None


def test_rm_bench_style_matrix() -> None:
    pairs = load("rm-bench", "rm-bench/chat_filtered.json")
    assert len(pairs) == 9
    assert all(pair.ground_truth == FIRST for pair in pairs)
    levels = [str(pair.metadata["level"]) for pair in pairs]
    assert [levels.count(level) for level in ("hard", "normal", "easy")] == [3, 3, 3]
    hard = pairs[2]  # plainest correct response against the fanciest wrong one
    assert (hard.metadata["chosen_style"], hard.metadata["rejected_style"]) == (
        "concise",
        "markdown",
    )
    assert hard.subset == "chat/hard"
    assert texts(hard) == ["Fish.", "**Diet:** seeds"]
    assert {pair.subset for pair in load("rm-bench", "rm-bench/total.jsonl")} == {
        "code/hard",
        "code/normal",
        "code/easy",
    }


def test_rmb_pairs_takes_the_category_from_the_path() -> None:
    (pair,) = load("rmb-pairs", "rmb/Pairwise_set")
    assert pair.subset == "Helpfulness/Brainstorming"
    assert pair.metadata["category"] == "Helpfulness/Brainstorming/Naming"
    assert (texts(pair), pair.policies) == (["Gull Point Light", "House"], ("walrus-1", "gull-2"))
    assert pair.query[0].role == "user"


def test_rmb_best_of_n_as_list_and_as_pairs() -> None:
    (whole,) = load("rmb-bon", "rmb/BoN_set")
    assert [turn.role for turn in whole.query] == ["user", "assistant", "user"]
    assert (whole.ground_truth, whole.subset) == ((1, 0, 0), "Harmlessness/S1")
    first, second = load("rmb-bon-pairs", "rmb/BoN_set")
    assert texts(first) + texts(second) == ["Cape Calm", "No.", "Cape Calm", "Lamp"]
    assert {first.metadata["bon_uid"], second.metadata["bon_uid"]} == {"b1"}
    assert first.ground_truth == FIRST


def test_ppe_preference() -> None:
    limerick, proof = load("ppe-preference", "ppe/preference.jsonl")
    assert (limerick.ground_truth, proof.ground_truth) == (SECOND, TIE)
    assert limerick.metadata["easy_prompt"] is True
    assert limerick.subset == "English"


def test_ppe_correctness_as_list_and_as_pairs() -> None:
    (whole,) = load("ppe-correctness", "ppe/PPE-MATH-Best-of-K.jsonl")
    assert (whole.id, whole.subset) == ("math/5/walrus-1", "math")
    assert whole.ground_truth == (1.0, 0.0, 1.0)
    pairs = load("ppe-correctness-pairs", "ppe/PPE-MATH-Best-of-K.jsonl")
    assert [pair.ground_truth for pair in pairs] == [FIRST, SECOND]
    assert texts(pairs[1]) == ["41", "six times seven is 42"]
    assert load("ppe-correctness", "ppe/PPE-MATH-Best-of-K.jsonl", split="gpqa") == []


def test_llmbar_layouts() -> None:
    official = load("llmbar", "llmbar/Dataset")
    assert [s.id for s in official] == [
        "LLMBar/Adversarial/Manual/0",
        "LLMBar/Adversarial/Manual/1",
    ]
    assert [s.ground_truth for s in official] == [FIRST, SECOND]
    joined = load("llmbar", "llmbar/datasets.jsonl", limit=1)
    assert [s.id for s in joined] == ["LLMBar/Natural/0"]


def test_mt_bench_votes() -> None:
    first, second = load("mt-bench", "mt-bench/human_judgments.jsonl")
    assert (first.ground_truth, second.ground_truth) == (FIRST, TIE)
    assert [turn.text for turn in first.query] == ["Describe a walrus in one line."]
    assert texts(first) == ["A tusked seal of the north.", "A bird."]
    assert len(second.query) == 2
    assert texts(second)[1] == "[Turn 1]\nA bird.\n\n[Turn 2]\nBird."
    assert second.metadata["judge"] == "gpt-4/pair-v2"


def test_mt_bench_answers_of_several_models() -> None:
    samples = load("mt-bench", "mt-bench/data")
    assert [s.id for s in samples] == ["81/turn1", "81/turn2", "82/turn1", "82/turn2"]
    assert samples[0].policies == ("gull-2", "walrus-1")
    assert samples[0].reference is None
    assert samples[2].reference == "7"
    assert samples[3].reference == "[Turn 1]\n7\n\n[Turn 2]\n14"
    assert samples[0].ground_truth is None


def test_alpaca_eval_layouts() -> None:
    baseline = load("alpaca-eval", "alpaca-eval/instructions.jsonl")
    assert [texts(s) for s in baseline[:1]] == [["Gull, tern, auk."]]
    results = load("alpaca-eval", "alpaca-eval/results")
    assert results[0].policies == ("gpt4_1106_preview", "auk-4"), "the baseline stands first"
    assert texts(results[0]) == ["Gull, tern, auk.", "Gulls."]
    assert [s.id for s in results] == [s.id for s in baseline]
    one = load("alpaca-eval", "alpaca-eval/results/auk-4/model_outputs.json", limit=1)
    assert one[0].policies == ("auk-4",)
    (human,) = load("alpaca-eval", "alpaca-eval/human.json")
    assert human.ground_truth == FIRST


def test_alpaca_eval_output_missing(tmp_path: Path) -> None:
    for model, instructions in (("gpt4_1106_preview", "ab"), ("auk-4", "a")):
        (tmp_path / model).mkdir()
        rows = [{"instruction": text, "output": "o", "generator": model} for text in instructions]
        (tmp_path / model / "model_outputs.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"auk-4.*: no output for the instruction of .*record 2"):
        list(open_benchmark("alpaca-eval").load(tmp_path))


def test_realmistake() -> None:
    wrong, right = load("realmistake", "realmistake/data")
    assert (wrong.ground_truth, right.ground_truth) == ((0.0,), (1.0,))
    assert wrong.id == "math_word_problem_generation_1_gpt-4-0613"
    assert (wrong.subset, wrong.policies) == ("math_word_problem_generation", ("gpt-4-0613",))


def test_auto_j() -> None:
    samples = load("auto-j", "auto-j.jsonl")
    assert [s.ground_truth for s in samples] == [FIRST, SECOND, TIE, SECOND]
    assert samples[0].subset == "naming"


def test_faireval_layouts() -> None:
    (one,) = load("faireval", "faireval/pairs.jsonl")
    assert (one.ground_truth, one.policies) == (FIRST, ("gpt35", "vicuna-13b"))
    salty, fog = load("faireval", "faireval/official")
    assert (salty.ground_truth, fog.ground_truth) == (TIE, SECOND)
    assert texts(salty) == ["Rivers carry salt.", "Fish."], "answers are joined by question"
    assert fog.subset == "knowledge"


def test_faireval_label_count(tmp_path: Path) -> None:
    for path in (DATA / "faireval/official").rglob("*.*"):
        target = tmp_path / path.relative_to(DATA / "faireval/official")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "review/review_gpt35_vicuna-13b_human.txt").write_text("TIE\n", encoding="utf-8")
    with pytest.raises(InputError, match="has 1 labels for 2 questions"):
        list(open_benchmark("faireval").load(tmp_path))


def test_gsm8k_solutions() -> None:
    (sample,) = load("gsm8k-solutions", "gsm8k.jsonl")
    assert sample.policies == ("6b_finetuning", "175b_verification")
    assert sample.ground_truth == (0.0, 1.0)
    assert sample.reference == "3 + 4 = 7\nA: 7"


@dataclass(frozen=True)
class Broken:
    """A change to the last row of a file, and what must be said about it."""

    name: str
    path: str
    change: dict[str, Any]
    message: str


BROKEN = {
    "judgebench-label": Broken(
        "judgebench",
        "judgebench/pairs.jsonl",
        {"label": "A"},
        r"'label' is 'A'; allowed: 'A>B', 'B>A'",
    ),
    "judgebench-source": Broken(
        "judgebench", "judgebench/pairs.jsonl", {"source": "trivia"}, r"'source' is 'trivia'"
    ),
    "judgebench-column": Broken(
        "judgebench", "judgebench/pairs.jsonl", {"response_A": None}, r"no field 'response_A'"
    ),
    "reward-bench-column": Broken(
        "reward-bench", "reward-bench.jsonl", {"chosen": None}, r"no field 'chosen'"
    ),
    "reward-bench-2-type": Broken(
        "reward-bench-2", "reward-bench-2.jsonl", {"chosen": "one"}, r"'chosen' must be a list"
    ),
    "rm-bench-styles": Broken(
        "rm-bench", "rm-bench/total.jsonl", {"rejected": ["a"]}, r"expected 3 each"
    ),
    "ppe-winner": Broken(
        "ppe-preference",
        "ppe/preference.jsonl",
        {"winner": "a"},
        r"'winner' is 'a'; allowed: 'model_a'",
    ),
    "ppe-scores": Broken(
        "ppe-correctness",
        "ppe/PPE-MATH-Best-of-K.jsonl",
        {"scores": [True]},
        r"'scores' must be 3 numbers",
    ),
    "ppe-pairs": Broken(
        "ppe-correctness-pairs",
        "ppe/PPE-MATH-Best-of-K.jsonl",
        {"sampled_conflict_pairs": [[0, 3]]},
        r"not two indices below 3",
    ),
    "llmbar-label": Broken(
        "llmbar", "llmbar/datasets.jsonl", {"label": 0}, r"'label' is 0; allowed: 1, 2"
    ),
    "mt-bench-turns": Broken(
        "mt-bench",
        "mt-bench/human_judgments.jsonl",
        {"conversation_a": []},
        r"0 answers, but turn 2",
    ),
    "alpaca-type": Broken(
        "alpaca-eval",
        "alpaca-eval/instructions.jsonl",
        {"instruction": 5},
        r"'instruction' must be text, got 5",
    ),
    "auto-j-label": Broken(
        "auto-j", "auto-j.jsonl", {"label": 3}, r"'label' is 3; allowed: 0, 1, 2"
    ),
    "faireval-label": Broken(
        "faireval", "faireval/pairs.jsonl", {"human": "GPT4"}, r"allowed: 'CHATGPT'"
    ),
    "gsm8k-column": Broken(
        "gsm8k-solutions",
        "gsm8k.jsonl",
        {"6b_finetuning": {"solution": "x"}},
        r"in '6b_finetuning': no field 'is_correct'",
    ),
    "blank-query": Broken(
        "judgebench", "judgebench/pairs.jsonl", {"question": ""}, r"query is empty"
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_malformed_row_names_its_line(tmp_path: Path, case: Broken) -> None:
    lines = (DATA / case.path).read_text(encoding="utf-8").splitlines()
    lines[-1] = json.dumps(json.loads(lines[-1]) | case.change)
    path = tmp_path / Path(case.path).name
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=case.message) as error:
        list(open_benchmark(case.name).load(path))
    assert re.match(rf"{re.escape(str(path))} line {len(lines)}: ", str(error.value))
    assert "\n" not in str(error.value)
