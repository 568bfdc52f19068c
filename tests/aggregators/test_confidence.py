from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.aggregators import (
    Ballot,
    Majority,
    Mean,
    Sum,
    confidence,
    confidences,
    parse_aggregator,
    rank,
    strict_best,
    tie_groups,
    win_shares,
)
from deemster.aggregators.confidence import TIE, share_at_least
from deemster.schemas import Critique, Failure, Judgment, Principle


def ballot(*rows: tuple[float, ...]) -> Ballot:
    return Ballot.from_votes([Judgment(scores=row) for row in rows])


def by_principle(part: tuple[int, int] | None) -> Judgment:
    """A vote with the overall scores 7 and 6, and other ones by its principle if it has one."""
    if part is None:
        return Judgment(scores=(7, 6))
    return Judgment(
        scores=(7, 6),
        principles=(Principle(name="facts", description="it is true", weight=1.0),),
        critiques=tuple(Critique(response=i, text="so", scores=(part[i],)) for i in range(2)),
    )


def test_confidence_equals_exact_enumeration() -> None:
    rows = [(7.0, 5.0), (6.0, 7.0), (8.0, 6.0)]
    wins = []
    for a in rows:
        for b in rows:
            for c in rows:
                totals = np.sum([a, b, c], axis=0)
                wins.append(0.5 if totals[0] == totals[1] else float(totals[0] > totals[1]))
    found = confidence(Sum(), ballot(*rows), 0, seed=3, resamples=20_000)
    assert found == pytest.approx(np.mean(wins), abs=0.015)


def test_confidence_is_seeded() -> None:
    votes = ballot((7, 5), (6, 7), (8, 6), (2, 3))
    first = confidence(Mean(), votes, 0, seed=1)
    assert first == confidence(Mean(), votes, 0, seed=1)
    assert first != confidence(Mean(), votes, 0, seed=2)


def test_more_agreement_gives_more_confidence() -> None:
    split = confidence(Sum(), ballot((6, 5), (5, 6), (6, 5)), 0, seed=0)
    clear = confidence(Sum(), ballot((6, 5), (5, 6), *[(8, 5)] * 6), 0, seed=0)
    assert split is not None
    assert clear is not None
    assert split < clear


@pytest.mark.parametrize(
    "votes",
    [
        pytest.param([Judgment(scores=(7, 5))], id="one-vote"),
        pytest.param([Judgment(scores=(7,)), Judgment(scores=(6,))], id="one-response"),
        pytest.param(
            [Judgment(scores=(7, 5)), Failure(status="timeout", message="")], id="one-valid"
        ),
    ],
)
def test_confidence_is_none_where_votes_cannot_tell(votes: list[Judgment | Failure]) -> None:
    assert confidence(Sum(), Ballot.from_votes(votes), 0, seed=0) is None


def test_how_often_a_mean_score_reaches_a_bar() -> None:
    def share(votes: Ballot, bar: float) -> float | None:
        return share_at_least(Mean(), votes, 0, bar, seed=1)

    same = ballot((0.5,), (0.5,))
    assert share(ballot((0.5,)), 0.5) is None
    assert share(same, 0.5) == 1.0
    assert share(same, 0.5 + TIE / 2) == 1.0  # rounding
    assert share(same, 0.5 + 1.5 * TIE) == 0.0
    large = ballot((1000.0,), (1000.0,))  # of it rounding is a share
    assert share(large, 1000 * (1 + TIE / 2)) == 1.0
    assert share(large, 1000 * (1 + 1.5 * TIE)) == 0.0
    mixed = share(ballot((0.0,), (1.0,)), 0.5)
    assert mixed == pytest.approx(0.75, abs=0.05)  # of the four pairs three


def test_unanimous_votes_are_sure() -> None:
    assert confidence(Majority(), ballot((7, 5), (7, 5)), 0, seed=0) == 1.0


def test_unanimous_ties_are_a_coin_toss() -> None:
    assert confidence(Sum(), ballot((5, 5), (5, 5)), 0, seed=0) == 0.5
    assert confidence(Sum(), ballot((5, 5, 1), (5, 5, 1)), 2, seed=0) == 0.0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 1000))
def test_ranking_sorts_rewards(rewards: list[int], seed: int) -> None:
    ranking = rank(rewards, seed=seed)
    assert sorted(ranking) == list(range(len(rewards)))
    assert [rewards[i] for i in ranking] == sorted(rewards, reverse=True)
    assert ranking == rank(rewards, seed=seed)


def test_ties_are_broken_at_random_but_by_seed() -> None:
    firsts = {rank([1.0, 1.0], seed=seed)[0] for seed in range(20)}
    assert firsts == {0, 1}


def test_tie_groups_best_first() -> None:
    assert tie_groups([1.0, 5.0, 5.0, 1.0, 2.0]) == ((1, 2), (0, 3))
    assert tie_groups([1.0, 2.0]) == ()
    assert tie_groups([0.1 + 0.2, 0.3]) == ((0, 1),)


def test_strict_best() -> None:
    assert strict_best([1.0, 3.0, 2.0]) == 1
    assert strict_best([3.0, 3.0, 2.0]) is None
    assert strict_best([0.1 + 0.2, 0.3]) is None


def test_ties_mean_the_same_everywhere() -> None:
    rewards = [20.0, 20.0 + 1e-9, 3.0]
    assert strict_best(rewards) is None
    assert tie_groups(rewards) == ((0, 1),)
    assert win_shares(np.array(rewards)).tolist() == [0.5, 0.5, 0.0]
    assert {rank(rewards, seed=seed)[0] for seed in range(20)} == {0, 1}


@pytest.mark.parametrize(
    ("gap", "tied"),
    [
        pytest.param(0.0, True, id="equal"),
        pytest.param(0.5e-9, True, id="within"),
        pytest.param(2e-9, False, id="beyond"),
        pytest.param(-0.5e-9, True, id="within-from-below"),
        pytest.param(-2e-9, False, id="beyond-from-below"),
    ],
)
@pytest.mark.parametrize("size", [0.0, 0.25, 1.0, 20.0, -0.25, -20.0])
def test_the_tolerance_of_ties(size: float, gap: float, tied: bool) -> None:
    """Relative to the larger reward; where that is below 1, absolute."""
    second = size + gap * max(1.0, abs(size))
    rewards = [size, second, size - 50]
    shares = win_shares(np.array([rewards]))[0]
    best = int(gap > 0)
    if tied:
        assert shares.tolist() == [0.5, 0.5, 0.0]
        assert strict_best(rewards) is None
        assert tie_groups(rewards) == ((0, 1),)
    else:
        assert shares.tolist() == [1.0 - best, float(best), 0.0]
        assert strict_best(rewards) == best
        assert tie_groups(rewards) == ()


@pytest.mark.parametrize(
    ("gap", "sure"),
    [
        pytest.param(0.0, 0.5, id="tie"),
        pytest.param(0.5e-9, 0.5, id="tie-up-to-rounding"),
        pytest.param(2e-9, 1.0, id="no-tie"),
    ],
)
def test_confidence_shares_out_ties_up_to_rounding(gap: float, sure: float) -> None:
    """Resampled totals of the same scores may differ in their last bits: that is no win."""
    # unequal votes, so that resamples are drawn
    rows = ballot((5 + 5 * gap, 5.0), (7 + 7 * gap, 7.0), (9 + 9 * gap, 9.0))
    assert confidence(Mean(), rows, 0, seed=0) == sure
    assert confidence(Mean(), rows, 1, seed=0) == 1 - sure


def test_confidence_of_scores_that_no_binary_number_holds() -> None:
    # in thirds and tenths: sums in different order differ in their last bits
    rows = ballot((0.1, 0.3, 0.2), (0.2, 0.1, 0.3), (0.3, 0.2, 0.1))
    assert rewards_tie(rows)
    total = sum(confidence(Sum(), rows, i, seed=4) or 0.0 for i in range(3))
    assert total == pytest.approx(1.0)


def rewards_tie(rows: Ballot) -> bool:
    return tie_groups(Sum().reduce(rows).tolist()) == ((0, 1, 2),)


def test_failed_votes_are_not_resampled() -> None:
    failed = [Failure(status="timeout", message="late")] * 5
    votes = [Judgment(scores=row) for row in ((6, 8), (6, 8), (10, 8))]
    few = confidence(Sum(), Ballot.from_votes(votes), 1, seed=0)
    assert confidence(Sum(), Ballot.from_votes([*failed, *votes]), 1, seed=0) == few


def test_equal_votes_need_no_resampling_but_votes_that_leave_out_a_response_differ() -> None:
    votes = Ballot.from_votes([Judgment(scores=(8, 6)), Judgment(scores=(None, 9))])
    found = confidence(Mean(), votes, 0, seed=0)
    assert found is not None
    assert 0.1 < found < 0.9


@pytest.mark.parametrize(
    ("parts", "sure"),
    [
        pytest.param([(9, 2), (2, 8), (2, 5)], False, id="differ"),
        pytest.param([(9, 2), None, (2, 8)], False, id="one-without"),
        pytest.param([(9, 2), (9, 2), (9, 2)], True, id="equal"),
        pytest.param([None, None, None], True, id="none"),
    ],
)
@pytest.mark.parametrize("steps", ["", "topk(3) >> "])
def test_equal_scores_with_other_scores_per_principle(
    parts: list[tuple[int, int] | None], sure: bool, steps: str
) -> None:
    votes = Ballot.from_votes([by_principle(part) for part in parts])
    reducer = parse_aggregator(f"{steps}weighted(by=principles) >> sum")
    leader = int(np.argmax(reducer.reduce(votes)))
    found = confidence(reducer, votes, leader, seed=0)
    assert found is not None
    assert (found == 1.0) == sure
    (together,) = confidences(reducer, votes.take(None), np.array([leader]), seed=0)
    assert found == pytest.approx(together)
    lowest = share_at_least(reducer, votes, leader, float(votes.mean[leader]), seed=0)
    assert lowest is not None
    assert (lowest in {0.0, 1.0}) == sure


def test_win_shares_split_ties_and_skip_nan() -> None:
    shares = win_shares(np.array([[1.0, 2.0, 2.0], [np.nan, 1.0, 0.0], [np.nan, -2.0, -1.0]]))
    assert shares.tolist() == [[0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]]
