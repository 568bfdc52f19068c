from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.reports.planted import CONCERN, DEFECTS, INFO, SCALE, World, concern_of

from deemster.aggregators import Sum
from deemster.errors import InputError
from deemster.judges import decide
from deemster.reports import (
    Tfidf,
    WeaknessReport,
    compare_weaknesses,
    find_weaknesses,
)
from deemster.schemas import (
    Critique,
    Failure,
    Judgment,
    Principle,
    Sample,
    Verdict,
    Vote,
    normalise_weights,
)

OFTEN = dict.fromkeys(DEFECTS, 0.2)
SELDOM = dict.fromkeys(DEFECTS, 0.03)
FLAVOURS = [pytest.param(True, id="scores"), pytest.param(False, id="weights")]
SEEDS = [
    pytest.param(range(3), id="3-seeds"),
    pytest.param(range(20), id="20-seeds", marks=pytest.mark.slow),
]


def found(report: WeaknessReport) -> list[str]:
    return [concern_of([member.name for member in w.members]) for w in report.weaknesses]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("with_scores", FLAVOURS)
def test_planted_weaknesses_are_found_and_ranked_first(with_scores: bool, seeds: range) -> None:
    world = World({"alpha": OFTEN, "beta": SELDOM}, with_scores, n_items=400)
    right, reported, recalled = 0, 0, 0
    for seed in seeds:
        report = find_weaknesses(world.rows(seed), policy="alpha", versus="beta")
        names = found(report)
        right += sum(name in DEFECTS for name in names)
        reported += len(names)
        recalled += len(set(names) & DEFECTS.keys())
        everything = sorted((*report.weaknesses, *report.rest), key=lambda w: -w.excess)
        top = {concern_of([m.name for m in w.members]) for w in everything[:4]}
        assert len(top & DEFECTS.keys()) >= 3
    assert right / reported >= 0.9
    assert recalled / (len(seeds) * len(DEFECTS)) >= 0.9


@pytest.mark.parametrize("with_scores", FLAVOURS)
def test_one_planted_weakness_is_the_only_one(with_scores: bool) -> None:
    world = World({"alpha": {**SELDOM, "rude": 0.35}, "beta": SELDOM}, with_scores)
    for seed in range(3):
        assert found(find_weaknesses(world.rows(seed), policy="alpha", versus="beta")) == ["rude"]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("with_scores", FLAVOURS)
def test_equal_policies_have_none(with_scores: bool, seeds: range) -> None:
    rate = dict.fromkeys(DEFECTS, 0.1)
    world = World({"alpha": rate, "beta": rate}, with_scores, n_items=160)
    for seed in seeds:
        report = find_weaknesses(world.rows(100 + seed), policy="alpha", versus="beta")
        assert report.weaknesses == ()
        assert report.n_tested > 5  # there was something to find nothing in


@pytest.mark.parametrize("with_scores", FLAVOURS)
def test_an_opponents_weakness_is_not_the_policys(with_scores: bool) -> None:
    world = World({"alpha": SELDOM, "beta": OFTEN}, with_scores)
    for seed in range(3):
        report = find_weaknesses(world.rows(seed), policy="alpha", versus="beta")
        assert report.weaknesses == ()


def test_worse_everywhere_is_no_particular_weakness() -> None:
    world = World({"alpha": SELDOM, "beta": SELDOM}, True, extra={"alpha": -1.0})
    for seed in range(3):
        report = find_weaknesses(world.rows(seed), policy="alpha", versus="beta")
        assert report.n_lost > 2 * report.n_won
        assert report.weaknesses == ()


@pytest.fixture(scope="module")
def report() -> WeaknessReport:
    world = World({"alpha": OFTEN, "beta": SELDOM}, True, n_items=300)
    return find_weaknesses(world.rows(3), policy="alpha", versus="beta")


def test_a_weakness_says_how_often_how_much_and_where(report: WeaknessReport) -> None:
    by_concern = dict(zip(found(report), report.weaknesses, strict=True))
    weakness = by_concern["rude"]
    assert 0 < weakness.items <= report.n_lost
    assert weakness.votes >= weakness.items
    assert weakness.rate.value == pytest.approx(weakness.items / report.n_lost)
    share = weakness.share
    assert share.value is not None
    assert share.low is not None
    assert share.high is not None
    assert share.low < share.value < share.high
    assert share.value == pytest.approx(weakness.lost_reward / report.lost_reward)
    assert weakness.lift.value is not None
    assert weakness.lift.value > 1.5
    assert weakness.lift.low is not None
    assert weakness.lift.low > 1
    assert weakness.q_value is not None
    assert weakness.p_value is not None
    assert weakness.p_value <= weakness.q_value <= report.fdr
    assert {"mistake", "homework"} & set(weakness.terms)
    assert sum(s.charged for s in weakness.subsets) == weakness.items
    assert sum(s.lost for s in weakness.subsets) == report.n_lost


def test_quotes_are_about_the_weakness_and_name_their_item(report: WeaknessReport) -> None:
    world = World({"alpha": OFTEN, "beta": SELDOM}, True, n_items=300)
    rows = {sample.id: (sample, verdict) for sample, verdict in world.rows(3)}
    weakness = report.weaknesses[found(report).index("rude")]
    assert len(weakness.quotes) == 5
    assert sum("rude" in quote.text for quote in weakness.quotes) >= 4
    for quote in weakness.quotes:
        sample, verdict = rows[quote.item]
        mine = (sample.policies or ()).index("alpha")
        vote = verdict.votes[quote.draw]
        assert isinstance(vote, Judgment)
        said = [c.text for c in vote.critiques if c.response == mine]
        assert quote.text in said[0]


def test_all_lost_reward_is_shared_out(report: WeaknessReport) -> None:
    groups = (*report.weaknesses, *report.rest)
    assert sum(w.share.value or 0 for w in groups) == pytest.approx(1)
    assert report.n_lost + report.n_won + report.n_tied == report.n_items == 300


def test_report_survives_json_and_is_reproducible(report: WeaknessReport) -> None:
    assert WeaknessReport.model_validate_json(report.model_dump_json()) == report
    world = World({"alpha": OFTEN, "beta": SELDOM}, True, n_items=300)
    again = find_weaknesses(world.rows(3), policy="alpha", versus="beta")
    assert again.model_dump_json() == report.model_dump_json()


def test_wordings_are_merged_and_the_medoid_is_one_of_them(report: WeaknessReport) -> None:
    weakness = report.weaknesses[found(report).index("length")]
    assert weakness.n_members == len(DEFECTS["length"])  # case, stars and full stops are no wording
    assert weakness.name.strip("*.").casefold() in {n.casefold() for n, _ in DEFECTS["length"]}


def test_a_model_names_the_groups() -> None:
    world = World({"alpha": OFTEN, "beta": SELDOM}, True, n_items=200)
    rows = world.rows(1)

    def sync(members: Sequence[str]) -> str:
        return f"  {CONCERN[min(CONCERN, key=len)]}\n{len(members)} "

    async def later(members: Sequence[str]) -> str:
        return "" if "rude" in concern_of(list(members)) else f"about {concern_of(list(members))}"

    named = find_weaknesses(rows, policy="alpha", versus="beta", name=sync)
    assert all("\n" not in w.name and w.name == w.name.strip() for w in named.weaknesses)
    plain = find_weaknesses(rows, policy="alpha", versus="beta")
    asked = find_weaknesses(rows, policy="alpha", versus="beta", name=later)
    for concern, before, after in zip(
        found(asked), plain.weaknesses, asked.weaknesses, strict=True
    ):
        assert after.name == (before.name if concern == "rude" else f"about {concern}")


def vote(
    names: Sequence[str],
    table: Sequence[Sequence[float]] | None,
    scores: Sequence[float],
    *,
    draw: int = 0,
    weights: Sequence[float] | None = None,
) -> Judgment:
    given = weights or [1.0] * len(names)
    principles = [Principle(name=n, weight=w) for n, w in zip(names, given, strict=True)]
    return Judgment(
        draw=draw,
        scores=tuple(scores),
        scale=SCALE,
        principles=normalise_weights(principles) if principles else (),
        critiques=tuple(
            Critique(response=i, text=f"On {names}", scores=tuple(row))
            for i, row in enumerate(table or ())
        ),
    )


def row(
    number: int, votes: Sequence[Vote], policies: Sequence[str] = ("a", "b")
) -> tuple[Sample, Verdict]:
    n = len(policies)
    sample = Sample(
        id=str(number), query="q", responses=["r"] * n, policies=tuple(policies)
    )  # fmt: skip
    return sample, decide(list(votes), n=n, k=len(votes), reducer=Sum(), info=INFO)


def test_scores_per_principle_tell_the_culprit_of_a_fixed_rubric() -> None:
    rng = np.random.default_rng(0)
    names = ("Accuracy", "Tone", "Depth")
    rows = []
    for i in range(60):
        mine = [float(rng.integers(5, 9)), float(rng.integers(1, 5)), float(rng.integers(5, 9))]
        other = [float(rng.integers(5, 9)) for _ in names]
        scores = [float(round(sum(mine) / 3)), float(round(sum(other) / 3))]
        rows.append(row(i, [vote(names, [mine, other], scores)]))
    report = find_weaknesses(rows, policy="a", versus="b")
    assert [w.name for w in report.weaknesses] == ["Tone"]
    assert report.votes_by_flavour == {"scores": 60, "weights": 0, "none": 0}


def test_weights_that_never_vary_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    scores = [(float(rng.integers(1, 8)), float(rng.integers(3, 11))) for _ in range(80)]
    rows = [row(i, [vote(("Accuracy", "Tone"), None, s)]) for i, s in enumerate(scores)]
    report = find_weaknesses(rows, policy="a")
    assert report.weaknesses == ()
    assert report.n_tested == 0
    assert {w.name for w in report.rest} == {"Accuracy", "Tone"}
    assert all(w.q_value is None for w in report.rest)


def test_gaps_are_shared_out_by_weight() -> None:
    rows = [row(i, [vote(("Tone", "Depth"), None, (1, 10), weights=(3, 1))]) for i in range(4)]
    report = find_weaknesses(rows, policy="a", versus="b")
    share = {w.name: w.share.value for w in report.rest}
    assert share == {"Tone": pytest.approx(0.75), "Depth": pytest.approx(0.25)}
    assert report.lost_reward == pytest.approx(4.0)  # the whole scale on four items


def test_failures_and_votes_without_principles_charge_nothing() -> None:
    failed = Failure(draw=1, status="timeout", message="late")
    rows = [
        row(0, [vote(("Tone",), None, (2, 8)), failed]),
        row(1, [vote((), None, (2, 8))]),
        row(2, [failed]),
    ]
    report = find_weaknesses(rows, policy="a", versus="b")
    assert (report.n_items, report.n_lost, report.n_unscored) == (2, 2, 1)
    assert [(w.name, w.items, w.votes) for w in report.rest] == [("Tone", 1, 1)]
    assert report.votes_by_flavour["none"] == 1


def test_an_unscored_principle_is_left_out_not_counted_as_zero() -> None:
    table: list[list[float | None]] = [[2.0, None], [8.0, 9.0]]
    principles = normalise_weights([Principle(name="Tone"), Principle(name="Depth")])
    judgment = Judgment(
        scores=(2, 8), scale=SCALE, principles=principles,
        critiques=tuple(
            Critique(response=i, text="", scores=tuple(r)) for i, r in enumerate(table)
        ),
    )  # fmt: skip
    report = find_weaknesses([row(0, [judgment])], policy="a", versus="b")
    assert [w.name for w in report.rest] == ["Tone"]


def test_lists_are_compared_with_the_best_other() -> None:
    policies = ("a", "b", "c")
    rows = [row(i, [vote(("Tone",), None, (6, 3, 9))], policies) for i in range(3)]
    rows += [row(9, [vote(("Tone",), None, (9, 3, 4))], policies)]
    report = find_weaknesses(rows, policy="a")
    assert (report.n_lost, report.n_won) == (3, 1)
    assert report.lost_reward == pytest.approx(3 * 3 / 9)
    against_b = find_weaknesses(rows, policy="a", versus="b")
    assert (against_b.n_lost, against_b.n_won) == (0, 4)


def test_single_responses_are_lost_below_the_median() -> None:
    rng = np.random.default_rng(1)
    names = ("Tone", "Depth", "Accuracy", "Form", "Wit", "Proof", "Order")
    rows = []
    for i in range(80):
        bad = i % 3 == 0
        table = [float(rng.integers(7, 10)) for _ in names]
        table[0] = 2.0 if bad else table[0]
        score = float(round(sum(table) / len(table)))
        rows.append(row(i, [vote(names, [table], (score,))], ("a",)))
    report = find_weaknesses(rows, policy="a")
    assert report.n_lost + report.n_won == 80
    assert report.weaknesses[:1] == () or report.weaknesses[0].name == "Tone"
    everything = sorted((*report.weaknesses, *report.rest), key=lambda w: -w.excess)
    assert everything[0].name == "Tone"


def test_bad_arguments_are_told() -> None:
    rows = [row(0, [vote(("Tone",), None, (2, 8))])]
    with pytest.raises(InputError, match="no item has responses of 'c'; policies of the run: a, b"):
        find_weaknesses(rows, policy="c")
    with pytest.raises(InputError, match="'a' and 'z'"):
        find_weaknesses(rows, policy="a", versus="z")
    with pytest.raises(InputError, match="min_support must be >= 1, got 0"):
        find_weaknesses(rows, policy="a", min_support=0)
    with pytest.raises(InputError, match="fdr must be between 0 and 1"):
        find_weaknesses(rows, policy="a", fdr=1.0)
    with pytest.raises(InputError, match="threshold must be above 0"):
        find_weaknesses(rows, policy="a", group=Tfidf(0))


def test_changes_against_an_earlier_run() -> None:
    before_world = World({"alpha": {"rude": 0.35, "length": 0.3}, "beta": SELDOM}, True)
    now_world = World({"alpha": {"rude": 0.35, "arithmetic": 0.35}, "beta": SELDOM}, True)
    before = find_weaknesses(before_world.rows(1), policy="alpha", versus="beta")
    now = find_weaknesses(now_world.rows(2), policy="alpha", versus="beta")
    changes = {
        concern_of([m.name for m in (c.now or c.before).members]): c  # type: ignore[union-attr]
        for c in compare_weaknesses(now, before)
    }
    assert {name: c.status for name, c in changes.items()} == {
        "rude": "same",
        "arithmetic": "new",
        "length": "gone",
    }
    assert changes["rude"].similarity is not None
    assert changes["rude"].similarity > 0.6
    gone = changes["length"].rate_change
    assert gone is None or (gone.value or 0) < 0
    assert compare_weaknesses(now, now) != ()
    assert {c.status for c in compare_weaknesses(now, now)} == {"same"}


def test_a_defect_that_spreads_is_worse_and_one_that_fades_is_better() -> None:
    little = World({"alpha": {"rude": 0.2}, "beta": {}}, True, n_items=400)
    much = World({"alpha": {"rude": 0.6}, "beta": {}}, True, n_items=400)
    first = find_weaknesses(little.rows(1), policy="alpha", versus="beta")
    second = find_weaknesses(much.rows(2), policy="alpha", versus="beta")
    (worse,) = compare_weaknesses(second, first)
    (better,) = compare_weaknesses(first, second)
    assert (worse.status, better.status) == ("worse", "better")
    assert worse.rate_change is not None
    assert worse.rate_change.low is not None
    assert worse.rate_change.low > 0
