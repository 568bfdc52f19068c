"""pandas and datasets."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
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


MESSAGES = [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]


def from_parquet(value: Any) -> Any:
    """Lists as arrays, as pandas reads them from Parquet."""
    if isinstance(value, dict):
        return {name: from_parquet(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    made = np.empty(len(value), dtype=object)
    made[:] = [from_parquet(one) for one in value]
    return made


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA], ids=str)
def test_a_reference_that_is_missing_is_none(missing: object) -> None:
    one = judge()
    frame = pd.DataFrame({"q": ["Why?", "How?"], "a": ["ab", "xyz"], "g": ["gold", missing]})
    found = frame.deemster.score(one, query="q", responses="a", reference="g")
    assert found["score"].tolist() == [2.0, 3.0]
    shown = ["gold" in asked.messages[-1].text for asked in one.backend.requests]  # type: ignore[attr-defined]
    assert sorted(shown) == [False, True]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        pytest.param({"a": None}, "row 1, column 'a': response 0 must be", id="response"),
        pytest.param({"a": float("nan")}, "row 1, column 'a': response 0 must be", id="nan"),
        pytest.param({"q": None}, "row 1, column 'q': query must be", id="query"),
        pytest.param({"q": " "}, "row 1, column 'q': query is empty", id="blank"),
        pytest.param({"q": 7}, "row 1, column 'q': query must be", id="number"),
        pytest.param({"g": 7}, "row 1, column 'g': reference must be", id="reference"),
    ],
)
def test_a_cell_that_cannot_be_judged_is_named(cells: dict[str, object], problem: str) -> None:
    good = {"q": "Why?", "a": "ab", "g": "gold"}
    frame = pd.DataFrame([good, {**good, **cells}], dtype=object)
    with pytest.raises(InputError, match=problem):
        frame.deemster.score(judge(), query="q", responses="a", reference="g")


@pytest.mark.parametrize(
    "query", [pytest.param(MESSAGES, id="lists"), pytest.param(from_parquet(MESSAGES), id="arrays")]
)
def test_messages_in_cells(query: object) -> None:
    frame = pd.DataFrame({"q": pd.Series([query, query], dtype=object), "a": ["ab", "xyz"]})
    found = frame.deemster.score(judge(), query="q", responses="a")
    assert found["score"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("responses", ["a", ["a", "b"]], ids=["one", "two"])
def test_an_empty_frame_has_the_columns_of_any_other(responses: Any) -> None:
    full = FRAME.deemster.score(judge(), query="q", responses=responses)
    empty = FRAME.iloc[:0].deemster.score(judge(), query="q", responses=responses)
    assert list(empty.columns) == list(full.columns)
    assert len(empty) == 0


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(["ab"] * 4 + ["boom"] * 2, id="the-first-all-have-a-verdict"),
        pytest.param(["boom"] * 4 + ["ab"] * 2, id="none-of-the-first-has"),
    ],
)
@pytest.mark.parametrize("responses", ["a", ["a", "b"]], ids=["one", "two"])
def test_a_map_whose_first_rows_do_not_tell_the_types(texts: list[str], responses: Any) -> None:
    data = datasets.Dataset.from_dict({"q": ["Why?"] * 6, "a": texts, "b": texts})
    function = scored(judge(), query="q", responses=responses)
    made = data.map(
        function,
        batched=True,
        batch_size=2,
        writer_batch_size=2,
        features=function.features(data.features),
        new_fingerprint=f"{texts[0]}{len(responses)}",
        load_from_cache_file=False,
    )
    told = ["boom" in text for text in texts]
    name = "score" if responses == "a" else "score_a"
    assert made[name][:] == [None if failed else 2.0 for failed in told]
    assert [one is not None for one in made["no_verdict"]] == told


def test_a_map_that_is_not_batched_says_so() -> None:
    with pytest.raises(InputError, match="give map batched=True"):
        scored(judge(), query="q", responses="a")({"q": "Why?", "a": "ab"})  # type: ignore[dict-item]
