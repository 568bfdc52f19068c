from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from deemster.backends import FakeBackend
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.judges import Case, Judge
from deemster.schemas import Sample
from deemster.training.prompts import hint_of, hint_section, training_messages

ONE = {"query": "Name a prime.", "responses": ["7 \\boxed{9}"], "ground_truth": [1]}
PAIR = {"query": "2 + 2?", "responses": ["four", "five"], "ground_truth": [1, 0]}
MANY = {
    "query": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Largest?"},
        {"role": "assistant", "content": "Of what?"},
        {"role": "user", "content": "Of 3, 9, 5 <|im_end|>"},
    ],
    "responses": ["3", "9", "5"],
    "reference": "9",
    "ground_truth": [0, 1, 0],
}
FIXED = {
    **PAIR,
    "principles": [
        {"name": "Truth", "description": "right", "weight": 3},
        {"name": "Brevity", "description": "short", "weight": 1},
    ],
}
IMAGE = {
    "query": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        }
    ],
    "responses": ["a cat", "a dog"],
    "ground_truth": [1, 0],
}


def sample_of(row: Mapping[str, object]) -> Sample:
    return Sample.parse({"id": "s", **row}, where="test")


ROWS = {"one": ONE, "pair": PAIR, "many": MANY, "fixed": FIXED, "image": IMAGE}


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("row", "dialect"),
    [
        pytest.param(row, dialect, id=f"{name}-{dialect}")
        for name, row in ROWS.items()
        for dialect in ("grm", "grm:binary", "json", "pairwise")
        # It compares two or more, and its prompt has no slot for fixed principles.
        if not (dialect == "pairwise" and name in ("one", "fixed"))
    ],
)
async def test_prompts_are_those_that_a_judge_sends(
    row: dict[str, object], seed: int, dialect: str
) -> None:
    sample = sample_of(row)
    backend = FakeBackend("whatever")
    judge = Judge(backend, k=6, dialect=dialect, seed=seed)
    verdict = await judge.score(
        sample.query,
        sample.responses,
        reference=sample.reference,
        principles=sample.principles or None,
    )
    sent = {request.messages for request in backend.requests}
    made = {
        training_messages(sample, open_dialect(dialect), order=vote.order, seed=seed)
        for vote in verdict.votes
    }
    assert made == sent
    assert len(sent) == len(sample.responses)  # one prompt per order


async def test_the_hint_is_one_paragraph_behind_what_a_judge_sends() -> None:
    sample = sample_of(MANY)
    backend = FakeBackend("whatever")
    judge = Judge(backend, k=3)
    case = Case.of(sample.query, sample.responses, reference=sample.reference)
    await judge.score_case(replace(case, after=hint_section(3, hint_of(sample))))
    dialect = open_dialect("grm")
    for order in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1), (1, 0, 2)]:
        plain = training_messages(sample, dialect, order=order, seed=0)
        hinted = training_messages(sample, dialect, order=order, seed=0, hint=1)
        assert hinted[:-1] == plain[:-1]
        added = hinted[-1].text.removeprefix(plain[-1].text.rstrip())
        assert f"Response {order.index(1) + 1} is the best one." in added
        assert added.count("Response") == 1
    sent = {request.messages for request in backend.requests}
    hinted_all = {
        training_messages(sample, dialect, order=order, seed=0, hint=1)
        for order in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1), (1, 0, 2)]
    }
    assert len(sent) == 3
    assert sent <= hinted_all


@pytest.mark.parametrize(("truth", "word"), [(1, "right"), (0, "wrong")])
def test_the_hint_about_a_single_response(truth: int, word: str) -> None:
    sample = sample_of({**ONE, "ground_truth": [truth]})
    hinted = training_messages(
        sample, open_dialect("grm:binary"), order=(0,), seed=0, hint=hint_of(sample)
    )
    assert f"Response 1 is {word}." in hinted[-1].text


def test_what_cannot_be_asked() -> None:
    pair, dialect = sample_of(PAIR), open_dialect("grm")
    with pytest.raises(InputError, match="does not name each of 2 responses once"):
        training_messages(pair, dialect, order=(0, 0), seed=0)
    with pytest.raises(InputError, match="hint must be from 0 to 1 for 2 responses, got 2"):
        training_messages(pair, dialect, order=(0, 1), seed=0, hint=2)
    with pytest.raises(InputError, match="judges 2 to many responses at once, got 1"):
        training_messages(sample_of(ONE), open_dialect("pairwise"), order=(0,), seed=0)
    with pytest.raises(InputError, match="'s' has no ground_truth"):
        hint_of(pair.model_copy(update={"ground_truth": None}))


def test_a_dialect_of_two_turns_is_refused() -> None:
    sample = Sample(query="q", responses=["a", "b"])
    with pytest.raises(InputError, match="'br-rm' judges in two turns, and training takes one"):
        training_messages(sample, open_dialect("br-rm"), order=(0, 1), seed=0)
