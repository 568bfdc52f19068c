"""Which principles earn their place: planted ones are found, by scores and by votes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from tests.support.command_line import deemster, one_line

from deemster.aggregators import Sum
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import Critique, JudgeInfo, Judgment, Principle, Sample, normalise_weights
from deemster.suites.metrics import Bootstrap
from deemster.suites.principle_check import check_principles, sign_test
from deemster.suites.principle_votes import Naming
from deemster.suites.store import RunStore

FEW = Bootstrap(resamples=200)
INFO = JudgeInfo(name="j", model="m", k=4, aggregator="sum()")


def store_run(directory: Path, votes: Sequence[Sequence[Judgment]]) -> Path:
    """A run of pairs whose first response is the better one."""
    with RunStore(directory, write=True) as store:
        store.set_judges([INFO])
        for i, given in enumerate(votes):
            sample = Sample(id=str(i), query="q", responses=("a", "b"), ground_truth=(1, 0))
            store.add_samples([sample])
            cast = [one.model_copy(update={"draw": number}) for number, one in enumerate(given)]
            store.put(0, i, decide(cast, n=2, k=len(cast), reducer=Sum(), info=INFO))
    return directory


def scored_vote(own: Sequence[tuple[float, float]], names: Sequence[str]) -> Judgment:
    """A vote with a score of each response by each principle."""
    first, second = zip(*own, strict=True)
    return Judgment(
        scores=(sum(first) / len(own), sum(second) / len(own)),
        principles=normalise_weights([Principle(name=name) for name in names]),
        critiques=(
            Critique(response=0, text="", scores=first),
            Critique(response=1, text="", scores=second),
        ),
    )


def vote(name: str, *, right: bool) -> Judgment:
    """A vote by one principle, without scores for it."""
    return Judgment(scores=(9, 2) if right else (2, 9), principles=(Principle(name=name),))


def test_a_good_a_bad_and_a_copied_principle_are_found_by_their_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(120):
        good = (7.0 + rng.choice([2, 4]) * (1 if rng.random() < 0.95 else -1), 7.0)
        bad = (5.0, 8.0 if rng.random() < 0.7 else 4.0)
        twin = (5.0, 5.0 + 0.4 * rng.standard_normal())
        own = [good, bad, twin, (twin[0] + 1, twin[1] + 1)]
        runs.append([scored_vote(own, ("Facts", "Flattery", "Tone", "Voice"))])
    report = check_principles(store_run(tmp_path / "r", runs), bootstrap=FEW)
    by_name = {one.name: one for one in report.principles}
    assert report.basis == "scores"
    assert by_name["Facts"].conclusion == "earns its place"
    assert by_name["Flattery"].conclusion == "does harm"
    assert by_name["Tone"].nearest == "Voice"
    overlap = by_name["Tone"].overlap
    assert overlap is not None
    assert overlap.value == pytest.approx(1)
    agreement, gain = by_name["Facts"].agreement, by_name["Facts"].gain
    assert agreement is not None
    assert gain is not None
    assert gain.low is not None
    assert agreement.value == pytest.approx(0.95, abs=0.05)
    assert gain.low > 0
    assert report.principles[0].name == "Facts"


def test_votes_with_a_principle_are_compared_with_votes_without_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    runs = [
        [
            *(vote("Correct results!", right=rng.random() < 0.9) for _ in range(2)),
            *(vote("correct  results", right=rng.random() < 0.9) for _ in range(2)),
            *(vote("Pleasant tone", right=rng.random() < 0.4) for _ in range(4)),
        ]
        for _ in range(60)
    ]
    report = check_principles(store_run(tmp_path / "r", runs), bootstrap=FEW)
    assert report.basis == "votes"
    best, worst = report.principles
    assert (best.spellings, best.votes, best.items) == (1, 240, 60)
    assert (best.conclusion, worst.conclusion) == ("earns its place", "does harm")
    assert best.gain is not None
    assert best.gain.value == pytest.approx(0.5, abs=0.1)
    assert best.flips is not None
    assert best.flips.value is not None
    assert best.flips_by_chance is not None
    # The good votes carry the verdict: more than any four votes do.
    assert best.flips.value > best.flips_by_chance
    assert best.overlap is not None
    assert best.overlap.value == 0


@pytest.mark.parametrize(
    ("votes", "conclusion"),
    [
        pytest.param([[vote("Only", right=True)] * 2] * 30, "cannot be told", id="in-every-vote"),
        pytest.param(
            [[vote("Rare", right=True), vote("Usual", right=False)]] * 5
            + [[vote("Usual", right=True)]] * 30,
            "too few items",
            id="rare",
        ),
        pytest.param(
            [[vote("Same", right=True), vote("Other", right=True)]] * 40, "not shown", id="no-gain"
        ),
    ],
)
def test_nothing_is_said_that_the_votes_do_not_show(
    votes: list[list[Judgment]], conclusion: str, tmp_path: Path
) -> None:
    report = check_principles(store_run(tmp_path / "r", votes), bootstrap=FEW)
    assert conclusion in {one.conclusion for one in report.principles}
    assert not {"earns its place", "does harm"} & {one.conclusion for one in report.principles}
    unmeasured = [one for one in report.principles if one.conclusion != "not shown"]
    assert all(one.gain is None and one.p_value is None for one in unmeasured)
    if conclusion == "not shown":
        gain = report.principles[0].gain
        assert gain is not None
        assert gain.low is not None
        assert gain.low < 0  # 40 equal items leave room on either side


def test_principles_of_one_rubric_are_never_merged() -> None:
    same = "The answer states only facts that the source supports."
    rubric = (
        Principle(name="Facts one", description=same),
        Principle(name="Facts two", description=same),
    )
    fixed = Naming.of([Judgment(scores=(1, 2), principles=rubric)] * 2)
    written = Naming.of([Judgment(scores=(1, 2), principles=(one,)) for one in rubric])
    assert (len(fixed.wordings), len(written.wordings)) == (2, 1)


@pytest.mark.parametrize(("ups", "downs"), [(5, 0), (8, 2), (3, 3), (40, 20)])
def test_random_signs_are_a_binomial_test_of_equal_gains(ups: int, downs: int) -> None:
    gains = np.array([1.0] * ups + [-1.0] * downs + [0.0] * 30)
    expected = binomtest(ups, ups + downs).pvalue
    assert sign_test(gains) == pytest.approx(expected, abs=0.005)


def test_on_the_command_line(tmp_path: Path) -> None:
    runs = [
        [scored_vote([(9, 2), (4, 4)], ("Facts", "Tone"))],
    ] * 30
    run = store_run(tmp_path / "r", runs)
    found = json.loads(deemster("diagnose", str(run), "--principles", "--json").stdout)
    assert {one["name"] for one in found["principles"]} == {"Facts", "Tone"}
    assert "earns its place" in deemster("diagnose", str(run), "--principles").stdout
    told = deemster("diagnose", str(run), str(run), "--principles")
    assert "leave out the others" in one_line(told)


def test_a_run_without_principles_is_refused(tmp_path: Path) -> None:
    run = store_run(tmp_path / "r", [[Judgment(scores=(1, 2))]] * 30)
    with pytest.raises(InputError, match="no votes with principles"):
        check_principles(run)
