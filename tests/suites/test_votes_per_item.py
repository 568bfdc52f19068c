"""A number of votes a run, spent where the leader is least sure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deemster.aggregators import Sum, parse_stop
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import JudgeInfo, Judgment, Sample
from deemster.suites.rescoring import rescore_run
from deemster.suites.store import RunStore

K = 8


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the items are clear at once, the others take votes."""
    directory = tmp_path_factory.mktemp("run")
    info = JudgeInfo(name="j", model="m", k=K, aggregator="sum()")
    rng = np.random.default_rng(0)
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        with store.transaction():
            for i in range(200):
                lead = 4.0 if i % 2 else 0.5
                drawn = lead + rng.standard_normal(K)
                votes = [
                    Judgment(scores=(5 + gap / 2, 5 - gap / 2), draw=d, judge="j")
                    for d, gap in enumerate(map(float, drawn))
                ]
                sample = Sample(id=f"{i}", query="q", responses=("a", "b"), ground_truth=(1, 0))
                store.add_in_transaction(i, sample)
                store.put_in_transaction(0, i, decide(votes, n=2, k=K, reducer=Sum(), info=info))
    return directory


@pytest.mark.parametrize("votes", [2.0, 4.0])
def test_votes_go_where_they_matter(run: Path, votes: float) -> None:
    spent = rescore_run(run, votes_per_item=votes)
    equal = rescore_run(run, k=int(votes))
    assert spent.samples_per_item is not None
    assert votes - 1 < spent.samples_per_item <= votes
    assert spent.accuracy is not None
    assert equal.accuracy is not None
    assert spent.accuracy > equal.accuracy
    assert spent.judge is not None
    assert parse_stop(spent.judge.stop).spread is not None


def test_all_votes_allowed_draw_what_the_strictest_rule_draws(run: Path) -> None:
    assert rescore_run(run, votes_per_item=K).accuracy == rescore_run(run).accuracy


def test_what_cannot_be_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match=r"votes_per_item 0\.5 is too few"):
        rescore_run(run, votes_per_item=0.5)
    with pytest.raises(InputError, match="one of stop and votes_per_item"):
        rescore_run(run, votes_per_item=2, stop="decided")
