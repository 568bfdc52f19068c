"""What the published votes say of trust: the claims of docs/trust.md, on the real thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from deemster.suites.calibrating import calibrate_run
from deemster.suites.comparing import load_judged
from deemster.suites.gating import gate_run
from deemster.suites.importing import import_run
from deemster.suites.metrics import Bootstrap, stable_errors

VOTES = Path(__file__).parents[2].parent / "shared" / "data" / "rb2_k8_scores"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not VOTES.is_dir(), reason="the shared data (../shared/data) is not there"),
]
FEW = Bootstrap(resamples=200)


def imported(out: Path, file: str, judge: str = "full") -> Path:
    import_run("rb2-ratings", traces=VOTES / f"{file}.jsonl.gz", judge=judge, out=out)
    return out


def test_the_judge_is_sure_of_errors_that_labels_find(tmp_path: Path) -> None:
    run = imported(tmp_path / "full", "base_both_k8")
    report, _ = calibrate_run(run, bootstrap=FEW)
    fit = report.confidence
    assert fit is not None
    assert fit.before is not None
    assert (fit.before.calibration.ece.low or 0) > 0.1
    assert (fit.after.calibration.ece.high or 1) < 0.05
    assert report.overall.judge.kappa.value == pytest.approx(0.757, abs=0.001)
    stable = stable_errors(list(load_judged(run, None).items.values()), bootstrap=FEW)
    assert stable is not None
    assert stable.value == pytest.approx(0.753, abs=0.001)
    assert stable.n == 243


def test_the_gate_tells_a_temperature_that_hurts_from_one_that_does_not(tmp_path: Path) -> None:
    base = imported(tmp_path / "t1", "base_both_k8")
    cold = imported(tmp_path / "t0", "base_full_k8_t0.0")
    warm = imported(tmp_path / "t07", "base_full_k8_t0.7")
    assert gate_run(warm, base).passed
    closed = gate_run(cold, base)
    assert [one.name for one in closed.checks if not one.passed] == [
        "overall: no regression",
        "overall: not worse by a margin of 2 points",
        "subset Factuality: no regression",
        "subset Focus: no regression",
    ]
