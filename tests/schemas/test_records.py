"""What holds for every record: frozen, closed, strict, and whole after a JSON round trip."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.strategies import RECORDS, all_records

from deemster.backends import Request
from deemster.schemas import (
    Band,
    Completion,
    Critique,
    Failure,
    JudgeInfo,
    Judgment,
    Message,
    Principle,
    Record,
    Rubric,
    Sample,
    Sampling,
    Scale,
    TokenLogprob,
    Usage,
    Verdict,
)


def test_every_record_is_covered() -> None:
    decisions = {
        "Decision",
        "LabelShare",
        "Option",
        "Question",
    }  # test_decision_records
    assert set(RECORDS) | decisions == all_records()


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
@settings(max_examples=40)
def test_json_round_trip(name: str, data: st.DataObject) -> None:
    record: Record = data.draw(RECORDS[name])
    text = record.model_dump_json()
    assert type(record).model_validate_json(text) == record
    # Other readers must be able to read it as well: no NaN, no Infinity.
    json.loads(text, parse_constant=pytest.fail)
    assert type(record).model_validate(record.model_dump()) == record


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
@settings(max_examples=3)
def test_frozen_and_closed(name: str, data: st.DataObject) -> None:
    record: Record = data.draw(RECORDS[name])
    for field in type(record).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(record, field, None)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        type(record).model_validate({**record.model_dump(), "surprise": 1})


INFO = {"name": "j", "model": "m"}
VERDICT = {"rewards": [1.0], "best": 0, "ranking": [0], "k": 1, "n_valid": 1, "judge": INFO}
REQUEST = {"messages": [{"role": "user", "content": "q"}], "sampling": {}}
NUMBERS: list[tuple[type[Record], dict[str, Any], str]] = [
    (Usage, {}, "calls"),
    (Usage, {}, "tokens_in"),
    (Usage, {}, "cost"),
    (Usage, {}, "seconds"),
    (Sampling, {}, "temperature"),
    (Sampling, {}, "top_p"),
    (Sampling, {}, "max_tokens"),
    (Sampling, {}, "top_logprobs"),
    (Band, {"low": 1, "high": 2, "meaning": "m"}, "low"),
    (Band, {"low": 1, "high": 2, "meaning": "m"}, "high"),
    (Principle, {"name": "p"}, "weight"),
    (Rubric, {"name": "r", "principles": [{"name": "p"}]}, "version"),
    (TokenLogprob, {"token": "t"}, "logprob"),
    (Scale, {"low": 1, "high": 2}, "low"),
    (Critique, {"text": "t"}, "response"),
    (Judgment, {"scores": [1]}, "draw"),
    (Judgment, {"scores": [1]}, "seed"),
    (Judgment, {"scores": [1]}, "meta_reward"),
    (Failure, {"status": "timeout", "message": "m"}, "draw"),
    (JudgeInfo, INFO, "k"),
    (JudgeInfo, INFO, "seed"),
    (Verdict, VERDICT, "best"),
    (Verdict, VERDICT, "confidence"),
    (Verdict, VERDICT, "k"),
    (Request, REQUEST, "n"),
]
NUMBER_LISTS: list[tuple[type[Record], dict[str, Any], str]] = [
    (Judgment, {}, "scores"),
    (Judgment, {"scores": [1]}, "order"),
    (Critique, {"response": 0, "text": ""}, "scores"),
    (Sample, {"query": "q", "responses": ["r"]}, "ground_truth"),
    (Verdict, VERDICT, "rewards"),
    (Verdict, VERDICT, "ranking"),
    (Request, REQUEST, "seeds"),
]


@pytest.mark.parametrize(
    ("record", "fields", "field", "wrap"),
    [
        pytest.param(record, fields, field, wrap, id=f"{record.__name__}.{field}")
        for wrap, rows in ((False, NUMBERS), (True, NUMBER_LISTS))
        for record, fields, field in rows
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("7", id="text"),
        pytest.param(True, id="bool"),
        pytest.param(math.nan, id="nan"),
        pytest.param(math.inf, id="inf"),
    ],
)
def test_numbers_are_strict(
    record: type[Record], fields: dict[str, Any], field: str, wrap: bool, value: Any
) -> None:
    with pytest.raises(ValidationError) as caught:
        record.model_validate({**fields, field: [value] if wrap else value})
    assert {error["loc"][0] for error in caught.value.errors()} == {field}


def test_lone_surrogates_can_be_written() -> None:
    half = "cut \ud83d off"
    message = Message(role="user", content=half)
    completion = Completion(text=half, logprobs=(TokenLogprob(token=half, logprob=-1.0),))
    for record in (message, completion):
        assert type(record).model_validate_json(record.model_dump_json()) == record
    assert message.text == completion.text == "cut \ufffd off"
    assert Completion(text="whole 😀 \ud83d\ude00").text == "whole 😀 😀"


@pytest.mark.parametrize(
    "wrong", [math.nan, math.inf, "-1", True, None], ids=["nan", "inf", "text", "bool", "none"]
)
def test_log_probability(wrong: object) -> None:
    assert TokenLogprob(token="t", logprob=-math.inf).model_dump_json() == (
        '{"token":"t","logprob":"-Infinity","top":[]}'
    )
    with pytest.raises(ValidationError):
        TokenLogprob.model_validate({"token": "t", "logprob": wrong})
    with pytest.raises(ValidationError):
        TokenLogprob.model_validate({"token": "t", "logprob": -1, "top": [["u", wrong]]})


@given(a=RECORDS["Usage"], b=RECORDS["Usage"], c=RECORDS["Usage"])
def test_usage_adds_up(a: Usage, b: Usage, c: Usage) -> None:
    total = Usage.total([a, b, c])
    assert total.calls == a.calls + b.calls + c.calls
    assert total.tokens_cached == a.tokens_cached + b.tokens_cached + c.tokens_cached
    assert total.seconds == pytest.approx(a.seconds + b.seconds + c.seconds)
    costs = [one.cost for one in (a, b, c) if one.cost is not None]
    assert total.cost == (pytest.approx(sum(costs)) if len(costs) == 3 else None)
    assert a + b == b + a
    assert a + Usage() == a
    assert Usage.total([]) == Usage()
    assert Usage.model_validate(total.model_dump()) == total


@given(a=RECORDS["Usage"], b=RECORDS["Usage"])
def test_usage_takes_a_part_away(a: Usage, b: Usage) -> None:
    left = (a + b).minus(b)
    assert (left.calls, left.tokens_in, left.tokens_out) == (a.calls, a.tokens_in, a.tokens_out)
    assert left.seconds == pytest.approx(a.seconds, abs=1e-6)
    nothing = b.minus(a + b)
    assert (nothing.calls, nothing.tokens_cached, nothing.seconds) == (0, 0, 0)


@given(info=RECORDS["JudgeInfo"], other=RECORDS["JudgeInfo"])
def test_fingerprints_are_equal_for_equal_judges(info: JudgeInfo, other: JudgeInfo) -> None:
    again = JudgeInfo.model_validate_json(info.model_dump_json())
    assert again.fingerprint == info.fingerprint
    assert len(info.fingerprint) == 16
    assert (info.fingerprint == other.fingerprint) == (info == other)


def test_verdict_without_rewards_has_no_best() -> None:
    with pytest.raises(ValidationError, match="no best and no ranking"):
        Verdict.model_validate({**VERDICT, "rewards": None})
    unscored = Verdict.model_validate({**VERDICT, "rewards": None, "best": None, "ranking": None})
    assert not unscored.judgments
    assert not unscored.failures


def test_verdict_parts_its_votes() -> None:
    votes = [{"kind": "judgment", "scores": [3]}, {"kind": "failure", **FAILED}]
    verdict = Verdict.model_validate({**VERDICT, "votes": votes})
    assert [vote.scores for vote in verdict.judgments] == [(3.0,)]
    assert [vote.status for vote in verdict.failures] == ["timeout"]


FAILED = {"status": "timeout", "message": "late"}
