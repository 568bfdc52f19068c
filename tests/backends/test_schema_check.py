from __future__ import annotations

import json
from typing import Any

import pytest

from deemster.backends import schema_check
from deemster.backends.schema_check import find_problem
from deemster.dialects import open_dialect

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "scores": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 10},
            "minItems": 2,
            "maxItems": 2,
        },
        "why": {"type": "string", "maxLength": 3},
        "sure": {"type": "boolean"},
        "share": {"type": "number"},
    },
    "required": ["scores"],
    "additionalProperties": False,
}
TEXTS = [
    pytest.param('{"scores": [8, 3]}', None, id="plain"),
    pytest.param(' {"scores": [8, 3], "why": "longer than it says"}\n', None, id="long-string"),
    pytest.param('{"scores": [8, 3], "sure": true, "share": 0.5}', None, id="all"),
    pytest.param('{"scores": [8, 3], "share": 1}', None, id="whole-number"),
    pytest.param('Mine: {"scores": [8, 3]}. So be it.', None, id="in-prose"),
    pytest.param('```json\n{"scores": [8, 3]}\n```', None, id="fenced"),
    pytest.param('{"x": 1} {"scores": [8, 3]}', None, id="second-object"),
    pytest.param("", "no JSON object", id="empty"),
    pytest.param("8 and 3", "no JSON object", id="prose"),
    pytest.param('{"scores": [8, 3', "no JSON object", id="cut"),
    pytest.param("[8, 3]", "no JSON object", id="list"),
    pytest.param('{"scores": [8]}', "too short", id="one-score"),
    pytest.param('{"scores": [8, 11]}', "maximum of 10", id="above"),
    pytest.param('{"scores": [8, "3"]}', "not of type 'integer'", id="text"),
    pytest.param('{"scores": [8, true]}', "not of type 'integer'", id="bool"),
    pytest.param('{"scores": [8, 3], "more": 1}', "more", id="extra"),
    pytest.param("{}", "'scores' is a required property", id="missing"),
]


@pytest.mark.parametrize(("text", "problem"), TEXTS)
@pytest.mark.parametrize("quick", [True, False])
def test_find_problem(
    text: str, problem: str | None, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not quick:  # what jsonschema alone says
        monkeypatch.setattr(schema_check, "_quick_validator", lambda _: None)
    found = find_problem(SCHEMA, text)
    assert found is None if problem is None else problem in str(found)


def test_the_schema_of_the_json_dialect_is_checked_quickly() -> None:
    schema = open_dialect("json").json_schema(2)
    assert schema is not None
    assert schema_check._quick_validator(json.dumps(schema)) is not None


def test_other_schemas_are_left_to_jsonschema() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
    assert find_problem(schema, '{"a": 2}') is None
    assert "3 is not one of [1, 2]" in str(find_problem(schema, '{"a": 3}'))
