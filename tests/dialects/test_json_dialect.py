from __future__ import annotations

import json
from typing import Any

import pytest

from deemster.dialects import open_dialect
from deemster.dialects.json_schema import Json
from deemster.dialects.loose_json import read_fields
from deemster.dialects.strict_json import read_json
from deemster.errors import AmbiguousError, InputError, ParseError
from deemster.schemas import Completion

VALID: dict[str, Any] = {
    "principles": [
        {"name": "Accuracy", "description": "right", "weight": 60},
        {"name": "Tone", "description": "", "weight": 20},
    ],
    "critiques": [{"text": "good", "scores": [8, 6]}, {"text": "bad", "scores": [3, 6]}],
    "scores": [8, 4],
}


def parse(text: str, n: int = 2) -> tuple[float | None, ...]:
    return Json().parse(Completion(text=text), n=n).scores


def changed(**values: object) -> str:
    return json.dumps(VALID | values)


def test_a_whole_document() -> None:
    parsed = Json().parse(Completion(text=json.dumps(VALID)), n=2)
    assert parsed.scores == (8.0, 4.0)
    assert [(p.name, p.weight) for p in parsed.principles] == [("Accuracy", 0.75), ("Tone", 0.25)]
    assert [(c.response, c.text, c.scores) for c in parsed.critiques] == [
        (0, "good", (8, 6)),
        (1, "bad", (3, 6)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(VALID, indent=2), id="indented"),
        pytest.param(f"\n {json.dumps(VALID)}\n", id="space-around"),
        pytest.param(f"```json\n{json.dumps(VALID)}\n```", id="fence"),
        pytest.param(f"```\n{json.dumps(VALID)}\n```", id="bare-fence"),
        pytest.param(f'<think>{{"scores": [1]}}</think>\n{json.dumps(VALID)}', id="reasoning"),
        pytest.param(f"{json.dumps(VALID)}\n{json.dumps(VALID, indent=1)}", id="twice-the-same"),
        pytest.param(json.dumps(VALID) * 8, id="eight-times-the-same"),
        pytest.param(f"So: {json.dumps(VALID)}\n" * 8, id="eight-times-in-prose"),
        pytest.param('{"a" ' * 63 + json.dumps(VALID), id="behind-63-broken-ones"),
        pytest.param(f'"a":{" " * 99}{json.dumps(VALID)}', id="far-from-what-is-before"),
        pytest.param(f"Here: {json.dumps(VALID)}", id="prose-before"),
        pytest.param(f"Sure, {json.dumps(VALID)}", id="prose-before-with-a-comma"),
        pytest.param(f"{json.dumps(VALID)} Done.", id="prose-after"),
        pytest.param(f"So, {{x}}:\n```json\n{json.dumps(VALID)}\n```\nBye.", id="prose-and-fence"),
        pytest.param(f"```json\n{json.dumps(VALID)}", id="open-fence"),
        pytest.param(f"```python\n{json.dumps(VALID)}\n```", id="other-fence"),
        pytest.param(f'It says {{"score": 9}}. {json.dumps(VALID)}', id="another-object-in-prose"),
        pytest.param(changed().replace("[8, 4]", "[8.0, 4]"), id="whole-with-point"),
        pytest.param(changed(best=1), id="extra-key"),
        pytest.param(changed().replace("good", "go\nod\t"), id="raw-line-break"),
        pytest.param(changed().replace("60", "0.6").replace("20", "0.2"), id="fractional-weights"),
    ],
)
def test_what_may_stand_around_it(text: str) -> None:
    assert parse(text) == (8, 4)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "expected a JSON object", id="empty"),
        pytest.param('"scores"', "valid dictionary", id="string"),
        pytest.param('["scores"]', "valid dictionary", id="list"),
        pytest.param(f"Here: {changed()[:-1]}", "not JSON", id="cut-in-prose"),
        pytest.param(f"[{changed()[:-1]}]", "not JSON", id="cut-in-a-list"),
        pytest.param(f"[{changed()}, ", "not JSON", id="element-of-a-cut-list"),
        pytest.param(f"[[], {changed()}, ", "not JSON", id="second-element-of-a-cut-list"),
        pytest.param(f'"a":{" " * 98}{changed()}', "text after", id="a-value-far-from-its-key"),
        pytest.param('{"a" ' * 64 + changed(), "not JSON", id="behind-64-broken-ones"),
        pytest.param(f'Here: {{"a": 1, "a": 2}} {changed()}', "stands twice", id="one-before"),
        pytest.param(
            f'Here: {{"a": {"[" * 32}{"]" * 32}}}, "scores": 1', "deeply", id="deep-prose"
        ),
        pytest.param(f'{{"a": {changed()}', "not JSON", id="inside-a-cut-one"),
        pytest.param(f'{{"a": {changed()}}}', "Field required", id="inside-another"),
        pytest.param('``` "scores"```', "not JSON", id="fence-in-one-line"),
        pytest.param(changed()[:-1], "not JSON", id="cut"),
        pytest.param(changed().replace("[8, 4]", "[8.5, 4]"), "integer", id="float"),
        pytest.param(changed(scores=[True, 4]), "integer", id="bool"),
        pytest.param(changed(scores=["8", 4]), "integer", id="string-score"),
        pytest.param(changed(scores=[None, 4]), "integer", id="null"),
        pytest.param(changed(scores=[11, 4]), "less than or equal to 10", id="above"),
        pytest.param(changed(scores=[0, 4]), "greater than or equal to 1", id="below"),
        pytest.param(changed(scores=[8]), "expected 2 scores, got 1", id="too-few"),
        pytest.param(changed(scores=[8, 4, 4]), "expected 2 scores, got 3", id="too-many"),
        pytest.param(changed(critiques=[]), "expected 2 critiques, got 0", id="no-critiques"),
        pytest.param(changed(principles=[]), "at least 1", id="no-principles"),
        pytest.param('{"scores": [8, 4]}', "Field required", id="missing-key"),
        pytest.param(changed().replace("[8, 4]", "[NaN, 4]"), "NaN is not", id="nan"),
        pytest.param(changed().replace("[8, 4]", "[-Infinity, 4]"), "-Infinity", id="infinity"),
        pytest.param(changed().replace("[8, 4]", "[1e400, 4]"), "integer", id="huge-float"),
        pytest.param(changed().replace("[8, 4]", f"[{'9' * 5000}, 4]"), "not JSON", id="huge"),
        pytest.param(changed()[:-1] + ', "scores": [1, 9]}', "stands twice", id="duplicate-key"),
        pytest.param('"scores"' + "[" * 100_000, "text after|deep", id="deep-after"),
        pytest.param('[ "scores", ' + "[" * 100_000, "too deeply", id="deep-open"),
        pytest.param('["scores",' + "[" * 32 + "]" * 32 + "]", "too deeply", id="deep-closed"),
        pytest.param('["scores",' + "[" * 31 + "]" * 31 + "]", "valid dictionary", id="not-deep"),
        pytest.param(
            changed()
            .replace('"scores": [8, 4]', r'"\u0073cores": [8, 4]')
            .replace('"scores"', '"Scores"'),
            "no key",
            id="escaped-key",
        ),
    ],
)
def test_not_a_verdict(text: str, problem: str) -> None:
    with pytest.raises(ParseError, match=problem) as caught:
        parse(text)
    assert not isinstance(caught.value, AmbiguousError)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(changed() + changed(scores=[1, 9]), id="two"),
        pytest.param(changed() * 9, id="nine-the-same"),
        pytest.param(f"So: {changed()}\n" * 9, id="nine-the-same-in-prose"),
        pytest.param(f'{changed()}"scores": 1', id="and-a-key-right-behind-it"),
        pytest.param(f"{changed()} or {changed(scores=[1, 9])}", id="two-in-prose"),
        pytest.param(f'{changed()} or {{"scores": [1', id="and-a-broken-one"),
        pytest.param(f'{changed()} or {{"a": {{"scores": [1, 9]}}}}', id="and-a-nested-one"),
    ],
)
def test_different_documents_are_ambiguous(text: str) -> None:
    with pytest.raises(AmbiguousError):
        parse(text)


def test_a_fence_that_is_not_closed_is_no_fence() -> None:
    with pytest.raises(ParseError, match="not JSON"):
        read_json("```json\n[1]abc")
    assert read_json("```json\n[1]```") == [1]


def test_what_a_fence_is_called_is_one_word() -> None:
    assert read_json("``` c++ \n[1]\n```") == [1]
    with pytest.raises(ParseError, match="not JSON"):
        read_json("```a b\n[1]```")


def test_documents_and_the_place_of_what_follows_them() -> None:
    assert read_json("1.5 \n\t1.5") == 1.5
    with pytest.raises(ParseError, match=r"text after the JSON document: .* at character 5$"):
        read_json("[1]  x")
    with pytest.raises(ParseError, match=r"not JSON: .* at character 3$"):
        read_json("[1,")


def test_scores_that_fit_no_principle_are_left_out() -> None:
    critiques = [{"text": "good", "scores": [8]}, {"text": "bad", "scores": [3, 6]}]
    parsed = Json().parse(Completion(text=changed(critiques=critiques)), n=2)
    assert [critique.scores for critique in parsed.critiques] == [None, (3, 6)]
    assert parsed.critiques[0].text == "good"


def test_half_a_surrogate_pair_is_replaced() -> None:
    text = changed(critiques=[{"text": "@", "scores": [1, 1]}] * 2).replace(
        "@", r"caf\u00e9 \ud83d"
    )
    parsed = Json().parse(Completion(text=text), n=2)
    assert parsed.critiques[0].text == "café \ufffd"
    assert read_json(r'["\ud83d", {"caf\u00e9": "\ud83d"}]')[1] == {"café": "\ufffd"}


def test_schema_is_closed_and_bounded() -> None:
    def closed(**properties: object) -> dict[str, Any]:
        kept = {"required": list(properties), "additionalProperties": False}
        return {"type": "object", "properties": properties} | kept

    def listed(items: object, least: int, most: int) -> dict[str, Any]:
        return {"type": "array", "items": items, "minItems": least, "maxItems": most}

    score = {"type": "integer", "minimum": 1, "maximum": 10}
    principle = closed(
        name={"type": "string", "minLength": 1, "maxLength": 60},
        description={"type": "string", "maxLength": 160},
        weight={"type": "integer", "minimum": 1, "maximum": 100},
    )
    critique = closed(text={"type": "string", "maxLength": 800}, scores=listed(score, 1, 8))
    assert Json().json_schema(4) == closed(
        principles=listed(principle, 1, 8),
        critiques=listed(critique, 4, 4),
        scores=listed(score, 4, 4),
    )
    fewer = Json(max_principles=3).json_schema(4)
    assert fewer["properties"]["principles"]["maxItems"] == 3


def test_smallest_document_of_the_schema_is_a_verdict() -> None:
    document = {
        "principles": [{"name": " ", "description": "", "weight": 1}],
        "critiques": [{"text": "", "scores": [1]}],
        "scores": [1],
    }
    assert parse(json.dumps(document), n=1) == (1,)


@pytest.mark.parametrize(
    ("raw", "scores"),
    [
        ('{"ordered_models": [{"model": "m", "rank": 1}, {"model": "M", "rank": 2}]}', (1, 0)),
        ('{"ordered_models": [{"model": "M", "rank": 1}, {"model": "m", "rank": 2}]}', (0, 1)),
        ('{"ordered_models": [{"model": "m", "rank": 1}, {"model": "M", "rank": 1}]}', (0.5, 0.5)),
    ],
    ids=["first", "second", "tie"],
)
def test_alpaca_eval(raw: str, scores: tuple[float, float]) -> None:
    assert open_dialect("alpaca-eval").parse(Completion(text=raw), n=2).scores == scores


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("m", id="token"),
        pytest.param('["ordered_models"]', id="list"),
        pytest.param('{"ordered_models": "m"}', id="string"),
        pytest.param('{"ordered_models": [1, 2]}', id="numbers"),
        pytest.param('{"ordered_models": [{"model": "m", "rank": 1}]}', id="one"),
        pytest.param(
            '{"ordered_models": [{"model": "m", "rank": 1}, {"model": "m", "rank": 2}]}', id="twice"
        ),
        pytest.param(
            '{"ordered_models": [{"model": "m", "rank": 1}, {"model": "x", "rank": 2}]}', id="other"
        ),
        pytest.param(
            '{"ordered_models": [{"model": "m", "rank": 0}, {"model": "M", "rank": 2}]}', id="zero"
        ),
        pytest.param(
            '{"ordered_models": [{"model": "m", "rank": true}, {"model": "M", "rank": 2}]}',
            id="bool",
        ),
    ],
)
def test_alpaca_eval_without_a_ranking(raw: str) -> None:
    with pytest.raises(ParseError):
        open_dialect("alpaca-eval").parse(Completion(text=raw), n=2)


def test_alpaca_eval_keeps_the_explanation() -> None:
    raw = '{"concise_explanation": "m is shorter", "ordered_models": [{"model": "m", "rank": 1}, {"model": "M", "rank": 2}]}'  # noqa: E501
    parsed = open_dialect("alpaca-eval").parse(Completion(text=raw), n=2)
    assert parsed.analysis == "m is shorter"
    schema = open_dialect("alpaca-eval").json_schema(2)
    assert schema is not None
    assert schema["required"] == list(json.loads(raw))


@pytest.mark.parametrize("text", ['["scores"]', '"scores"', '{"text": "scores"}'])
def test_a_document_without_the_key_has_no_fields(text: str) -> None:
    with pytest.raises(ParseError, match='expected a JSON object with the key "scores"'):
        read_fields(text, "scores")


@pytest.mark.parametrize(
    ("dialect", "before", "after", "n"),
    [
        pytest.param("score-json", '{"score": 1, "reason": "', '"}', 1, id="score-json"),
        pytest.param("score-json", '{"score": 1, "reason": "a "b" ', '"}', 1, id="broken"),
        pytest.param("r3", '{"score": 4, "explanation": "', '"}', 1, id="r3"),
        pytest.param("r3", 'So: {"score": "Response 1", "explanation": "', '"}', 2, id="r3-pair"),
        pytest.param("con-j", '{"更好的回答": 1, "原因": "', '"}', 2, id="con-j"),
        pytest.param("critic-json", '{"score": 4, "critique": "', '"}', 1, id="critic-json"),
        pytest.param("critic-json", '{"scores": [4], "critiques": ["', '"]}', 1, id="critics"),
    ],
)
def test_reasons_keep_the_characters_of_the_judge(
    dialect: str, before: str, after: str, n: int
) -> None:
    said = "很好，正确（完全）：１００％！"
    parsed = open_dialect(dialect).parse(Completion(text=before + said + after), n=n)
    assert said in "".join(critique.text for critique in parsed.critiques) + parsed.analysis


def test_reasons_of_an_object_in_full_width_are_kept_as_it_is_read() -> None:
    text = '｛"score": ４， "explanation": "很好，是"｝'
    (critique,) = open_dialect("r3").parse(Completion(text=text), n=1).critiques
    assert critique.text == "很好,是"


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("0.00001", 0.00001),
        ("1e-7", 1e-7),
        ("1e-30", 0),
        ("1e0", 1),
        ("0.30000000000000004", 0.3),
        ("1.0000000000001", 1),
        ("-0.0", 0),
    ],
)
def test_scores_in_json_are_numbers_however_they_are_written(said: str, score: float) -> None:
    text = f'{{"score": {said}, "reason": "r"}}'
    assert open_dialect("score-json").parse(Completion(text=text), n=1).scores == (score,)


@pytest.mark.parametrize("said", ["1e9", "1.1", "-1e-3", "1" + "0" * 400])
def test_scores_in_json_off_the_scale(said: str) -> None:
    with pytest.raises(ParseError):
        open_dialect("score-json").parse(Completion(text=f'{{"score": {said}}}'), n=1)


@pytest.mark.parametrize(
    "rule",
    [
        *("scale=1.2.3-5", "scale=.-5", "scale=1..2-5", "scale=1-", "scale=5-1", "scale=1 - 5"),
        *("score=a,score=b", "score=a|a", "score=|b", "score=", "rating=a"),
    ],
)
def test_a_rule_that_says_nothing_is_told_in_one_line(rule: str) -> None:
    with pytest.raises(InputError) as caught:
        open_dialect(f"score-json:{rule}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", ["0-1", "-5--1", "-3-3", "0.5-2.5", "1-100"])
def test_scales_that_can_be_said(scale: str) -> None:
    found = open_dialect(f"score-json:scale={scale}").scale_for(1)
    assert f"{found.low:g}-{found.high:g}" == scale
