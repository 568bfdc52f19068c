from __future__ import annotations

import json
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.tiny_model import CHATML_WORDS, chat_tokenizer

from deemster.backends._local.grammar import (
    _SLACK,
    Constraint,
    GrammarError,
    Vocabulary,
    allowed_tokens,
)
from deemster.dialects import open_dialect


def record(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def whole(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


TEXT = {"type": "string"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "unbounded-text": record({"a": TEXT, "b": {"type": "array", "items": TEXT}, "s": whole(1, 10)}),
    "optional": record(
        {"a": TEXT, "b": TEXT, "d": {"type": "array", "items": whole(1, 10)}}, ["d"]
    ),
    "recursive": {
        "$defs": {
            "node": record(
                {
                    "value": whole(1, 10),
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "a_rather_long_required_key": TEXT,
                    "another_rather_long_required_key": TEXT,
                }
            )
        },
        "$ref": "#/$defs/node",
    },
    "choices": record(
        {
            "verdict": {"enum": ["A>>B", "A>B", "A=B", "neither of these two"]},
            "why": {"type": "string", "maxLength": 300},
            "sure": {"type": "boolean"},
            "note": {"type": ["null", "string"]},
        }
    ),
    "patterns": record(
        {
            "code": {"type": "string", "pattern": "^[a-z]{3,40}$"},
            "at_least": {"type": "string", "minLength": 10},
            "items": {
                "type": "array",
                "minItems": 2,
                "items": record({"k": {"type": "string", "pattern": "^[A-Z]+$"}}),
            },
        }
    ),
    "alternatives": record(
        {
            "x": {"anyOf": [whole(1, 5), record({"deep": record({"deeper": TEXT})})]},
            "list": {
                "type": "array",
                "items": record({"a_quite_long_name": TEXT, "another_quite_long": TEXT}),
            },
        }
    ),
}


RUNS = (
    *('"}', '"},', '"]', '"],', '"}, {"', '", "', '": "', '": [', "],", '], "', "]},", "}]", "}],"),
    *('}, {"', ', "', "1}", "1},", "5],", "7]}, {", '{"', "[]", '""', ' 1, "', " 10,"),
)
"""Punctuation in one token, as tokenizers of real models have it."""


@pytest.fixture(scope="module", params=[(), RUNS], ids=["characters", "runs-of-punctuation"])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    tokenizer = chat_tokenizer(words=(*CHATML_WORDS, *request.param))
    eos = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return Vocabulary(tokenizer, len(tokenizer), eos)


def write(
    vocabulary: Vocabulary,
    constraint: Constraint,
    room: int,
    rng: np.random.Generator,
    *,
    preferred: NDArray[np.bool_] | None = None,
) -> list[int]:
    """Ids of a text of random allowed tokens, mostly `preferred` ones where they are allowed."""
    ids: list[int] = []
    while len(ids) < room and not constraint.done:
        allowed = allowed_tokens([constraint], vocabulary)[0]
        if preferred is not None and rng.random() < 0.8 and (allowed & preferred).any():
            allowed &= preferred
        token = constraint.accept(int(rng.choice(np.flatnonzero(allowed))))
        if token == vocabulary.eos:
            break
        ids.append(token)
    return ids


def closing_length(vocabulary: Vocabulary, schema: dict[str, Any]) -> int:
    return len(Constraint(vocabulary, vocabulary.matcher(schema), 10_000)._closing)


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_text_is_valid_in_any_room(name: str, vocabulary: Vocabulary) -> None:
    schema, rng = SCHEMAS[name], np.random.default_rng(0)
    least = closing_length(vocabulary, schema) + _SLACK
    early = 0
    for _ in range(60):
        room = least + int(rng.integers(0, 150))
        constraint = Constraint(vocabulary, vocabulary.matcher(schema), room)
        ids = write(vocabulary, constraint, room, rng)
        jsonschema.validate(json.loads(vocabulary.ll.decode_str(ids)), schema)
        early += constraint.closed_early
    assert early > 0  # the rules were needed


@pytest.mark.parametrize("spare", [0, 1, 2, 4, 8, 16, _SLACK, _SLACK + 8])
@pytest.mark.parametrize("longest", [False, True], ids=["any-token", "longest-punctuation"])
def test_a_judgment_is_valid_from_the_least_room_on(
    spare: int, longest: bool, vocabulary: Vocabulary
) -> None:
    """Its values are bounded, so rule 3 leaves no way to run out."""
    schema = open_dialect("json").json_schema(2)
    assert schema is not None
    texts = [vocabulary.ll.decode_bytes([token]) for token in range(vocabulary.size)]
    runs = np.array([len(text) > 1 and bool(set(text) & set(b'"{}[],')) for text in texts])
    room, rng = closing_length(vocabulary, schema) + spare, np.random.default_rng(spare)
    for _ in range(8):
        constraint = Constraint(vocabulary, vocabulary.matcher(schema), room)
        ids = write(vocabulary, constraint, room, rng, preferred=runs if longest else None)
        jsonschema.validate(json.loads(vocabulary.ll.decode_str(ids)), schema)


def test_a_long_item_opened_too_late_is_taken_back(vocabulary: Vocabulary) -> None:
    keys = {f"a_key_with_a_name_that_takes_many_tokens_{i}": TEXT for i in range(6)}
    schema = {"type": "array", "items": record(keys)}
    rng = np.random.default_rng(1)
    for room in range(40, 160, 10):  # one item takes about 130 tokens
        constraint = Constraint(vocabulary, vocabulary.matcher(schema), room)
        ids = write(vocabulary, constraint, room, rng)
        jsonschema.validate(json.loads(vocabulary.ll.decode_str(ids)), schema)


def test_values_are_never_filled_in(vocabulary: Vocabulary) -> None:
    """Also when closed at the last moment, scores are as the sampler drew them."""
    schema = record({"text": TEXT, "scores": {"type": "array", "minItems": 3, "maxItems": 3,
                                              "items": whole(1, 10)}})  # fmt: skip
    room = closing_length(vocabulary, schema) + 4
    rng = np.random.default_rng(2)
    seen: set[int] = set()
    early = 0
    for _ in range(150):
        constraint = Constraint(vocabulary, vocabulary.matcher(schema), room)
        ids = write(vocabulary, constraint, room, rng)
        data = json.loads(vocabulary.ll.decode_str(ids))
        seen.update(data["scores"])
        early += constraint.closed_early
    assert early > 100
    assert seen == set(range(1, 11))


def test_ample_room_closes_nothing_early(vocabulary: Vocabulary) -> None:
    schema = record({"text": {"type": "string", "maxLength": 20}, "score": whole(1, 10)})
    rng = np.random.default_rng(3)
    for _ in range(20):
        constraint = Constraint(vocabulary, vocabulary.matcher(schema), 400)
        write(vocabulary, constraint, 400, rng)
        assert constraint.done
        assert constraint.complete
        assert not constraint.closed_early


def test_prefix_that_begins_the_json_is_gone_on_from(vocabulary: Vocabulary) -> None:
    schema = record({"score": whole(1, 10)})
    rng = np.random.default_rng(4)
    constraint = Constraint(vocabulary, vocabulary.matcher(schema), 60, '{"score": ')
    text = vocabulary.ll.decode_str(write(vocabulary, constraint, 60, rng))
    assert json.loads('{"score": ' + text)["score"] in range(1, 11)
    other = Constraint(vocabulary, vocabulary.matcher(schema), 60, "Here it is:")
    assert "score" in json.loads(vocabulary.ll.decode_str(write(vocabulary, other, 60, rng)))


def test_too_little_room_is_said(vocabulary: Vocabulary) -> None:
    schema = record({"a_long_key_that_has_to_be_there": TEXT})
    with pytest.raises(GrammarError, match="leaves 5 tokens, but the shortest text"):
        Constraint(vocabulary, vocabulary.matcher(schema), 5)


def test_schema_that_cannot_be_enforced_is_said(vocabulary: Vocabulary) -> None:
    with pytest.raises(GrammarError, match="cannot be enforced"):
        vocabulary.matcher({"type": "no-such-type"})


def test_masks_are_kept_apart_between_draws(vocabulary: Vocabulary) -> None:
    schema = record({"score": whole(1, 10)})
    ahead = Constraint(vocabulary, vocabulary.matcher(schema), 60, '{"score": ')
    start = Constraint(vocabulary, vocabulary.matcher(schema), 60)
    one, other = allowed_tokens([ahead, start], vocabulary)
    assert one[vocabulary.single[ord("7")]]
    assert not other[vocabulary.single[ord("7")]]
    forced = vocabulary.ll.decode_str(np.flatnonzero(other).tolist())
    assert forced.startswith("{")
