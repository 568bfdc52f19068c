from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.aggregators import (
    Ballot,
    Decided,
    Reducer,
    Softmax,
    Sum,
    TopK,
    fit_spread,
    parse_stop,
    win_shares,
)
from deemster.aggregators.base import Floats
from deemster.aggregators.spread import prefix
from deemster.errors import InputError
from deemster.schemas import Scale

SCALE = Scale(low=1, high=10)
RB2 = Path(__file__).parents[3] / "shared" / "data" / "rb2_k8_scores"


def ballot(scores: object, meta: object = None) -> Ballot:
    table = np.asarray(scores, dtype=float)
    weights = (~np.isnan(table).all(axis=-1)).astype(float)
    return Ballot(
        scores=table,
        weights=weights,
        meta=np.full(weights.shape, np.nan) if meta is None else np.asarray(meta, dtype=float),
        judges=np.zeros(weights.shape, dtype=np.intp),
        by_principle=np.full(table.shape, np.nan),
    )


def test_a_single_response_leads_nobody() -> None:
    chances = Decided().probability(ballot(np.ones((3, 4, 5, 1))), 8)
    assert chances.shape == (3, 4)
    assert not chances.any()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("decided:0.95", Decided(0.95), id="p"),
        pytest.param("decided", Decided(), id="default"),
        pytest.param(
            " Decided:0.9, spread=0.6,min_votes=2 ,round=4,strength=2",
            Decided(0.9, min_votes=2, round=4, spread=0.6, strength=2),
            id="all",
        ),
    ],
)
def test_the_text_of_a_rule_is_the_rule(text: str, rule: Decided) -> None:
    assert parse_stop(text) == rule
    assert parse_stop(str(rule)) == rule


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Decided(0.95), "decided:0.95"),
        (Decided(1), "decided:1"),
        (Decided(0.9999999), "decided:0.9999999"),
        (Decided(0.95, spread=1.0), "decided:0.95,spread=1"),
        (Decided(0.95, spread=0.123456789), "decided:0.95,spread=0.123456789"),
        (Decided(0.95, spread=1e-5), "decided:0.95,spread=1e-05"),
        (Decided(0.95, spread=1e7), "decided:0.95,spread=10000000.0"),
        (Decided(0.95, min_votes=1_000_000), "decided:0.95,min_votes=1000000"),
        (Decided(0.95, strength=1 / 3), "decided:0.95,strength=0.3333333333333333"),
    ],
)
def test_the_text_loses_no_digit(rule: Decided, text: str) -> None:
    assert str(rule) == text
    assert parse_stop(text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sure:0.9", "cannot read the stopping rule 'sure:0.9'", id="name"),
        pytest.param("decided:0.95,", "cannot read", id="comma"),
        pytest.param(
            "decided:0.5", "p of the stopping rule must be a number over 0.5", id="p-half"
        ),
        pytest.param("decided:1.1", "p of the stopping rule", id="p-over-1"),
        pytest.param("decided:high", "got 'high'", id="p-text"),
        pytest.param("decided:.inf", "p of the stopping rule", id="p-infinite"),
        pytest.param("decided:0.9,k=3", "unexpected keyword argument 'k'", id="unknown"),
        pytest.param("decided:0.9,round=0", "round of the stopping rule", id="round-0"),
        pytest.param("decided:0.9,min_votes=1.5", "min_votes of the stopping", id="half-a-vote"),
        pytest.param("decided:0.9,spread=0", "spread of the stopping rule", id="spread-0"),
        pytest.param("decided:0.9,spread=.inf", "spread of the stopping rule", id="spread-inf"),
        pytest.param("decided:0.9,strength=-1", "strength of the stopping rule", id="strength"),
        pytest.param("decided:0.9,strength=0", "strength of the stopping rule", id="strength-0"),
        pytest.param("decided:0.9,p=0.8", "p is given twice", id="p-twice"),
        pytest.param("decided,p=0.9,p=0.8", "p is given twice", id="p-named-twice"),
        pytest.param("decided:0.9,round=2, round =4", "round is given twice", id="round-twice"),
        pytest.param("decided:0.9,strength=.inf", "strength of the", id="strength-inf"),
    ],
)
def test_wrong_rules(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_stop(text)


@pytest.mark.parametrize(
    ("scores", "used"),
    [
        pytest.param([[9, 2]] * 8, 1, id="far-ahead"),
        pytest.param([[7, 7]] * 8, 8, id="tied-to-the-end"),
        pytest.param([[7, 7], [9, 2], *[[9, 2]] * 6], 2, id="tie-then-clear"),
        pytest.param([[np.nan, np.nan], [9, 2], *[[9, 2]] * 6], 2, id="a-failure-says-nothing"),
        pytest.param([[9], [9], [9]], 3, id="single-response-draws-all"),
        pytest.param([[9, np.nan]] * 4, 4, id="never-scored-is-never-decided"),
        pytest.param([[np.nan, np.nan]] * 4, 4, id="all-failed"),
    ],
)
def test_votes_used(scores: list[list[float]], used: int) -> None:
    assert Decided(0.95).votes_used(ballot(scores), scale=SCALE) == used


def test_one_vote_ahead_by_one_step_goes_on() -> None:
    assert Decided(0.9).probability(ballot([[6, 5]]), 8, scale=SCALE) < 0.9
    assert Decided(0.9).probability(ballot([[6, 5]] * 5), 8, scale=SCALE) > 0.95


def test_rounds_and_least_votes() -> None:
    clear = ballot([[9, 2, 1]] * 8)
    assert Decided(0.9, min_votes=3).votes_used(clear) == 3
    assert Decided(0.9).votes_used(clear, min_votes=4) == 4
    assert Decided(0.9, round=3).votes_used(clear) == 3
    assert Decided(0.9, round=3, min_votes=4).votes_used(clear) == 6
    pair = ballot([[9, 2]] * 8)
    assert Decided(0.9).votes_used(pair, both_orders=True) == 2
    assert Decided(0.9, round=1).votes_used(pair, both_orders=True) == 1


def test_a_leader_that_cannot_be_overtaken_ends_the_draw_whatever_p_is() -> None:
    sure = Decided(1.0)
    # ahead by 8 a vote: 5 votes are 40, the 3 to come can take away 27 at most, 4 to come 36
    scores = ballot([[9, 1]] * 8)
    assert sure.votes_used(scores, scale=SCALE) == 5
    assert sure.votes_used(scores) == 8
    # a vote that was lost takes nothing from the lead: 4 votes are 32, the 3 to come 27
    lost = ballot([[np.nan, np.nan], *[[9, 1]] * 7])
    assert sure.votes_used(lost, scale=SCALE) == 5
    # a rule that does not add scores up has no such bound
    assert sure.votes_used(scores, scale=SCALE, reducer=Softmax()) == 8
    # with unequal weights neither
    weighed = replace(scores, weights=np.array([0.1] * 7 + [1.0]))
    assert sure.votes_used(weighed, scale=SCALE) == 8


def test_the_leader_is_the_reducers() -> None:
    # two votes prefer response 1 a little, one prefers 0 by far: their sums and shares disagree
    scores = ballot([[3, 5], [3, 5], [10, 1]])
    assert Sum().reduce(scores).argmax() == 0
    assert Softmax(0.5).reduce(scores).argmax() == 1
    by_sum = Decided().probability(scores, 8)
    by_share = Decided().probability(scores, 8, reducer=Softmax(0.5))
    assert by_sum > 0.5 > by_share


def test_selectors_choose_what_is_looked_at() -> None:
    scores = ballot([[9, 1], [1, 9], [1, 9]], meta=[0.9, 0.1, 0.1])
    rule = Decided()
    assert rule.probability(scores, 8, reducer=TopK(1) >> Sum()) == pytest.approx(
        float(rule.probability(ballot([[9, 1]]), 6)), abs=0.2
    )
    assert rule.probability(scores, 3, reducer=TopK(1) >> Sum()) == 1.0


def test_all_votes_drawn() -> None:
    rule = Decided()
    assert rule.probability(ballot([[3, 2], [3, 2]]), 2) == 1.0
    assert rule.probability(ballot([[3, 2], [2, 3]]), 2) == 0.5


score = st.one_of(st.just(np.nan), st.integers(1, 10).map(float))
tables = st.integers(2, 4).flatmap(
    lambda n: st.lists(st.lists(score, min_size=n, max_size=n), min_size=1, max_size=6)
)


@given(tables, st.randoms(use_true_random=False))
def test_order_of_responses_does_not_matter(table: list[list[float]], random: object) -> None:
    order = list(range(len(table[0])))
    random.shuffle(order)  # type: ignore[attr-defined]
    one = Decided().probability(ballot(table), 8, scale=SCALE)
    other = Decided().probability(ballot(np.array(table)[:, order]), 8, scale=SCALE)
    # of a tie either may lead; both are then as likely
    assert one == pytest.approx(float(other))
    assert 0 <= one <= 1


@given(st.lists(tables, min_size=1, max_size=4))
def test_batched_is_one_by_one(groups: list[list[list[float]]]) -> None:
    shape = np.array(groups[0]).shape
    same = [group for group in groups if np.array(group).shape == shape]
    rule = Decided(0.8)
    together = rule.votes_used(ballot(np.array(same)), k=8, scale=SCALE)
    assert together.tolist() == [
        int(rule.votes_used(ballot(group), k=8, scale=SCALE)) for group in same
    ]


def test_a_wider_spread_is_less_sure() -> None:
    votes = ballot([[7, 5], [7, 6]])
    chances = [float(Decided(spread=s).probability(votes, 8)) for s in (0.2, 0.5, 1.0, 2.0)]
    assert chances == sorted(chances, reverse=True)


def test_scores_without_a_scale_wait_for_their_own_spread() -> None:
    assert Decided(0.95).votes_used(ballot([[0.91, 0.15]] * 8)) > 1
    assert Decided(0.95).votes_used(ballot([[0.91, 0.15]] * 8), scale=Scale(low=0, high=1)) > 1
    unit = Scale(low=0, high=1, integer=False)
    assert Decided(0.95).votes_used(ballot([[0.91, 0.15]] * 8), scale=unit) == 1


def simulated(n: int, spread: float, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    merit = rng.normal(5, 1, (n, 1, 3))
    return np.asarray(merit + rng.normal(0, spread, (n, 8, 3)))


@pytest.mark.parametrize("drawn", [2, 4, 6])
def test_probabilities_hold_where_the_model_does(drawn: int) -> None:
    votes = ballot(simulated(6000, 0.8))
    rule = Decided(spread=0.8, strength=50)
    final = win_shares(Sum().reduce(votes))
    now = prefix(votes, drawn)
    leader = Sum().reduce(now).argmax(axis=1)[:, None]
    kept = np.take_along_axis(final, leader, 1)[:, 0]
    chance = rule.probability(now, 8)
    for low, high in ((0.6, 0.8), (0.8, 0.95), (0.95, 1.0)):
        inside = (chance >= low) & (chance < high)
        assert inside.sum() > 200
        # a lower bound (Bonferroni), and not a loose one
        assert -0.02 < kept[inside].mean() - chance[inside].mean() < 0.08


def test_the_spread_is_measured() -> None:
    scores = simulated(2000, 0.7, seed=1)
    shifted = scores + np.random.default_rng(2).normal(0, 3, (2000, 8, 1))
    assert fit_spread([ballot(scores)]) == pytest.approx(0.7, rel=0.03)
    # whole votes that are strict or mild move no winner
    assert fit_spread([ballot(shifted)]) == pytest.approx(0.7, rel=0.03)
    holes = np.where(np.random.default_rng(3).random(scores.shape) < 0.2, np.nan, scores)
    assert fit_spread([ballot(one) for one in holes[:500]]) == pytest.approx(0.7, rel=0.06)
    single = np.random.default_rng(4).normal(5, 0.7, (2000, 8, 1))
    assert fit_spread([ballot(single)]) == pytest.approx(0.7, rel=0.03)
    assert fit_spread([ballot([[3, 4]])]) is None
    assert fit_spread([ballot([[3, 4], [3, 4]])]) is None
    assert fit_spread([]) is None


@pytest.mark.skipif(not RB2.is_dir(), reason="needs the RewardBench 2 ratings")
@pytest.mark.parametrize(
    ("file", "judge", "within", "most"),
    [
        pytest.param("base_both_k8", "full", 0.2, 2.4, id="full"),
        pytest.param("base_both_k8", "mini", 0.3, 3.0, id="mini"),
        pytest.param("base_claude_both_k8", "mini", 0.2, 3.0, id="haiku"),
    ],
)
@pytest.mark.parametrize("shuffled", [False, True], ids=["file-order", "shuffled"])
def test_real_samples(file: str, judge: str, within: float, most: float, shuffled: bool) -> None:
    from deemster.benchmarks import open_trace_format

    rows = open_trace_format("rb2-ratings").read(RB2 / f"{file}.jsonl.gz", judge=judge)
    scores = np.stack([Ballot.from_votes(votes, n=4).scores for _, votes in rows])
    rule = Decided(0.95, spread=fit_spread([ballot(scores)]))
    before = Sum().reduce(ballot(scores))
    asked = ~np.isnan(before).any(axis=1)
    whole = 100 * (win_shares(before)[asked, 0] == 1).mean()
    accuracies, samples = [], []
    for seed in range(5 if shuffled else 1):
        order = np.random.default_rng(seed).random(scores.shape[:2]).argsort(axis=1)
        moved = np.take_along_axis(scores, order[:, :, None], 1) if shuffled else scores
        used = rule.votes_used(ballot(moved), scale=SCALE)
        kept = np.where(np.arange(8)[None, :, None] < used[:, None, None], moved, np.nan)
        hits = win_shares(Sum().reduce(ballot(kept)))[asked, 0] == 1
        accuracies.append(100 * hits.mean())
        samples.append(used[asked].mean())
    assert np.mean(accuracies) >= whole - within
    assert round(float(np.mean(samples)), 2) <= most


REDUCERS: list[Reducer] = [Sum(), Softmax()]


@pytest.mark.parametrize("reducer", REDUCERS, ids=str)
def test_more_certainty_takes_more_votes(reducer: Reducer) -> None:
    votes = ballot(np.round(simulated(300, 1.0)))
    used = [Decided(p).votes_used(votes, reducer=reducer).mean() for p in (0.8, 0.9, 0.99)]
    assert used == sorted(used)
    assert used[0] < used[-1]


def test_votes_that_leave_out_a_response_do_not_make_a_lead_safe() -> None:
    """The lead over the votes that score both is not the lead of the rewards."""
    votes = [(10.0, 1.0), (10.0, 1.0), *[(1.0, np.nan)] * 8]
    rows = ballot(np.array(votes))
    after = ballot(np.array([*votes, (1.0, 10.0)]))
    assert Sum().reduce(rows).argmax() == 0
    assert Sum().reduce(after).argmax() == 1  # one more vote overtakes
    rule = Decided(1.0)
    assert rule.probability(rows, 11, scale=SCALE) < 1
    full = ballot(np.array([(10.0, 1.0), (10.0, 1.0)]))
    assert rule.probability(full, 3, scale=SCALE) == 1


def test_of_several_tied_on_top_each_is_the_winner_with_an_even_chance() -> None:
    three = ballot([(5.0, 5.0, 5.0), (6.0, 6.0, 6.0)])
    assert Decided().probability(three, 8, scale=SCALE) == pytest.approx(1 / 3)


def test_a_lead_that_can_still_be_drawn_level_is_not_safe() -> None:
    level = ballot([(10.0, 1.0)])  # one vote the other way makes a tie
    assert Decided().probability(level, 2, scale=SCALE) < 1
    ahead = ballot([(10.0, 1.0), (10.0, 9.0)])
    assert Decided().probability(ahead, 3, scale=SCALE) == 1


@pytest.mark.parametrize("informative", [False, True], ids=["meta-noise", "meta-informs"])
def test_better_votes_to_come_push_out_those_that_are_kept_now(informative: bool) -> None:
    """Of eight votes the best four count: a leader stays as often as said."""
    rng = np.random.default_rng(0)
    items, k = 1500, 8
    meta = rng.random((items, k))
    noise = (0.5 + 3 * (1 - meta))[..., None] if informative else 2.0
    scores = 5.5 + rng.normal(0, 1.2, (items, 1, 4)) + noise * rng.normal(0, 1, (items, k, 4))
    votes = ballot(np.clip(np.round(scores), 1, 10), meta=meta)
    reducer = TopK(4) >> Sum()
    final = win_shares(reducer.reduce(votes))
    rule = Decided(spread=fit_spread([votes]))
    for p in (0.8, 0.9, 0.95):
        used = replace(rule, p=p).votes_used(votes, reducer=reducer, scale=SCALE)
        kept: list[float] = []
        for n in range(1, k):
            leader = reducer.reduce(prefix(votes, n)).argmax(axis=-1)[:, None]
            kept += np.take_along_axis(final, leader, axis=-1)[used == n, 0].tolist()
        assert len(kept) > 500
        assert np.mean(kept) > p - 0.015
