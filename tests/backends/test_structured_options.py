"""How a schema is asked for: as instructor does, whether or not it is imported."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from deemster.backends._api.request import as_json
from deemster.backends.structured import StructuredMode, load_instructor, request_options

MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "Judge."}]


class Scores(BaseModel):
    """Scores of two responses."""

    critique: str = Field(default="", max_length=80)
    kind: Literal["a", "b"]
    scores: list[int]


@pytest.mark.parametrize("mode", ["json_schema", "tools", "json", "md_json"])
async def test_a_schema_is_asked_for_as_instructor_does(mode: StructuredMode) -> None:
    await load_instructor()
    from instructor import Mode
    from instructor.processing.response import handle_response_model

    _, expected = handle_response_model(
        response_model=Scores, mode=Mode[mode.upper()], messages=[dict(one) for one in MESSAGES]
    )
    found = request_options(mode, json.dumps(Scores.model_json_schema()), MESSAGES)
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(dict(expected)))


def test_names_have_only_the_characters_that_providers_take() -> None:
    schema = json.dumps({"title": "Scores of 2", "type": "object", "properties": {}})
    asked = request_options("json_schema", schema, MESSAGES)["response_format"]["json_schema"]
    assert asked["name"] == asked["schema"]["title"] == "Scores_of_2"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([{"role": "user", "content": "plain, “quoted” and 😀"}], id="messages"),
        pytest.param({"minimum": 1, "maximum": 1.0, "default": None, "strict": True}, id="schema"),
        pytest.param([{"tool_calls": [{"id": "half \ud83d"}]}], id="half-an-emoji"),
        pytest.param({"low": float("inf"), "high": 10**30}, id="numbers"),
    ],
)
def test_what_is_sent_is_the_same_json_as_the_slower_writer_gives(value: object) -> None:
    assert repr(json.loads(as_json(value))) == repr(json.loads(json.dumps(value)))
