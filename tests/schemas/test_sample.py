from __future__ import annotations

from typing import Any

import pytest

from deemster.errors import InputError
from deemster.schemas import Sample


@pytest.mark.parametrize(
    ("truth", "best"),
    [
        pytest.param(None, None, id="unknown"),
        pytest.param([1, 0], 0, id="first"),
        pytest.param([0, 1, 0.5], 1, id="middle"),
        pytest.param([1, 1], None, id="tie"),
        pytest.param([1, 0, 1], None, id="tie-on-top"),
        pytest.param([0, 2, 0], 1, id="tie-below"),
    ],
)
def test_best(truth: list[float] | None, best: int | None) -> None:
    n = len(truth) if truth else 2
    row = {"query": "q", "responses": ["r"] * n, "ground_truth": truth}
    assert Sample.model_validate(row).best == best


def test_single_response_has_no_best() -> None:
    assert (
        Sample.model_validate({"query": "q", "responses": ["r"], "ground_truth": [1]}).best is None
    )


def test_parse_reads_shorthand() -> None:
    sample = Sample.parse(
        {"query": "q", "responses": ["a", "b"], "metadata": {"n": [1, None]}}, where="f line 1"
    )
    assert sample.query[0].text == "q"
    assert [response.text for response in sample.responses] == ["a", "b"]
    assert Sample.parse({"query": [], "responses": ["a"]}, where="f").query == ()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param([], "expected a JSON object, got list", id="list"),
        pytest.param({"query": "q"}, "responses: Field required", id="no-responses"),
        pytest.param({"responses": ["a"]}, "query: Field required", id="no-query"),
        pytest.param({"query": "", "responses": ["a"]}, "query is empty", id="blank-query"),
        pytest.param({"query": "q", "responses": []}, "responses is empty", id="empty-responses"),
        pytest.param({"query": "q", "responses": "a"}, "responses must be a list", id="text"),
        pytest.param({"query": "q", "responses": ["a"], "x": 1}, "x: Extra inputs", id="unknown"),
        pytest.param(
            {"query": "q", "responses": ["a"], "ground_truth": [1, 0]},
            "ground_truth has 2 entries for 1 responses",
            id="truth-too-long",
        ),
        pytest.param(
            {"query": "q", "responses": ["a"], "policies": []},
            "policies has 0 entries for 1 responses",
            id="policies-too-short",
        ),
        pytest.param(
            {"query": "q", "responses": ["a"], "ground_truth": ["1"]},
            "ground_truth.0: Input should be a valid number, got '1'",
            id="truth-text",
        ),
    ],
)
def test_parse_says_where_and_what(row: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Sample.parse(row, where="data.jsonl line 3")
    assert str(caught.value).startswith("data.jsonl line 3: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
