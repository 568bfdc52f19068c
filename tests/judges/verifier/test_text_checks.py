"""Regular expressions, JSON, and responses that say nothing."""

# ruff: noqa: E501 - a case is easier to read in one line

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.errors import InputError
from deemster.judges.verifier import IsJson, Matches, MatchesSchema, NotDegenerate, degenerate


@pytest.mark.parametrize(
    ("check", "response", "score"),
    [
        pytest.param(Matches(r"\d{4}"), "in 1999", 1.0, id="search"),
        pytest.param(Matches(r"\d{4}", whole=True), "in 1999", 0.0, id="whole"),
        pytest.param(Matches("paris", flags="i"), "PARIS", 1.0, id="flags"),
        pytest.param(Matches("^b$", flags="m"), "a\nb", 1.0, id="lines"),
        pytest.param(Matches("sorry", absent=True), "all well", 1.0, id="absent"),
        pytest.param(Matches("sorry", absent=True), "so sorry", 0.0, id="not-absent"),
    ],
)
def test_matches(check: Matches, response: str, score: float) -> None:
    assert check.run("q", response, None).score == score


def test_catastrophic_pattern_is_stopped_and_undecided() -> None:
    started = time.monotonic()
    for absent in (False, True):
        finding = Matches(r"(a|aa)+$", seconds=0.2, absent=absent).run("q", "a" * 70 + "b", None)
        assert (finding.score, finding.status) == (None, "timeout")
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param({"pattern": "("}, "does not compile", id="pattern"),
        pytest.param({"pattern": "x", "flags": "q"}, "flags 'q'", id="flags"),
        pytest.param({"pattern": "x", "seconds": 0}, "seconds must be", id="seconds"),
    ],
)
def test_bad_patterns_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Matches(**arguments)


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"$ref": "#/$defs/age"}},
    "required": ["name"],
    "patternProperties": {"^x_": {"type": "null"}},
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


@pytest.fixture(scope="module", params=[SCHEMA, json.dumps(SCHEMA)], ids=["mapping", "text"])
def schema(request: pytest.FixtureRequest) -> Iterator[MatchesSchema]:
    """One check for all, as it keeps a process."""
    check = MatchesSchema(request.param)
    yield check
    check.close()


@pytest.mark.parametrize(
    ("response", "score", "says"),
    [
        pytest.param('{"name": "Ada", "age": 3}', 1.0, "allows", id="valid"),
        pytest.param('```json\n{"name": "Ada"}\n```', 1.0, "allows", id="fenced"),
        pytest.param('Here: {"name": "Ada"}', 0.0, "not JSON", id="prose"),
        pytest.param('{"name": "ada"}', 0.0, "does not match", id="pattern"),
        pytest.param('{"name": "Ada", "age": -1}', 0.0, "$.age", id="reference"),
        pytest.param('{"name": "Ada", "x_1": 1}', 0.0, "$.x_1", id="pattern-property"),
        pytest.param("{}", 0.0, "required", id="missing"),
        pytest.param('{"name": "Ada", "name": "Bob"}', 0.0, "twice", id="repeated-key"),
        pytest.param('{"name": "Ada", "age": NaN}', 0.0, "NaN is not JSON", id="nan"),
        pytest.param("[" * 100_000, None, "nested too deeply", id="deep"),
        pytest.param("9" * 5000, None, "an integer of 5000 characters", id="huge-number"),
        pytest.param("", 0.0, "not JSON", id="empty"),
    ],
)
def test_schema(schema: MatchesSchema, response: str, score: float | None, says: str) -> None:
    finding = schema.run("q", response, None)
    assert finding.score == score
    assert says in finding.evidence


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"pattern": "^(a|aa)+$"}, "a" * 70 + "b", id="pattern"),
        pytest.param(
            {"patternProperties": {"^(a|aa)+$": {}}}, {"a" * 70 + "b": 1}, id="pattern-properties"
        ),
        pytest.param(
            {"patternProperties": {"^(a|aa)+$": {}}, "additionalProperties": False},
            {"a" * 70 + "b": 1},
            id="additional-properties",
        ),
        pytest.param({"uniqueItems": True}, [{"a": i} for i in range(8000)], id="unique-items"),
    ],
)
def test_what_a_schema_takes_too_long_for_is_undecided(
    schema: dict[str, Any], value: object
) -> None:
    finding = MatchesSchema(schema, seconds=0.2).run("q", json.dumps(value), None)
    assert (finding.score, finding.status) == (None, "timeout")


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        pytest.param({"$ref": "http://127.0.0.1:9/x"}, "put that schema under", id="download"),
        pytest.param({"type": "nope"}, "not a JSON schema", id="type"),
        pytest.param("[1]", "must be a JSON object", id="list"),
        pytest.param("{", "is not JSON", id="syntax"),
    ],
)
def test_bad_schemas_are_refused(schema: dict[str, Any] | str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        MatchesSchema(schema)


def test_a_schema_that_leads_nowhere_is_undecided() -> None:
    assert MatchesSchema({"$ref": "#/nowhere"}).run("q", "1", None).score is None
    assert MatchesSchema({"$ref": "#"}).run("q", "1", None).score is None


def test_is_json() -> None:
    assert IsJson().run("q", " [1, 2] ", None).score == 1.0
    assert IsJson().run("q", "[1, 2] and more", None).score == 0.0
    assert IsJson().run("q", "```\n" + " " * 200_000, None).score == 0.0


EMPTY = [
    "", " \n\t", ":", ",", "...", "—", "\u200b\ufeff", "##", "!!!!!!!!!!", "aaaaaaaaaaaa", "Solution",
    "Solution:", "## Solution", "Thought process:", "**Thought Process:**", "Let's solve this problem step by step.",
    "Let’s think step by step", "Let me think about this.", "Sure! Here is my answer:", "Okay, let's start.",
    "Step 1:", "Answer:", "Final answer", "The answer is", "To solve this problem, we need to", "解", "かいせつ",
    "Respuesta", "Detailed explanation:", "Reasoning:\n", "First, let's break this down.", "I'll solve this step by step:",
]  # fmt: skip
REAL = [
    "42", "B", "Yes", "No.", "ok", "Paris", "The answer is 5", "Solution: x = 2", "Let's go with option B",
    "Let's solve x + 1 = 2: x = 1", "It is a solution of salt in water", "I will not answer that", "は", "x", "-3",
    "Thought process: add both sides; 7", "Step 1: add. Step 2: divide, which gives 4.", "aaa", "1111", "true",
]  # fmt: skip


@pytest.mark.parametrize("response", EMPTY, ids=[repr(text)[:30] for text in EMPTY])
def test_master_keys_are_caught(response: str) -> None:
    assert degenerate(response)
    assert NotDegenerate().run("q", response, None).score == 0.0


@pytest.mark.parametrize("response", REAL, ids=[repr(text)[:30] for text in REAL])
def test_short_answers_are_left_alone(response: str) -> None:
    assert degenerate(response) is None
    assert NotDegenerate().run("q", response, None).score == 1.0


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_any_text_is_judged(text: str) -> None:
    degenerate(text)
    IsJson().run("q", text, None)
    # What is no opener stays none when said twice.
    if degenerate(text) is None and len(set(text)) > 1:
        assert degenerate(f"{text}\n{text}") is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("let s " * 30, id="openers"),
        pytest.param("step by step " * 15, id="steps"),
        pytest.param("\u200b" * 200_000, id="invisible"),
    ],
)
def test_degenerate_is_quick(text: str) -> None:
    started = time.process_time()
    degenerate(text)
    assert time.process_time() - started < 1
