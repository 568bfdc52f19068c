"""pandas and datasets."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.integrations.test_groups import judge

import deemster.integrations.pandas  # noqa: F401 - registers the accessor
from deemster.errors import InputError
from deemster.integrations.datasets import scored

FRAME = pd.DataFrame(
    {"q": ["Why?", "How?", "Who?"], "a": ["ab", "boom", "xy"], "b": ["abcd", "x", "yx"]},
    index=[7, 8, 9],
)


def test_a_frame_keeps_its_index_and_says_what_is_missing() -> None:
    found = FRAME.deemster.score(judge(k=2), query="q", responses=["a", "b"])
    assert list(found.index) == [7, 8, 9]
    assert found.loc[7, ["score_a", "score_b", "best"]].tolist() == [2.0, 4.0, "b"]
    assert pd.isna(found.loc[8, "score_a"])
    assert "parse_error" in found.loc[8, "no_verdict"]
    assert pd.isna(found.loc[9, "best"])  # a tie
    assert found.loc[9, "score_a"] == 2.0
    one = FRAME.deemster.score(judge(), query="q", responses="a", principles=["It is long."])
    assert one["score"].tolist()[::2] == [2.0, 2.0]
    with pytest.raises(InputError, match="no column 'answer'; there are: q, a, b"):
        FRAME.deemster.score(judge(), query="q", responses="answer")


def test_a_batch_of_a_data_set() -> None:
    add = scored(judge(), query="q", responses="a", reference="b")
    found = add(FRAME.to_dict("list"))
    assert found["score"] == [2.0, None, 2.0]
    assert found["critique"] == ["2 long", None, "2 long"]
    assert add({"q": [], "a": [], "b": []}) == {}
