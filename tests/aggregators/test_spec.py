from __future__ import annotations

import pytest

from deemster.aggregators import (
    Learned,
    Majority,
    Mean,
    Median,
    PerJudge,
    Reducer,
    Softmax,
    Sum,
    TopK,
    Weighted,
    parse_aggregator,
)
from deemster.errors import InputError


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param("sum", Sum(), id="name"),
        pytest.param(" Mean() ", Mean(), id="call"),
        pytest.param("topk(16) >> sum", TopK(16) >> Sum(), id="positional"),
        pytest.param("topk(k_meta=4)>>majority", TopK(4) >> Majority(), id="named"),
        pytest.param(
            "topk >> weighted(by=meta) >> median", TopK() >> Weighted() >> Median(), id="3"
        ),
        pytest.param(
            "weighted(by=judge, judges={a: 2, b: 0.5}) >> sum",
            Weighted("judge", judges=(("a", 2.0), ("b", 0.5))) >> Sum(),
            id="mapping",
        ),
    ],
)
def test_parse(spec: str, expected: Reducer) -> None:
    assert parse_aggregator(spec) == expected
    assert parse_aggregator(str(expected)) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("a", "gpt-4o", "hosted/model:7b", "v1.5+x", "_"),
        *("yes", "No", "TRUE", "null", "off", "on", "false", "true", "null"),
        *("a:", "1a", "7", "1e5", "", " a ", "a, b", "a: b", "{a}", "'a'", '"', "ä", "#a", "-"),
        *("a >> b", "a}b", "a{", "a)", 'a"}, b', "a\\", '\\"'),
    ],
)
def test_any_name_of_a_judge_is_read_back(name: str) -> None:
    weighted = Weighted("judge", judges=((name, 2.0), ("other", 0.5))) >> Sum()
    assert parse_aggregator(str(weighted)) == weighted


@pytest.mark.parametrize("number", [1e-5, 3.05e-151, 1.5e-7, 1e22, 123456789.125, 1 / 3, 5e-324])
def test_any_number_is_read_back(number: float) -> None:
    for aggregator in (
        Softmax(number),
        PerJudge((("a", number), ("b", 1.0)), temperature=number),
        Learned((("mean", -number), ("wins", number))),
        Weighted("judge", judges=(("a", number),)) >> Sum(),
    ):
        assert parse_aggregator(str(aggregator)) == aggregator


@pytest.mark.parametrize("text", ["1e-2", "1E-2", "+1e-2", "1.e-2", ".1e-1", "0.1e-1", "10e-3"])
def test_a_number_is_read_as_people_write_it(text: str) -> None:
    assert parse_aggregator(f"softmax({text})") == Softmax(0.01)
    assert parse_aggregator(f"perjudge(judges={{a: {text}}})") == PerJudge((("a", 0.01),))


def test_only_names_that_yaml_would_read_otherwise_are_quoted() -> None:
    judges = (("gpt-4o", 1.0), ("yes", 2.0), ("ä", 3.0))
    said = 'weighted(by=judge, judges={gpt-4o: 1.0, "yes": 2.0, "ä": 3.0})'
    assert str(Weighted("judge", judges=judges)) == said


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("summ", "unknown aggregator 'summ'; known: .*sum", id="unknown"),
        pytest.param("topk(4)", "must end in a reducer", id="no-reducer"),
        pytest.param("sum >> mean", "must come last", id="reducer-first"),
        pytest.param("sum >>", "cannot read ''", id="empty-step"),
        pytest.param("", "cannot read ''", id="empty"),
        pytest.param("topk(x=3) >> sum", "unexpected keyword argument 'x'", id="bad-argument"),
        pytest.param("topk(k_meta=2, k_meta =3) >> sum", "k_meta is given twice", id="twice"),
        pytest.param("topk({) >> sum", "cannot read", id="bad-value"),
        pytest.param("topk(0) >> sum", "k_meta must be a whole number >= 1, got 0", id="k-meta-0"),
        pytest.param("topk(nan) >> sum", "got 'nan'", id="k-meta-text"),
        pytest.param("softmax(1e400)", "must be a finite number > 0, got inf", id="too-large"),
        pytest.param("learned(mean)", "must be numbers by name.*got 'mean'", id="one-name"),
        pytest.param("learned([mean, wins])", "must be numbers by name", id="names"),
        pytest.param("learned(3)", "must be numbers by name.*got 3", id="number"),
        pytest.param("perjudge(alice)", "must be numbers by name", id="per-judge"),
        pytest.param("perjudge([[a, 1, 2]])", "must be numbers by name", id="triples"),
        pytest.param("weighted(judge, alice) >> sum", "must be numbers by name", id="weighted"),
        pytest.param("weighted(judge, [a]) >> sum", "must be numbers by name", id="list"),
    ],
)
def test_errors(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_aggregator(spec)
