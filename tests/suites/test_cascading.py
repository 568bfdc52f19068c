from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.command_line import deemster, one_line

from deemster.aggregators import Sum
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import Failure, JudgeInfo, Judgment, Sample, Scale, Vote
from deemster.suites.cascading import apply_cascade, fit_cascade
from deemster.suites.rescoring import rescore_run
from deemster.suites.store import RunStore

SCALE = Scale(low=1, high=10)
N, K = 300, 8


def write_run(
    path: Path, name: str, spread: float, *, seed: int, skip: int = 0, labelled: bool = True
) -> Path:
    """A run of a judge whose votes are the truth and noise of some spread."""
    info = JudgeInfo(name=name, model=name, k=K, aggregator="sum()")
    rng = np.random.default_rng(seed)
    leads = np.random.default_rng(99).exponential(1.5, N)
    with RunStore(path, write=True) as store:
        store.set_judges([info])
        samples = [
            Sample(
                id=f"s{i}",
                query=f"question {i}",
                responses=("a", "b", "c"),
                ground_truth=(1.0, 0.0, 0.0) if labelled else None,
            )
            for i in range(skip, N)
        ]
        store.add_samples(samples)
        for position in range(N - skip):
            merit = np.array([5 + leads[position + skip], 5, 5])
            noisy = np.clip(np.round(merit + rng.normal(0, spread, (K, 3))), 1, 10)
            votes: list[Vote] = [
                Judgment(scores=tuple(map(float, row)), scale=SCALE, draw=draw, judge=name)
                for draw, row in enumerate(noisy)
            ]
            if position % 50 == 7:
                votes[0] = Failure(status="timeout", message="late", draw=0, judge=name)
            store.put(0, position, decide(votes, n=3, k=K, reducer=Sum(), info=info))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return (
        write_run(folder / "cheap", "cheap", 2.0, seed=0),
        write_run(folder / "dear", "dear", 0.7, seed=1),
    )


def test_rescoring_with_a_stopping_rule(runs: tuple[Path, Path], tmp_path: Path) -> None:
    whole = rescore_run(runs[0])
    part = rescore_run(runs[0], stop="decided:0.9", out=tmp_path / "part")
    assert whole.samples_per_item == K
    assert part.samples_per_item is not None
    assert part.samples_per_item < 0.8 * K
    assert part.accuracy == pytest.approx(whole.accuracy, abs=0.04)
    assert part.judge is not None
    # noise of 2 and rounding: the run's own spread, not the default of half a step
    spread = float(part.judge.stop.removeprefix("decided:0.9,spread="))
    assert 1.6 < spread < 2.2
    with RunStore(tmp_path / "part") as store:
        verdicts = [verdict for _, verdict in store.verdicts(0)]
    assert {verdict.k for verdict in verdicts} == {K}
    assert sum(len(verdict.votes) for verdict in verdicts) == part.n_votes
    with RunStore(runs[0]) as store:
        for (_, full), cut in zip(store.verdicts(0), verdicts, strict=True):
            assert cut.votes == full.votes[: len(cut.votes)]
    given = rescore_run(runs[0], stop="decided:0.9,spread=0.5")
    assert given.samples_per_item is not None
    assert given.samples_per_item < part.samples_per_item
    fewer = rescore_run(runs[0], stop="decided:0.9", k=4, min_valid=3)
    assert fewer.samples_per_item is not None
    assert 3 <= fewer.samples_per_item <= 4


def test_the_command_line_fits_and_applies(runs: tuple[Path, Path], tmp_path: Path) -> None:
    both = [str(run) for run in runs]
    rule, summary = tmp_path / "rule.json", tmp_path / "summary.json"
    done = deemster(
        "cascade", "fit", *both, "--level", "0.75", "--stop", "decided:0.9", "--out", str(rule)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "with probability 0.9" in done.stderr
    done = deemster("cascade", "apply", str(rule), *both, "--json", "--out", str(summary))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert json.loads(summary.read_text()) == found
    assert found["n"] == found["n_answered"] == N
    assert found["coverage"] == 1.0
    assert found["agreement"]["value"] >= 0.75
    assert found["samples"]["dear"] < found["samples"]["cheap"] < K
    assert found["asked"]["cheap"] == 1.0
    assert found["alone"]["dear"]["value"] > found["alone"]["cheap"]["value"]
    assert found["stops"][0].startswith("decided:0.9,spread=")
    shown = deemster("cascade", "apply", str(rule), *both)
    assert "samples per item" in shown.stdout
    assert f"{N} of {N} items answered" in shown.stdout


def test_abstaining(runs: tuple[Path, Path]) -> None:
    rule = fit_cascade(runs, level=0.95, abstain=True)
    found = apply_cascade(rule, runs)
    assert 0.2 < found.coverage < 1
    assert found.agreement.value is not None
    assert found.overall.value is not None
    assert found.agreement.value > 0.93
    assert found.overall.value == pytest.approx(found.agreement.value * found.coverage)
    assert found.samples["cheap"] == K


def test_items_that_only_one_run_has_are_left_out(runs: tuple[Path, Path], tmp_path: Path) -> None:
    part = write_run(tmp_path / "part", "part", 0.7, seed=2, skip=100)
    rule = fit_cascade([runs[0], part], samples=2.0)
    assert apply_cascade(rule, [runs[0], part]).n == N - 100
    again = apply_cascade(rule, [Path(f"{runs[0]}#cheap"), part])
    assert again == apply_cascade(rule, [runs[0], part])


def test_one_judge_after_itself_has_two_names(runs: tuple[Path, Path]) -> None:
    rule = fit_cascade([runs[0], runs[0]], samples=1.0)
    assert [stage.judge for stage in rule.stages] == ["cheap", "cheap (2)"]


def test_what_cannot_be_done_is_told_in_one_line(runs: tuple[Path, Path], tmp_path: Path) -> None:
    both = [str(run) for run in runs]
    out = str(tmp_path / "rule.json")
    for arguments, said in (
        (["fit", *both, "--level", "0.999", "--out", out], "level 0.999 cannot be guaranteed"),
        (["fit", *both, "--out", out], "one of level and samples"),
        (["fit", both[0], "--level", "0.8", "--out", out], "2 or more runs, got 1"),
        (["fit", both[0], "nowhere", "--level", "0.8", "--out", out], "no run in 'nowhere'"),
        (["fit", *both, "--level", "0.8", "--stop", "soon", "--out", out], "stopping rule 'soon'"),
        (["apply", "nothing.json", *both], "cannot read cascade rule 'nothing.json'"),
        (["apply", str(runs[0] / "run.sqlite"), *both], "cascade rule"),
    ):
        assert said in one_line(deemster("cascade", *arguments))
    assert not Path(out).exists()
    rule = fit_cascade(runs, samples=1.0)
    with pytest.raises(InputError, match="has 2 stages; 1 runs are given"):
        apply_cascade(rule, runs[:1])
    rule.save(tmp_path / "saved.json")
    path = str(tmp_path / "none" / "summary.json")
    arguments = ["apply", str(tmp_path / "saved.json"), *both, "--out", path]
    assert f"cannot write {path!r}" in one_line(deemster("cascade", *arguments))
    bare = write_run(tmp_path / "bare", "bare", 1.0, seed=3, labelled=False)
    with pytest.raises(InputError, match="share no labelled sample"):
        fit_cascade([runs[0], bare], level=0.8)


def test_rescoring_refuses_a_rule_it_cannot_read(runs: tuple[Path, Path]) -> None:
    said = one_line(deemster("rescore", str(runs[0]), "--stop", "decided:2"))
    assert "p of the stopping rule must be a number over 0.5 and up to 1, got 2" in said
