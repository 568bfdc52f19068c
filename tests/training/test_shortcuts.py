from __future__ import annotations

import pytest

from deemster.dialects import open_dialect
from deemster.schemas import Message, Sample
from deemster.training.rollouts import Rollout
from deemster.training.shortcuts import shortcut_of

FOUR = "it says four, and the sum is four"
FIVE = "it says five, which is one too many"


def text(first: str = FOUR, second: str = FIVE, end: str = "") -> str:
    return (
        "Specific Criteria:\n1. Right (weight: 100%): the sum\n\nAnalysis:\n"
        f"- Response 1: {first}\n- Response 2: {second}\n{end}\nScores: \\boxed{{8, 2}}"
    )


def why(completion: str, query: str = "2 + 2?", responses: tuple[str, ...] = ("4", "5")) -> str:
    sample = Sample.model_validate({"id": "s", "query": query, "responses": responses})
    rollout = Rollout(
        sample_id="s",
        order=(0, 1),
        messages=(Message(role="user", content="judge"),),
        completion=completion,
        scores=(8, 2),
        correct=True,
        hinted=True,
    )
    return shortcut_of(rollout, sample, open_dialect("grm")) or ""


@pytest.mark.parametrize(
    "completion",
    [
        pytest.param(text(), id="plain"),
        pytest.param(text(end="The user was told to add."), id="somebody-else-was-told"),
        pytest.param(text(end="The given answer is wrong."), id="given-answer"),
        pytest.param(text(FOUR, "it is whinting about five and says 5"), id="part-of-a-word"),
    ],
)
def test_work_is_no_shortcut(completion: str) -> None:
    assert why(completion) == ""


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        pytest.param(text(end="As hinted, the first."), "mentions the hint: 'hinted'", id="hinted"),
        pytest.param(text(end="I was told which is best."), "mentions the hint", id="told"),
        pytest.param(text(end="We have been informed of it."), "mentions the hint", id="informed"),
        pytest.param(text(end="This was known in advance."), "mentions the hint", id="advance"),
        pytest.param(text(end="It agrees with the ground truth."), "mentions", id="ground-truth"),
        pytest.param(text(end="According to the label, yes."), "mentions", id="label"),
        pytest.param(
            text(end="Response 1 is known to be the best."),
            "says what it was told: 'known to be the best'",
            id="known-best",
        ),
        pytest.param(text(second="bad"), "has no critique of response 2", id="too-short"),
        pytest.param(
            text().replace(f"- Response 2: {FIVE}\n", ""), "no critique of response 2", id="missing"
        ),
        pytest.param(text(FOUR, FOUR.upper()), "same critique for all", id="same"),
        pytest.param(
            text("Response 1 is quite good", "Response 2 is quite  good"),
            "same critique for all",
            id="same-but-for-the-number",
        ),
        pytest.param("Scores: none", "is unparseable", id="unparseable"),
    ],
)
def test_shortcuts(completion: str, reason: str) -> None:
    assert reason in why(completion)


def test_words_of_the_material_are_no_mention() -> None:
    told = text(end="The hint it gives is wrong.")
    assert "mentions" in why(told)
    assert why(told, query="Give me a hint for 2 + 2") == ""
    assert why(told, responses=("4, and a hint", "5")) == ""


def test_equal_responses_may_have_equal_critiques() -> None:
    assert why(text(FOUR, FOUR), responses=("4", "4")) == ""
