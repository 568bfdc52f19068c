from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deemster.errors import InputError
from deemster.judges.verifier import ExactMatch, NumericMatch
from deemster.schemas import as_query
from deemster.training.data import DataSource, answer_pairs, load_preferences
from deemster.training.data.answers import Problem

RIGHT = ["6 times 7 is 42.\nAnswer: 42", "So \\boxed{42}", "#### 42"]
WRONG = ["Answer: 41", "it is \\boxed{43}"]


def problem(name: str, solutions: list[str], reference: str = "42") -> Problem:
    return Problem(name, as_query("What is 6 * 7?"), reference, tuple(solutions), "algebra")


def test_a_right_and_a_wrong_solution_make_a_pair() -> None:
    problems = [problem(f"q{i}", RIGHT + WRONG) for i in range(200)]
    made = answer_pairs(problems, NumericMatch(), seed=3)
    assert len(made.samples) == 200
    for sample in made.samples:
        assert sample.best is not None
        assert sample.responses[sample.best].text in RIGHT
        assert sample.responses[1 - sample.best].text in WRONG
        assert sample.reference is None
        assert sample.subset == "algebra"
    places = Counter(sample.best for sample in made.samples)
    assert min(places.values()) > 70  # neither place is the right one
    assert len({s.responses[s.best or 0].text for s in made.samples}) == 3
    assert answer_pairs(problems, NumericMatch(), seed=3) == made
    assert answer_pairs(problems[::-1], NumericMatch(), seed=3).samples == made.samples[::-1]
    assert made.counts == {
        "problems": 200,
        "right": 600,
        "wrong": 400,
        "undecided": 0,
        "without_right": 0,
        "without_wrong": 0,
    }


def test_no_solution_is_in_two_pairs() -> None:
    made = answer_pairs([problem("q", RIGHT + WRONG)], NumericMatch(), pairs=9)
    assert [sample.id for sample in made.samples] == ["q/0", "q/1"]
    used = Counter(r.text for sample in made.samples for r in sample.responses)
    assert set(used.values()) == {1}


def test_problems_without_a_contrast_make_none() -> None:
    made = answer_pairs([problem("a", RIGHT), problem("b", WRONG)], NumericMatch())
    assert made.samples == []
    assert made.counts["without_wrong"] == made.counts["without_right"] == 1


def test_the_check_decides() -> None:
    made = answer_pairs([problem("a", ["Answer: Paris", "Answer: Rome"], "paris")], ExactMatch())
    [sample] = made.samples
    assert sample.responses[sample.best or 0].text == "Answer: Paris"


ROW = {"problem": "6 * 7?", "answer": "42", "solutions": RIGHT + WRONG}


def load(path: Path, rows: list[Any], **options: Any) -> list[Any]:
    path.write_text("\n".join(map(json.dumps, rows)))
    source = DataSource.model_validate({"path": str(path), "match": "numeric", **options})
    return load_preferences(source)


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    always_right = ROW | {"solutions": RIGHT}
    number = ROW | {"answer": 42, "id": "n"}
    samples = load(path, [ROW, always_right, number], pairs=2)
    assert [sample.id for sample in samples] == ["1/0", "1/1", "n/0", "n/1"]


def test_answers_compared_as_mathematics(tmp_path: Path) -> None:
    pytest.importorskip("math_verify")
    row = {"problem": "Half?", "answer": "0.5", "solutions": ["\\boxed{\\frac{1}{2}}", "Answer: 2"]}
    [sample] = load(tmp_path / "math.jsonl", [row], match="math")
    assert "frac" in sample.responses[sample.best].text


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param(ROW | {"solutions": ["Answer: 42"]}, "has 1 texts; pairs need 2", id="one"),
        pytest.param(ROW | {"solutions": "42"}, "'solutions' must be a list", id="text"),
        pytest.param(ROW | {"solutions": ["42", ""]}, "solution 1 is empty", id="blank"),
        pytest.param(ROW | {"answer": None}, "no field 'reference' or 'answer'", id="no-answer"),
        pytest.param(ROW | {"answer": " "}, "'reference' is empty", id="blank-answer"),
        pytest.param(ROW | {"answer": [1]}, "'reference' must be text or a number", id="list"),
        pytest.param(ROW | {"answer": "many"}, "reference 'many' holds no number", id="no-number"),
        pytest.param({"answer": "42", "solutions": RIGHT}, "no field 'query' or", id="no-query"),
    ],
)
def test_a_bad_problem_is_one_line_with_file_and_row(
    tmp_path: Path, row: dict[str, Any], told: str
) -> None:
    path = tmp_path / "problems.jsonl"
    with pytest.raises(InputError, match=f"problems.jsonl line 2: .*{told}") as caught:
        load(path, [ROW, row])
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("problems.jsonl") == 1
    assert len(load(path, [ROW, row], bad_rows="skip")) == 1
