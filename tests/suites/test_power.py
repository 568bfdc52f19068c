"""Plans: what they promise is what a simulated comparison finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.command_line import deemster

from deemster.aggregators import Sum
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import JudgeInfo, Judgment, Sample
from deemster.suites.metrics import Bootstrap, ppi_mean
from deemster.suites.power import Prices, plan_power
from deemster.suites.store import RunStore

FEW = Bootstrap(resamples=100)
RIGHT = 0.8


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that orders 80 % of its pairs right, with a vote or with two."""
    return write(tmp_path_factory.mktemp("run"), RIGHT)


def write(directory: Path, right: float) -> Path:
    """A run that orders so many of its pairs right."""
    info = JudgeInfo(name="j", model="m", k=2, aggregator="sum()")
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        with store.transaction():
            for i in range(200):
                scores = (8.0, 3.0) if i % 10 < 10 * right else (3.0, 8.0)
                votes = [Judgment(scores=scores, draw=d, judge="j") for d in (0, 1)]
                sample = Sample(id=f"{i}", query="q", responses=("a", "b"), ground_truth=(1, 0))
                store.add_in_transaction(i, sample)
                store.put_in_transaction(0, i, decide(votes, n=2, k=2, reducer=Sum(), info=info))
    return directory


def drawn(rng: np.random.Generator, n: int, win_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """True wins of the better policy, and the judge's."""
    truth = rng.random(n) < win_rate
    return truth.astype(float), np.where(rng.random(n) < RIGHT, truth, ~truth).astype(float)


def test_the_judge_alone_has_the_power_that_was_planned(run: Path) -> None:
    plan = plan_power(run, effect=0.1, bootstrap=FEW).plans[0]
    assert plan.items is not None
    assert plan.accuracy.value == pytest.approx(RIGHT)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(600):
        _, judged = drawn(rng, plan.items, 0.6)
        z = (judged.mean() - 0.5) / np.sqrt(0.25 / plan.items)
        found += z > 1.96
    assert found / 600 == pytest.approx(0.8, abs=0.05)


def test_with_labels_the_corrected_mean_has_the_power_that_was_planned(run: Path) -> None:
    plan = plan_power(run, effect=0.1, prices=Prices(vote=0.001, label=1.0), bootstrap=FEW)
    one = plan.plans[0]
    assert one.labels < plan.labels_only
    assert one.judged > one.labels
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(400):
        truth, judged = drawn(rng, one.judged, 0.6)
        n = one.labels
        low = ppi_mean(truth[:n], judged[:n], judged[n:]).mean.low
        found += low is not None and low > 0.5
    assert found / 400 == pytest.approx(0.8, abs=0.07)


def test_votes_that_change_nothing_only_cost(run: Path) -> None:
    one, two = plan_power(
        run, effect=0.05, prices=Prices(vote=0.01, label=0.5), bootstrap=FEW
    ).plans
    assert (one.k, two.k) == (1, 2)
    assert one.items == two.items
    assert one.cost is not None
    assert two.cost == pytest.approx(2 * one.cost)
    assert one.cost_with_labels is not None
    assert two.cost_with_labels is not None
    assert one.cost_with_labels <= two.cost_with_labels


@pytest.mark.parametrize(
    ("right", "prices"),
    [
        pytest.param(0.5, Prices(vote=0.1, label=1.0), id="coin"),
        pytest.param(0.2, Prices(vote=0.1, label=1.0), id="worse-than-a-coin"),
        pytest.param(0.2, Prices(vote=0.001, label=1.0), id="worse-than-a-coin-and-cheap"),
        pytest.param(0.8, Prices(vote=1.0, label=0.1), id="dear-judge"),
        pytest.param(0.8, Prices(vote=0.001, label=0.0), id="labels-for-nothing"),
    ],
)
def test_where_a_judge_saves_nothing_the_labels_are_all_that_is_paid(
    right: float, prices: Prices, tmp_path: Path
) -> None:
    """A corrected mean does not rely on a judge that orders fewer than half right."""
    plan = plan_power(write(tmp_path / "run", right), effect=0.1, prices=prices, bootstrap=FEW)
    one = plan.plans[0]
    assert (one.labels, one.judged) == (plan.labels_only, 0)
    assert one.cost_with_labels == plan.labels_only_cost


def test_the_command(run: Path) -> None:
    done = deemster("plan", "--judge", str(run), "--effect", "3%", "--label-price", "0.5")
    assert done.returncode == 0, done.stderr
    assert "labels alone  2181, $1,090.50" in done.stdout


def test_an_effect_that_cannot_be_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match=r"effect must be between 0 and 0\.5, got 0\.5"):
        plan_power(run, effect=0.5)
