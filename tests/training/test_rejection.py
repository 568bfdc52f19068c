from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.errors import InputError
from deemster.schemas import Message, Sample
from deemster.training.outcome import is_correct
from deemster.training.rejection import Rejection, reject
from deemster.training.rollouts import Rollout

GOOD = """Specific Criteria:
1. Correctness (weight: 100%): the result is right

Analysis:
- Response 1: it says four, which the sum confirms
- Response 2: it says five, one more than the sum

Scores: \\boxed{{{}}}"""


def sample(name: str, truth: tuple[float, ...] | None = (1, 0)) -> Sample:
    responses = [f"answer {i}" for i in range(len(truth or (1, 0)))]
    return Sample.model_validate(
        {"id": name, "query": "2 + 2?", "responses": responses, "ground_truth": truth}
    )


def rollout(
    name: str, scores: tuple[float, ...] | None, *, hinted: bool = False, text: str | None = None
) -> Rollout:
    shown = "" if scores is None else ", ".join(f"{score:g}" for score in scores)
    return Rollout(
        sample_id=name,
        order=tuple(range(len(scores or (1, 0)))),
        messages=(Message(role="user", content="judge"),),
        completion=GOOD.format(shown) if text is None else text,
        scores=scores,
        correct=None,  # rejection trusts the samples, not a label written before
        hinted=hinted,
    )


RIGHT, WRONG = (8, 2), (2, 8)


def test_the_rules_of_the_paper() -> None:
    mixed = [rollout("mixed", RIGHT), rollout("mixed", WRONG), rollout("mixed", None)]
    easy = [rollout("easy", RIGHT)] * 3
    hopeless = [rollout("hopeless", WRONG), rollout("hopeless", (5, 5))]
    found = reject(
        [*mixed, *easy, *hopeless], [sample("easy"), sample("hopeless"), sample("mixed")]
    )
    assert found.kept == (mixed[0],)
    assert found.too_easy == tuple(easy)
    assert found.incorrect == (*hopeless, mixed[1])  # in the order of the samples
    assert found.unparseable == (mixed[2],)
    assert found.counts == {
        "trajectories": 8,
        "kept": 1,
        "kept_hinted": 0,
        "kept_items": 1,
        "too_easy": 3,
        "too_easy_items": 1,
        "incorrect": 3,
        "unparseable": 1,
        "shortcuts": 0,
    }


def test_easy_samples_of_a_teacher_can_be_kept() -> None:
    found = reject([rollout("easy", RIGHT)] * 3, [sample("easy")], drop_too_easy=False)
    assert len(found.kept) == 3


def test_hinted_ones_are_rejected_only_if_wrong_or_shortcuts() -> None:
    drawn = [
        *[rollout("easy", RIGHT)] * 3,
        rollout("easy", RIGHT, hinted=True),
        rollout("hard", WRONG),
        rollout("hard", RIGHT, hinted=True),
        rollout("lost", WRONG, hinted=True),
        rollout("told", RIGHT, hinted=True, text=GOOD.format("8, 2") + "\nThe hint says so."),
    ]
    samples = [sample(name) for name in ("easy", "hard", "lost", "told")]
    found = reject(drawn, samples)
    assert found.kept == (drawn[3], drawn[5])
    assert found.counts["kept_hinted"] == 2
    assert found.incorrect == (drawn[4], drawn[6])
    assert [(r, why) for r, why in found.shortcuts] == [(drawn[7], "mentions the hint: 'hint'")]
    assert found.too_easy == tuple(drawn[:3])


def test_single_responses() -> None:
    drawn = [
        rollout("one", (1,)),
        rollout("one", (0,)),
        rollout("zero", (0,)),
        rollout("zero", (1,)),
    ]
    found = reject(drawn, [sample("one", (1,)), sample("zero", (0,))])
    assert found.kept == (drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("drawn", "samples", "told"),
    [
        pytest.param(
            [rollout("a", WRONG), rollout("a", None)],
            [sample("a")],
            "left nothing of 2 trajectories: 1 incorrect, 1 unparseable, 0 too easy, 0 shortcuts; "
            "sample more, or from a better judge",
            id="all-rejected",
        ),
        pytest.param(
            [rollout("a", RIGHT)], [sample("a")], "1 too easy, 0 shortcuts; give harder", id="easy"
        ),
        pytest.param([], [sample("a")], "left nothing of 0 trajectories", id="none"),
        pytest.param(
            [rollout("b", RIGHT)], [sample("a")], "about 'b', but there is", id="stranger"
        ),
        pytest.param(
            [rollout("a", RIGHT)], [sample("a", None)], "sample 'a' has no ground_truth", id="label"
        ),
        pytest.param(
            [rollout("a", RIGHT)], [sample("a", (1, 1))], "sample 'a': .* 2 maxima", id="two-maxima"
        ),
    ],
)
def test_nothing_to_train_on(drawn: list[Rollout], samples: list[Sample], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        reject(drawn, samples)
    assert "\n" not in str(caught.value)


SCORED = st.none() | st.tuples(st.integers(1, 10), st.integers(1, 10))


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), SCORED, st.booleans()), min_size=1, max_size=24),
    st.booleans(),
)
def test_whatever_is_drawn(
    rows: list[tuple[str, tuple[float, float] | None, bool]], drop: bool
) -> None:
    samples = [sample(name) for name in "abcd"]
    drawn = [rollout(name, scores, hinted=hinted) for name, scores, hinted in rows]
    try:
        found = reject(drawn, samples, drop_too_easy=drop)
    except InputError:
        found = Rejection((), (), (), (), ())
        some_right = [r for r in drawn if r.scores is not None and is_correct(r.scores, (1, 0))]
        assert all(not r.hinted for r in some_right)
        assert drop or not some_right
        return
    groups = (*found.kept, *found.too_easy, *found.incorrect, *found.unparseable)
    assert Counter(groups) == Counter(drawn)  # each in exactly one group
    assert found.counts["trajectories"] == len(drawn)
    for kept in found.kept:
        assert kept.scores is not None
        assert is_correct(kept.scores, (1, 0))
        plain = [r for r in drawn if r.sample_id == kept.sample_id and not r.hinted]
        assert (
            kept.hinted
            or not drop
            or not all(r.scores is not None and is_correct(r.scores, (1, 0)) for r in plain)
        )
    assert drop or not found.too_easy
    assert not any(r.hinted for r in found.too_easy)
    again = reject(drawn, samples, drop_too_easy=drop)
    assert again == found
