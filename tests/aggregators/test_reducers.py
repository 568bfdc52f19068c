from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.aggregators import (
    Ballot,
    Majority,
    Mean,
    Median,
    Reducer,
    Sum,
    TopK,
    Weighted,
    parse_aggregator,
    rewards_of,
)
from deemster.aggregators.selectors import selects_by_meta
from deemster.errors import InputError
from deemster.schemas import Critique, Failure, Judgment, Principle, Vote

FAILED = Failure(status="timeout", message="no answer in 2 s")
REDUCERS = [Sum(), Mean(), Median(), Majority()]


def vote(*scores: float | None, meta: float | None = None, judge: str = "") -> Judgment:
    return Judgment(scores=scores, meta_reward=meta, judge=judge)


@pytest.mark.parametrize(
    ("reducer", "votes", "rewards"),
    [
        pytest.param(Sum(), [vote(2, 8), vote(4, 6)], (6.0, 14.0), id="sum"),
        pytest.param(Sum(), [vote(2, 8), FAILED], (4.0, 16.0), id="sum-failure-lowers-nothing"),
        pytest.param(
            Sum(),
            [vote(None, 8), vote(4, None), FAILED, FAILED],
            (16.0, 32.0),
            id="sum-failures-and-missing-scores",
        ),
        pytest.param(
            Sum(), [vote(2, 8), vote(4, None)], (6.0, 16.0), id="sum-missing-score-is-no-zero"
        ),
        pytest.param(Sum(), [FAILED], None, id="sum-all-failed-is-none"),
        pytest.param(Sum(), [vote(3, None)], None, id="sum-never-scored-is-none"),
        pytest.param(Sum(), [], None, id="sum-no-votes"),
        pytest.param(Mean(), [vote(2, 8), vote(4, 6)], (3.0, 7.0), id="mean"),
        pytest.param(Mean(), [vote(2, 8), FAILED], (2.0, 8.0), id="mean-failure-left-out"),
        pytest.param(
            Majority(), [vote(9, 1), vote(2, 5), FAILED, FAILED], (2.0, 2.0), id="majority-failures"
        ),
        pytest.param(
            Majority(),
            [vote(9, 1), vote(None, 5), vote(7, None), vote(1, 9)],
            (2.0, 2.0),
            id="majority-missing-scores",
        ),
        pytest.param(Majority(), [vote(9, None), vote(8, None)], None, id="majority-never-scored"),
        pytest.param(Median(), [vote(1, 5), vote(9, 5), vote(2, 6)], (2.0, 5.0), id="median-odd"),
        pytest.param(Median(), [vote(1, 5), vote(4, 8)], (2.5, 6.5), id="median-even"),
        pytest.param(Median(), [vote(1, None), vote(4, 8)], (2.5, 8.0), id="median-missing"),
        pytest.param(
            Majority(), [vote(9, 1), vote(6, 5), vote(1, 9)], (2.0, 1.0), id="majority-of-bests"
        ),
        pytest.param(Majority(), [vote(5, 5), vote(1, 9)], (0.0, 1.0), id="majority-tie-abstains"),
        pytest.param(Majority(), [vote(1), vote(0), vote(0)], (0.0,), id="majority-single-mode"),
        pytest.param(Majority(), [vote(1), vote(0)], (1.0,), id="majority-single-even-is-larger"),
        pytest.param(Majority(), [vote(4), FAILED, FAILED], (4.0,), id="majority-single-failures"),
    ],
)
def test_rewards(
    reducer: Reducer, votes: Sequence[Vote], rewards: tuple[float, ...] | None
) -> None:
    assert reducer(votes) == rewards


def test_a_ballot_of_votes() -> None:
    principles = (Principle(name="true", weight=0.75), Principle(name="kind", weight=0.25))
    found = Critique(response=1, text="", scores=(2, 10))
    votes: list[Vote] = [
        vote(2, None, meta=0.25, judge="a"),
        FAILED.model_copy(update={"judge": "b"}),
        Judgment(scores=(5, 6), judge="b", principles=principles, critiques=(found,)),
        vote(9, 1).model_copy(update={"superseded": True, "judge": "a"}),
    ]
    ballot = Ballot.from_votes(votes)
    nan = math.nan
    np.testing.assert_array_equal(ballot.scores, [[2, nan], [nan, nan], [5, 6], [9, 1]])
    np.testing.assert_array_equal(ballot.filled, [[2, 0], [0, 0], [5, 6], [9, 1]])
    np.testing.assert_array_equal(ballot.weights, [1, 0, 1, 0])
    np.testing.assert_array_equal(ballot.given, [[1, 0], [0, 0], [1, 1], [0, 0]])
    np.testing.assert_array_equal(ballot.meta, [0.25, nan, nan, nan])
    np.testing.assert_array_equal(ballot.judges, [0, 1, 1, 0])
    np.testing.assert_array_equal(ballot.by_principle, [[nan] * 2] * 2 + [[nan, 4], [nan] * 2])
    assert ballot.judge_names == ("a", "b")
    assert (ballot.k, ballot.asked, int(ballot.n_valid)) == (3, 3, 2)
    assert ballot.mean.tolist() == [3.5, 6.0]
    one = ballot.take(np.array([2]))
    np.testing.assert_array_equal(one.by_principle, [[nan, 4]])
    assert (one.judges.tolist(), one.judge_names, one.k) == ([1], ("a", "b"), 3)


def test_a_ballot_without_a_judgment() -> None:
    ballot = Ballot.from_votes([FAILED, FAILED])
    assert ballot.scores.shape == ballot.by_principle.shape == (2, 0)
    assert ballot.weights.tolist() == [0.0, 0.0]
    assert (ballot.judge_names, ballot.asked) == (("",), 2)
    assert (
        Ballot.from_votes([FAILED], n=3, k=5).mean.tolist()
        == [pytest.approx(math.nan, nan_ok=True)] * 3
    )
    empty = Ballot.from_votes([])
    assert (empty.scores.shape, empty.judge_names, empty.asked) == ((0, 0), ("",), 0)
    full = Ballot.from_votes([vote(1, 2), vote(3, 4)])
    assert full.weights.tolist() == [1.0, 1.0]
    assert full.judges.tolist() == [0, 0]


def test_ballots_do_not_share_what_is_their_own() -> None:
    """What votes rarely have is one array for all ballots until one of them has it."""
    rated = Ballot.from_votes([vote(1, 2, meta=0.5), vote(1, 2, meta=0.75)])
    plain = Ballot.from_votes([vote(1, 2), vote(1, 2)])
    assert rated.meta.tolist() == [0.5, 0.75]
    assert np.isnan(plain.meta).all()
    with pytest.raises(ValueError, match="read-only"):
        plain.meta[0] = 1.0


def test_min_valid_counts_judgments_only() -> None:
    votes: list[Vote] = [vote(1, 2), FAILED, vote(2, 3)]
    assert Sum()(votes, min_valid=2) == (4.5, 7.5)
    assert Sum()(votes, min_valid=3) is None
    with pytest.raises(InputError, match="min_valid must be >= 1, got 0"):
        Sum()(votes, min_valid=0)


def test_votes_about_different_responses_are_refused() -> None:
    with pytest.raises(InputError, match="vote 1 scores 3 responses, others 2"):
        Sum()([vote(1, 2), vote(1, 2, 3)])


@pytest.mark.parametrize(
    ("reducer", "rewards"),
    [
        pytest.param(TopK(1) >> Sum(), (2.0, 9.0), id="top-1"),
        pytest.param(TopK(2) >> Sum(), (9.0, 13.0), id="top-2"),
        pytest.param(TopK() >> Mean(), (4.5, 6.5), id="top-half-of-4-rated"),
        pytest.param(TopK() >> Sum(), (4.5 * 3, 6.5 * 3), id="top-half-of-6-asked"),
        pytest.param(TopK(9) >> Sum(), (6.25 * 6, 4.0 * 6), id="top-more-than-there-are"),
        pytest.param(Weighted("meta") >> Sum(), (9.2 / 1.9 * 6, 11.1 / 1.9 * 6), id="weighted"),
        pytest.param(
            Weighted("meta") >> Majority(), (1.0 / 1.9 * 6, 0.9 / 1.9 * 6), id="weighted-majority"
        ),
        pytest.param(Weighted("meta") >> Mean(), (9.2 / 1.9, 11.1 / 1.9), id="weighted-mean"),
    ],
)
def test_meta_guided(reducer: Reducer, rewards: tuple[float, ...]) -> None:
    votes: list[Vote] = [
        vote(8, 1, meta=0.2),
        vote(2, 9, meta=0.9),
        FAILED,
        vote(8, 2, meta=0.2),
        vote(7, 4, meta=0.6),
        vote(100, 100),  # not rated: it does not count
    ]
    assert reducer(votes) == pytest.approx(rewards)


def test_without_meta_rewards_all_votes_count() -> None:
    votes = [vote(8, 1), vote(2, 9)]
    assert (Weighted("meta") >> Sum())(votes) == Sum()(votes)
    # of the size that the other samples have, where the meta RM did not fail
    for k_meta in (1, None):
        assert (TopK(k_meta) >> Sum())(votes) == Mean()(votes)


def test_meta_rewards_are_relative() -> None:
    votes = [vote(8, 1, meta=0.02), vote(2, 9, meta=0.06)]
    assert (Weighted("meta") >> Mean())(votes) == pytest.approx((3.5, 7.0))
    nothing = [vote(8, 1, meta=0.0), vote(2, 9, meta=0.0)]
    assert (Weighted("meta") >> Mean())(nothing) == (5.0, 5.0)


def test_top_k_ties_keep_draw_order() -> None:
    votes = [vote(1, 2, meta=0.5), vote(3, 4, meta=0.5), vote(5, 6, meta=0.5)]
    assert (TopK(2) >> Sum())(votes) == (4.0, 6.0)


def test_logit_weights_ignore_judgments_that_are_probably_wrong() -> None:
    votes = [vote(1, 9, meta=0.4), vote(9, 1, meta=0.9)]
    assert (Weighted("meta", scale="logit") >> Mean())(votes) == pytest.approx((9.0, 1.0))
    sure = [
        vote(1, 9, meta=0.5 + 0.4),
        vote(9, 1, meta=1 - 1e-5),
    ]  # log-odds 2.2, and 11.5 cut to 4
    weight = math.log(9)
    expected = ((weight + 9 * 4) / (weight + 4), (9 * weight + 4) / (weight + 4))
    assert (Weighted("meta", scale="logit") >> Mean())(sure) == pytest.approx(expected)


def test_weights_add_up_to_halves_whatever_their_last_bits() -> None:
    tenth = Weighted("judge", judges=(("", 0.1), ("other", 1.0)))
    votes = [vote(score) for score in range(1, 11)]
    assert (tenth >> Median())(votes) == (5.5,)


def test_votes_that_are_kept_keep_their_weights() -> None:
    votes = [vote(9, 1, meta=0.9, judge="a"), vote(1, 9, meta=0.8), vote(5, 5, meta=0.1)]
    heavier = Weighted("judge", judges=(("a", 3.0),)) >> TopK(2)
    assert (heavier >> Mean())(votes) == (7.0, 3.0)
    assert (heavier >> Sum())(votes) == (14.0, 6.0)


def test_judge_weights() -> None:
    votes = [vote(1, 9, judge="a"), vote(9, 1, judge="b"), vote(5, 5, judge="c")]
    reducer = Weighted("judge", judges=(("a", 3.0), ("b", 0.0))) >> Sum()
    assert reducer(votes) == pytest.approx(((3 + 5) / 4 * 3, (27 + 5) / 4 * 3))


def test_principle_weights_replace_overall_scores() -> None:
    principles = (Principle(name="true", weight=0.75), Principle(name="kind", weight=0.25))
    judgment = Judgment(
        scores=(5, 5),
        principles=principles,
        critiques=(
            Critique(response=0, text="", scores=(8, 4)),
            Critique(response=1, text="", scores=(2, 10)),
        ),
    )
    silent = vote(1, 10)
    reducer = Weighted("principles") >> Mean()
    assert reducer([judgment, silent]) == pytest.approx((7.0, 4.0))
    assert reducer([silent]) == (1.0, 10.0)
    # a response without a score on some principle has none: the missing one is not a 0
    partial = judgment.model_copy(
        update={
            "critiques": (
                Critique(response=0, text="", scores=(4, None)),
                Critique(response=1, text="", scores=(6, 6)),
            )
        }
    )
    assert reducer([judgment, partial]) == pytest.approx((7.0, 5.0))
    # a vote without scores per principle does not count, not even as one that nobody won
    assert (Weighted("principles") >> Majority())([judgment, silent]) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(lambda: TopK(0), "k_meta must be a whole number >= 1, got 0", id="k-meta-0"),
        pytest.param(lambda: TopK(True), "k_meta must be a whole number", id="k-meta-bool"),
        pytest.param(
            lambda: parse_aggregator("weighted(age) >> sum"), "weights by 'age'", id="unknown-by"
        ),
        pytest.param(
            lambda: parse_aggregator("weighted(scale=cube) >> sum"),
            "meta scale 'cube'",
            id="unknown-scale",
        ),
        pytest.param(
            lambda: Weighted("judge", judges=(("a", math.nan),)), "judge 'a'", id="nan-weight"
        ),
        pytest.param(lambda: Weighted("judge", judges=(("a", -1.0),)), "judge 'a'", id="negative"),
        pytest.param(lambda: Weighted("judge", judges=(("a", 0.0),)), "all judge", id="all-zero"),
    ],
)
def test_impossible_settings(build: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()  # type: ignore[operator]


def test_what_selects_by_meta_rewards() -> None:
    assert selects_by_meta(TopK() >> Sum())
    assert selects_by_meta(Weighted() >> Sum())
    assert selects_by_meta(Weighted("principles") >> TopK(2) >> Sum())
    assert not selects_by_meta(Weighted("judge", judges=(("a", 2.0),)) >> Sum())
    assert not selects_by_meta(Sum())


def test_the_meta_reward_of_a_vote_that_does_not_count_is_not_looked_at() -> None:
    gone = vote(1, 2, meta=-0.5).model_copy(update={"superseded": True})
    assert (Weighted() >> Mean())([gone, vote(3, 4, meta=0.5)]) == (3.0, 4.0)


def test_negative_meta_rewards_are_no_linear_weights() -> None:
    with pytest.raises(InputError, match="below 0"):
        (Weighted() >> Sum())([vote(1, 2, meta=-0.5)])


scores_strategy = st.one_of(st.none(), st.integers(1, 10))


@st.composite
def ballots(draw: st.DrawFn) -> list[Vote]:
    n = draw(st.integers(1, 5))
    votes: list[Vote] = []
    for index in range(draw(st.integers(1, 7))):
        scores = draw(st.lists(scores_strategy, min_size=n, max_size=n))
        meta = draw(st.one_of(st.none(), st.floats(0, 1)))
        if all(score is None for score in scores):
            votes.append(Failure(draw=index, status="parse_error", message="no verdict"))
        else:
            votes.append(
                Judgment(
                    draw=index,
                    scores=tuple(None if s is None else float(s) for s in scores),
                    meta_reward=meta,
                )
            )
    return votes


@given(ballots(), st.randoms(use_true_random=False))
def test_permuting_responses_permutes_rewards(votes: list[Vote], random: object) -> None:
    judgments = [v for v in votes if isinstance(v, Judgment)]
    if not judgments:
        return
    n = len(judgments[0].scores)
    order = list(range(n))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved: list[Vote] = [
        v.model_copy(update={"scores": tuple(v.scores[i] for i in order)})
        if isinstance(v, Judgment)
        else v
        for v in votes
    ]
    for reducer in [*REDUCERS, TopK(2) >> Mean(), Weighted() >> Sum()]:
        before, after = reducer(votes), reducer(moved)
        if before is None:
            assert after is None
        else:
            assert after == pytest.approx(tuple(before[i] for i in order))


@given(ballots(), st.integers(1, 9))
def test_sum_is_k_times_mean_whatever_was_lost(votes: list[Vote], extra: int) -> None:
    mean = Mean()(votes)
    k = len(votes) + extra
    for cast, asked in ((votes, None), (votes, k), ([*votes, *[FAILED] * extra], None)):
        total = Sum()(cast, k=asked)
        if mean is None:
            assert total is None
            continue
        times = len(votes) if cast is votes and asked is None else k
        assert total == pytest.approx([times * reward for reward in mean])


EVERY = [
    *REDUCERS,
    TopK(2) >> Sum(),
    TopK(2) >> Majority(),
    Weighted() >> Sum(),
    Weighted("judge", judges=(("", 2.0),)) >> Sum(),
    *map(parse_aggregator, ["softmax", "borda", "perjudge", "learned", "centred >> sum"]),
    parse_aggregator("reliable >> sum"),
]


@pytest.mark.parametrize("reducer", EVERY, ids=str)
@pytest.mark.parametrize("scores", [[(8,), (6,), (8,), (6,)], [(8, 3), (6, 5), (8, 3), (6, 5)]])
def test_votes_lost_at_random_move_no_reward(
    reducer: Reducer, scores: list[tuple[float, ...]]
) -> None:
    """Half of the votes lost, the same mix left: samples with and without stay comparable."""
    whole: list[Vote] = [vote(*row, meta=0.5) for row in scores]
    half: list[Vote] = [whole[0], FAILED, FAILED, whole[3]]
    assert reducer(half) == pytest.approx(reducer(whole))
    assert reducer(half[:1] + half[3:], k=4) == pytest.approx(reducer(whole))  # stopped early
    left, right = Ballot.from_votes(whole), Ballot.from_votes(half)
    assert reducer.mean_scores(left).tolist() == pytest.approx(reducer.mean_scores(right))


@pytest.mark.parametrize(
    ("k", "valid", "reward"),
    [
        pytest.param(4, 4, 14.0, id="half-of-4"),
        pytest.param(4, 1, 14.0, id="of-4-one-is-left"),
        pytest.param(5, 5, 21.0, id="half-of-5-rounds-up"),
        pytest.param(5, 2, 21.0, id="of-5-two-are-left"),
        pytest.param(1, 1, 7.0, id="of-1"),
    ],
)
def test_the_better_half_sums_over_half_of_the_votes_asked_for(
    k: int, valid: int, reward: float
) -> None:
    votes: list[Vote] = [*[vote(7, meta=0.5)] * valid, *[FAILED] * (k - valid)]
    assert (TopK() >> Sum())(votes) == pytest.approx((reward,))
    assert (TopK() >> Sum())(votes[:valid], k=k) == pytest.approx((reward,))


@given(ballots(), st.permutations(range(7)))
def test_order_of_votes_does_not_matter(votes: list[Vote], order: list[int]) -> None:
    shuffled = [votes[i] for i in order if i < len(votes)]
    for reducer in REDUCERS:
        left, right = reducer(votes), reducer(shuffled)
        assert (left is None) == (right is None)
        if left is not None:
            assert right == pytest.approx(left)


@given(ballots())
def test_rewards_stay_within_the_scores(votes: list[Vote]) -> None:
    for reducer in (Mean(), Median()):
        rewards = reducer(votes)
        if rewards is None:
            continue
        for i, reward in enumerate(rewards):
            given = [s for v in votes if isinstance(v, Judgment) and (s := v.scores[i]) is not None]
            assert min(given) - 1e-9 <= reward <= max(given) + 1e-9


@given(st.lists(ballots(), min_size=2, max_size=4))
def test_batched_ballots_give_the_same_as_one_by_one(groups: list[list[Vote]]) -> None:
    shapes = {Ballot.from_votes(votes).scores.shape for votes in groups}
    if len(shapes) > 1 or (groups and not next(iter(shapes))[1]):
        return
    single = [Ballot.from_votes(votes) for votes in groups]
    batch = Ballot(
        scores=np.stack([ballot.scores for ballot in single]),
        weights=np.stack([ballot.weights for ballot in single]),
        meta=np.stack([ballot.meta for ballot in single]),
        judges=np.stack([ballot.judges for ballot in single]),
        by_principle=np.stack([ballot.by_principle for ballot in single]),
    )
    for reducer in [*REDUCERS, TopK() >> Sum(), Weighted(scale="logit") >> Mean()]:
        together = reducer.reduce(batch)
        for row, ballot in zip(together, single, strict=True):
            np.testing.assert_allclose(row, reducer.reduce(ballot))


def test_rewards_of_needs_a_score_for_every_response() -> None:
    ballot = Ballot.from_votes([vote(1, None), vote(2, None)])
    assert rewards_of(Mean(), ballot) is None
    assert rewards_of(Mean(), Ballot.from_votes([vote(1, 4)])) == (1.0, 4.0)  # one vote is enough


def test_chains_compose_to_one_pipeline() -> None:
    left = (TopK(3) >> Weighted()) >> Sum()
    right = TopK(3) >> (Weighted() >> Sum())
    assert left == right
    assert str(left) == "topk(k_meta=3) >> weighted() >> sum()"
    chain = TopK(3) >> (TopK(2) >> Weighted())
    assert str(chain) == "topk(k_meta=3) >> topk(k_meta=2) >> weighted()"
    votes = [vote(1, 2, meta=0.1), vote(4, 3, meta=0.9), vote(5, 5, meta=0.9)]
    assert (chain >> Mean())(votes) == (4.5, 4.0)
    by_hand = Mean().reduce(chain.select(Ballot.from_votes(votes)))
    assert by_hand.tolist() == [4.5, 4.0]
