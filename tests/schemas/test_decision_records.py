from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from deemster.errors import ParseError
from deemster.schemas import (
    Decision,
    Option,
    Question,
    dump_decisions,
    label_share,
    read_decisions,
)


def question(kind: str = "choice", n: int = 2, name: str = "q") -> Question:
    options = tuple(Option(value=f"o{i}") for i in range(n))
    return Question.model_validate(
        {"name": name, "kind": kind, "instructions": "Which?"}
        | ({} if kind == "predicate" else {"options": options})
    )


@pytest.mark.parametrize(
    ("kind", "n", "message"),
    [
        pytest.param("choice", 1, "2 to 255 options, got 1", id="one-choice"),
        pytest.param("choice", 256, "2 to 255 options, got 256", id="many-choices"),
        pytest.param("score", 1, "2 to 10 options, got 1", id="one-level"),
        pytest.param("score", 11, "2 to 10 options, got 11", id="eleven-levels"),
    ],
)
def test_questions_have_as_many_options_as_servers_take(kind: str, n: int, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        question(kind, n)


def test_options_differ_and_a_predicate_has_two() -> None:
    with pytest.raises(ValidationError, match="must differ"):
        Question(name="q", kind="choice", instructions="?", options=(Option(value="a"),) * 2)
    with pytest.raises(ValidationError, match="'true' and 'false'"):
        Question(
            name="q", kind="predicate", instructions="?",
            options=(Option(value="yes"), Option(value="no")),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("logprobs", "probabilities", "mass"),
    [
        pytest.param([math.log(0.3), math.log(0.1)], (0.75, 0.25), 0.4, id="plain"),
        pytest.param([math.log(0.3), None], (1.0, 0.0), 0.3, id="unknown-is-none"),
        pytest.param([-math.inf, -math.inf], (0.0, 0.0), 0.0, id="impossible"),
        pytest.param([], (), 0.0, id="none"),
        pytest.param([-1000.0, -1000.0], (0.5, 0.5), 0.0, id="tiny"),
        pytest.param([1e-7, -30.0], (1.0, math.exp(-30)), 1.0, id="rounded-above-one"),
    ],
)
def test_label_share(
    logprobs: list[float | None], probabilities: tuple[float, ...], mass: float
) -> None:
    found = label_share(logprobs)
    assert found.probabilities == pytest.approx(probabilities)
    assert found.mass == pytest.approx(mass)


def test_decisions_survive_the_text_of_a_completion() -> None:
    questions = [
        question(n=2, name="a"),
        question("score", 3, "b"),
        question("predicate", name="c"),
    ]
    decisions = (
        Decision(name="a", probabilities=(0.25, 0.75), label_mass=0.5),
        Decision(name="b", probabilities=(0.2, 0.3, 0.5)),
        Decision(name="c", probabilities=None),
    )
    assert read_decisions(dump_decisions(decisions), questions) == decisions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("The first is better.", "answered with text", id="text"),
        pytest.param("[]", "0 decisions for 1 questions", id="too-few"),
        pytest.param('[{"name": "x", "probabilities": [0.5, 0.5]}]', "other questions", id="other"),
        pytest.param('[{"name": "q", "probabilities": [1.0]}]', "each of its 2", id="options"),
        pytest.param('[{"name": "q", "probabilities": [0.5, 0.3]}]', "with sum 1", id="sum"),
        pytest.param('[{"name": "q", "probabilities": [1.5, -0.5]}]', "no decisions", id="range"),
        pytest.param('[{"name": "q", "probabilities": [NaN, 1]}]', "no decisions", id="nan"),
    ],
)
def test_what_is_not_the_answer_is_a_parse_error(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        read_decisions(text, [question()])
