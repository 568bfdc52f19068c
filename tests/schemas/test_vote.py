from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from deemster.schemas import Failure, Judgment, Principle, Scale, Vote

TEN = {"low": 1, "high": 10}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"scores": []}, "at least 1 item", id="no-scores"),
        pytest.param({"scores": [None, None]}, "at least one score", id="all-none"),
        pytest.param({"scores": [0], "scale": TEN}, "off the scale", id="below"),
        pytest.param({"scores": [11], "scale": TEN}, "off the scale", id="above"),
        pytest.param({"scores": [7.5], "scale": TEN}, "off the scale", id="not-whole"),
        pytest.param({"scores": [1, 2], "order": [0, 2]}, "order", id="order-too-high"),
        pytest.param({"scores": [1, 2], "order": [0, 0]}, "at most once", id="order-twice"),
        pytest.param({"scores": [1, 2], "order": [-1]}, "order", id="order-negative"),
        pytest.param(
            {"scores": [1], "critiques": [{"response": 1, "text": ""}]},
            "critique of response 1, but there are 1",
            id="critique-of-none",
        ),
        pytest.param(
            {
                "scores": [1],
                "principles": [{"name": "a"}],
                "critiques": [{"response": 0, "text": "", "scores": [1, 2]}],
            },
            "2 scores for 1 principles",
            id="scores-per-principle",
        ),
        pytest.param({"scores": [1], "status": "timeout"}, "not permitted", id="status"),
    ],
)
def test_inconsistent_judgment(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Judgment.model_validate(fields)


def test_judgment_may_leave_responses_out() -> None:
    judgment = Judgment(scores=(None, 7, 2), order=(2, 1), scale=Scale(low=1, high=10))
    assert judgment.scores == (None, 7.0, 2.0)
    assert Judgment(scores=(7.5,), scale=Scale(low=1, high=10, integer=False)).scores == (7.5,)
    assert Judgment(scores=(-123.4,)).scale is None


def test_failure_has_no_scores() -> None:
    with pytest.raises(ValidationError, match="not permitted"):
        Failure.model_validate({"status": "timeout", "message": "m", "scores": [0]})
    with pytest.raises(ValidationError, match="Input should be 'parse_error'"):
        Failure.model_validate({"status": "bad", "message": "m"})


def test_kind_tells_votes_apart() -> None:
    adapter: TypeAdapter[Vote] = TypeAdapter(Vote)
    for vote in (
        Judgment(scores=(1.0,), principles=(Principle(name="p"),)),
        Failure(status="refused", message="no"),
    ):
        again = adapter.validate_json(adapter.dump_json(vote))
        assert type(again) is type(vote)
        assert again == vote
    with pytest.raises(ValidationError, match="kind"):
        adapter.validate_python({"scores": [1]})
