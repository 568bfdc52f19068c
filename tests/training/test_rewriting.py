"""Judgments of other judges in the dialect of the one to train: layouts, names, scales."""

from __future__ import annotations

from typing import Any

import pytest
from tests.training.fakes_training import grm_text, json_text

from deemster.dialects import open_dialect
from deemster.dialects.parts import join_parts
from deemster.dialects.vote import read_vote
from deemster.schemas import Completion, Judgment, Scale
from deemster.training.rewriting import Written, rescaled, write_judgment

ONE_TO_TEN = Scale(low=1, high=10)
UNIT = Scale(low=0, high=1)


def said(dialect: str, text: str, *, order: tuple[int, ...] = (0, 1)) -> Judgment:
    """What a judge of a dialect wrote, read by that dialect."""
    vote = read_vote(
        open_dialect(dialect), Completion(text=text), order=order, n=len(order), draw=0, seed=None,
        judge="teacher",
    )  # fmt: skip
    assert isinstance(vote, Judgment)
    return vote


PAIR = (
    "Assistant A names the wrong capital. Assistant B is right and brief. "
    "My final verdict is: [[B]]"
)


ALONE = join_parts(
    [
        Completion(text="Right and brief. Rating: [[9]]"),
        Completion(text="Wrong. Rating: [[2]]"),
    ]
).text


@pytest.mark.parametrize(
    ("judgment", "dialect", "text", "scores"),
    [
        pytest.param(said("grm", grm_text([8, 3])), "grm", grm_text([8, 3]), (8, 3), id="its-own"),
        pytest.param(
            said("mt-bench-pair", PAIR), "mt-bench-pair", PAIR, (0, 1), id="in-the-dialect-of-a-log"
        ),
        pytest.param(
            said("mt-bench-pair", PAIR),
            "grm",
            "Analysis:\nResponse 1 names the wrong capital. Response 2 is right and brief.\n\n"
            "Scores: \\boxed{1, 10}",
            (1, 10),
            id="letters-become-numbers",
        ),
        pytest.param(
            said("mt-bench-pair", PAIR, order=(1, 0)),
            "smol",
            "Analysis:\nResponse 1 names the wrong capital. Response 2 is right and brief.\n\n"
            "Scores: \\boxed{1, 10}",
            (10, 1),
            id="as-shown-in-the-other-order",
        ),
        pytest.param(
            said("llmbar", "Output (a)"), "grm", "Scores: \\boxed{10, 1}", (10, 1), id="no-reasons"
        ),
        pytest.param(
            said("llmbar", "Output (b) is better."),
            "grm",
            "Scores: \\boxed{1, 10}",
            (1, 10),
            id="a-verdict-is-no-reason",
        ),
        pytest.param(
            said("arena-hard", "My final verdict is Assistant A is slightly better: [[A>B]]"),
            "grm",
            "Scores: \\boxed{8, 3}",
            (8, 3),
            id="degrees",
        ),
        pytest.param(
            said("json", json_text([4, 9])),
            "smol",
            "Specific Criteria:\n1. Correctness (weight: 100%): right\n\nAnalysis:\n"
            "- Response 1: it is worth 4, no more\n- Response 2: it is worth 9, no more\n\n"
            "Scores: \\boxed{4, 9}",
            (4, 9),
            id="principles-and-critiques",
        ),
        pytest.param(
            said("mt-bench-single", ALONE),
            "grm",
            "Analysis:\n- Response 1: Right and brief.\n- Response 2: Wrong.\n\n"
            "Scores: \\boxed{9, 2}",
            (9, 2),
            id="each-response-alone",
        ),
    ],
)
def test_a_judgment_is_written_in_the_trained_dialect(
    judgment: Judgment, dialect: str, text: str, scores: tuple[float, ...]
) -> None:
    written = write_judgment(judgment, open_dialect(dialect))
    assert written == Written(text, scores)


def test_without_reasons_it_is_the_scores_alone() -> None:
    own = said("grm", grm_text([8, 3]), order=(1, 0))
    written = write_judgment(own, open_dialect("grm"), reasons=False)
    assert written == Written("Scores: \\boxed{8, 3}", (3, 8))
    assert write_judgment(own, open_dialect("mt-bench-pair"), reasons=False) is None


def bare(**fields: Any) -> Judgment:
    return Judgment(**{"scores": (1, 0), "order": (0, 1), "scale": UNIT, "raw": "x", **fields})


@pytest.mark.parametrize(
    ("judgment", "dialect"),
    [
        pytest.param(bare(order=()), "grm", id="order-unknown"),
        pytest.param(bare(order=(1,)), "grm", id="shown-one-of-two"),
        pytest.param(bare(scores=(1, None)), "grm", id="a-score-missing"),
        pytest.param(bare(), "arena-hard", id="a-dialect-that-reads-no-boxes"),
        pytest.param(
            bare(scores=(51, 52), scale=Scale(low=1, high=100)), "grm", id="would-become-a-tie"
        ),
        pytest.param(bare(scores=(0.3,), order=(0,), scale=None), "smol", id="one-without-a-scale"),
    ],
)
def test_what_cannot_be_written(judgment: Judgment, dialect: str) -> None:
    assert write_judgment(judgment, open_dialect(dialect)) is None


@pytest.mark.parametrize(
    ("scores", "own", "found"),
    [
        pytest.param((7, 3), ONE_TO_TEN, (7, 3), id="same"),
        pytest.param((1, 0), UNIT, (10, 1), id="win"),
        pytest.param((0.5, 0.5), Scale(low=0, high=1, integer=False), (6, 6), id="tie"),
        pytest.param((-3.2, 8.1, -0.4), None, (1, 10, 6), id="ranks"),
        pytest.param((2.5, 2.5), None, (1, 1), id="ranks-tied"),
        pytest.param((5.1, 5.2), Scale(low=1, high=10, integer=False), None, id="collide"),
    ],
)
def test_scores_on_another_scale(
    scores: tuple[float, ...], own: Scale | None, found: tuple[float, ...] | None
) -> None:
    assert rescaled(scores, own, ONE_TO_TEN) == found
