"""What the lines of a batch's files stand for, and what a budget lets into a batch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deemster.backends._api.prices import Prices, Pricing
from deemster.backends._batch.ledger import Line
from deemster.backends._batch.results import read_results
from deemster.backends._batch.road import Allowance
from deemster.backends._batch.service import status_of
from deemster.backends.limits import Budget
from deemster.errors import OverBudgetError

OK = {"status_code": 200, "body": {"choices": []}}
NAME = "a" * 64


def file(*entries: Any) -> bytes:
    return b"\n".join(
        one if isinstance(one, bytes) else json.dumps(one).encode() for one in entries
    )


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        pytest.param({"response": OK}, (200, OK["body"]), id="answer"),
        pytest.param({"response": OK, "error": None}, (200, OK["body"]), id="null-error"),
        pytest.param(
            {"response": {"status_code": 400, "body": {"error": {"message": "no"}}}},
            (400, {"error": {"message": "no"}}),
            id="refused",
        ),
        pytest.param(
            {"response": None, "error": {"code": "invalid", "message": "no"}},
            (400, {"error": {"code": "invalid", "message": "no"}}),
            id="refused-beside-the-response",
        ),
        pytest.param({"response": {"status_code": 429, "body": {}}}, None, id="too-many"),
        pytest.param({"response": {"status_code": 503, "body": {}}}, None, id="overloaded"),
        pytest.param(
            {"response": {"status_code": 503, "body": None}, "error": {"message": "busy"}},
            None,
            id="overloaded-without-a-body",
        ),
        pytest.param(
            {"response": {"status_code": 429}, "error": {"code": "busy"}},
            None,
            id="too-many-without-a-body",
        ),
        pytest.param({"response": None, "error": {"code": 500}}, None, id="code-500"),
        pytest.param({"response": None, "error": {"code": "429"}}, None, id="code-429"),
        pytest.param({"response": None, "error": {"code": "request_timeout"}}, None, id="timeout"),
        pytest.param(
            {"response": {"status_code": 400}, "error": {"code": 400, "message": "no"}},
            (400, {"error": {"code": 400, "message": "no"}}),
            id="refused-without-a-body",
        ),
        pytest.param({"error": {"code": "batch_expired"}}, None, id="expired"),
        pytest.param({"error": {"code": "batch_cancelled"}}, None, id="cancelled"),
        pytest.param({"response": {"status_code": 200}}, None, id="no-body"),
        pytest.param({"response": "text"}, None, id="odd-response"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_a_line(entry: dict[str, Any], found: tuple[int, Any] | None) -> None:
    read = read_results([file({"custom_id": NAME} | entry)], ())
    if found is None:
        assert read == {}
    else:
        assert (read[NAME].status, json.loads(read[NAME].answer)) == found


def test_lines_that_are_none_are_left_out_and_the_first_answer_counts() -> None:
    other = {"status_code": 200, "body": {"second": True}}
    refused = {"status_code": 400, "body": {}}
    read = read_results(
        [
            file(b"not json", b"[1]", {"custom_id": 7}, {"custom_id": NAME, "response": refused}),
            file({"custom_id": NAME, "response": OK}, {"custom_id": NAME, "response": other}),
            file({"custom_id": NAME, "response": refused}),
        ],
        (),
    )
    assert read == {NAME: Line("answered", 200, json.dumps(OK["body"]))}


def test_no_key_is_kept() -> None:
    body = {"choices": [{"message": {"content": 'the key is sk-"123456789'}}]}
    response = {"status_code": 200, "body": body}
    read = read_results([file({"custom_id": NAME, "response": response})], ('sk-"123456789',))
    assert "123456789" not in read[NAME].answer
    assert json.loads(read[NAME].answer)["choices"][0]["message"]["content"] == "the key is ***"


@pytest.mark.parametrize(
    "given", [None, [], {}, {"status": None, "request_counts": None, "errors": "odd"}]
)
def test_a_batch_of_odd_shape_has_not_ended(given: object) -> None:
    assert not status_of(given).ended


@pytest.mark.parametrize(
    ("line", "cost"),
    [
        pytest.param(Line("answered", 200, '{"choices": []}'), None, id="no-usage"),
        pytest.param(Line("answered", 200, '{"choices": [], "usage": null}'), None, id="null"),
        pytest.param(Line("answered", 200, "<html>"), None, id="no-answer"),
        pytest.param(Line("answered", 400, '{"error": {"message": "no"}}'), 0.0, id="refused"),
        pytest.param(Line("lost", None, "expired"), 0.0, id="lost"),
    ],
)
def test_what_is_not_reported_is_unknown_and_not_free(line: Line, cost: float | None) -> None:
    pricing = Pricing("m", None, Prices(tokens_in=1.0, tokens_out=10.0))
    budget = Budget(tokens=10_000)
    allowance = Allowance(budget, pricing)
    allowance.admit("one", "x" * 400, {"max_tokens": 100})
    assert allowance.settle("one", line).cost == cost
    if cost is None:
        with pytest.raises(OverBudgetError, match="an unknown number used"):
            allowance.admit("two", "x" * 400, {"max_tokens": 100})
    else:
        allowance.admit("two", "x" * 400, {"max_tokens": 100})


def test_a_budget_holds_back_what_might_exceed_it() -> None:
    pricing = Pricing("m", None, Prices(tokens_in=1.0, tokens_out=10.0))
    body, settings = "x" * 400, {"max_tokens": 100, "n": 2}  # 100 tokens in, 200 out at most
    allowance = Allowance(Budget(usd=2.5 * 2100e-6), pricing)
    allowance.admit("one", body, settings)
    allowance.admit("two", body, settings)
    with pytest.raises(OverBudgetError, match="does not hold the next request"):
        allowance.admit("three", body, settings)
    short = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}
    spent = allowance.settle("one", Line("answered", 200, json.dumps(short)))
    assert spent.cost == pytest.approx(200e-6)
    assert allowance.settle("two", Line("lost", None, "expired")).calls == 0
    allowance.admit("three", body, settings)
    allowance.admit("four", body, settings)
    with pytest.raises(OverBudgetError):
        allowance.admit("five", body, settings)
