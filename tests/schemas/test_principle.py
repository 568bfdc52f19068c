from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deemster.schemas import Principle, Rubric, normalise_weights


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=12).filter(lambda w: sum(w) > 0))
def test_normalised_weights_sum_to_one(weights: list[float]) -> None:
    before = tuple(Principle(name=str(i), weight=weight) for i, weight in enumerate(weights))
    after = normalise_weights(before)
    assert math.fsum(p.weight for p in after) == pytest.approx(1, abs=1e-9)
    assert [p.name for p in after] == [p.name for p in before]
    for p, q in zip(before, after, strict=True):
        assert q.weight == pytest.approx(p.weight / sum(weights), abs=1e-12)


def test_normalising_is_idempotent_and_takes_none() -> None:
    principles = normalise_weights([Principle(name="a", weight=1), Principle(name="b", weight=2)])
    assert normalise_weights(principles) == principles
    assert normalise_weights([]) == ()


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        pytest.param([0.0], "all principle weights are 0", id="zero"),
        pytest.param([0.0, 0.0], "all principle weights are 0", id="zeros"),
        pytest.param([1e308, 1e308], "too large", id="overflow"),
    ],
)
def test_weights_that_cannot_be_shared_out(weights: list[float], said: str) -> None:
    principles = [Principle(name=str(i), weight=weight) for i, weight in enumerate(weights)]
    with pytest.raises(ValueError, match=said):
        normalise_weights(principles)
    with pytest.raises(ValidationError, match=said):
        Rubric(name="r", principles=tuple(principles))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"name": ""}, "at least 1 character", id="no-name"),
        pytest.param({"name": "n" * 201}, "at most 200 characters", id="long-name"),
        pytest.param({"name": "a", "weight": -0.1}, "greater than or equal to 0", id="negative"),
        pytest.param(
            {"name": "a", "bands": [{"low": 2, "high": 1, "meaning": ""}]}, "upside down", id="band"
        ),
        pytest.param(
            {
                "name": "a",
                "bands": [
                    {"low": 1, "high": 5, "meaning": ""},
                    {"low": 6, "high": 10, "meaning": ""},
                ],
            },
            "best first",
            id="worst-first",
        ),
    ],
)
def test_bad_principle(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Principle.model_validate(fields)


def test_rubric_needs_distinct_principles() -> None:
    with pytest.raises(ValidationError, match="must differ"):
        Rubric(name="r", principles=(Principle(name="a"), Principle(name="a")))
    with pytest.raises(ValidationError, match="at least 1 item"):
        Rubric(name="r", principles=())
