"""The gate: who passes, the statistics behind it, and what a pipeline gets to see."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from tests.support.command_line import deemster

from deemster.cli.calibrate import number as calibrated
from deemster.cli.panel import points
from deemster.errors import InputError
from deemster.probe.html import number as probed
from deemster.reports.html import figure
from deemster.schemas import JudgeInfo, Sample, Verdict
from deemster.suites.gating import gate_run, junit, markdown
from deemster.suites.metrics import Estimate
from deemster.suites.metrics.noninferiority import non_inferiority
from deemster.suites.store import RunStore


def write(directory: Path, outcomes: str, *, subset_of: int = 0, model: str = "m") -> Path:
    """A run whose items are right (r), wrong (w) or unscored (u); `subset_of` items a subset."""
    info = JudgeInfo(name="j", model=model)
    with RunStore(directory, write=True) as store, store.transaction():
        for position, letter in enumerate(outcomes):
            subset = f"<s|{position // subset_of}>" if subset_of else ""
            sample = Sample(
                id=f"{position:04d}",
                query="q",
                responses=("a", "b"),
                ground_truth=(1, 0),
                subset=subset,
            )
            rewards = {"r": (1.0, 0.0), "w": (0.0, 1.0)}.get(letter)
            verdict = Verdict(
                rewards=rewards, k=1, n_valid=int(rewards is not None), judge=info,
                best={"r": 0, "w": 1}.get(letter), ranking=None if rewards is None else (0, 1),
            )  # fmt: skip
            store.add_in_transaction(position, sample)
            store.put_in_transaction(0, position, verdict)
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
    return directory


@pytest.mark.parametrize(
    ("baseline", "run", "passed"),
    [
        pytest.param("r" * 400, "r" * 400, True, id="equal"),
        pytest.param("r" * 30, "r" * 30, False, id="equal-but-too-few-to-tell"),
        pytest.param("r" * 200 + "w" * 200, "r" * 210 + "w" * 190, True, id="better"),
        pytest.param("r" * 400, "r" * 370 + "w" * 30, False, id="worse"),
        pytest.param("r" * 400, "r" * 370 + "u" * 30, False, id="lost-items"),
    ],
)
def test_who_passes(baseline: str, run: str, *, passed: bool, tmp_path: Path) -> None:
    paths = write(tmp_path / "new", run), write(tmp_path / "old", baseline)
    assert gate_run(*paths, margin=0.05).passed is passed


def test_too_few_items_pass_only_where_that_is_said(tmp_path: Path) -> None:
    paths = write(tmp_path / "new", "rw" * 30), write(tmp_path / "old", "wr" * 30)
    closed = gate_run(*paths, margin=0.05)
    assert not closed.passed
    assert closed.overall.n_needed is not None
    assert closed.overall.n_needed > 60
    assert gate_run(*paths, margin=0.05, allow_inconclusive=True).passed
    worse = write(tmp_path / "worse", "w" * 60)
    assert not gate_run(worse, paths[1], margin=0.05, allow_inconclusive=True).passed


@pytest.mark.parametrize(
    ("baseline", "run", "told"),
    [
        pytest.param("r" * 30, "r" * 30, "too few items to tell", id="never-differ"),
        pytest.param("wr" * 20, "rw" * 20, "about 15457 are needed", id="few"),
        pytest.param(
            "r" * 110 + "w" * 85 + "r" * 1805, "w" * 110 + "r" * 85 + "r" * 1805,
            "the loss seen is too near the margin to tell",
            id="more-items-than-those-needed",
        ),
    ],
)  # fmt: skip
def test_why_the_gate_cannot_tell(baseline: str, run: str, told: str, tmp_path: Path) -> None:
    """It must not ask for fewer items than there are."""
    report = gate_run(write(tmp_path / "new", run), write(tmp_path / "old", baseline), margin=0.02)
    check = report.checks[1]
    assert not check.passed
    assert check.message.endswith(told)


def test_a_subset_that_broke_closes_the_gate_though_the_whole_is_as_good(tmp_path: Path) -> None:
    """ "What did not change but broke": 12 lost in one subset, 12 gained in others."""
    old = write(tmp_path / "old", "r" * 300 + "w" * 12 + "r" * 88, subset_of=100)
    new = write(tmp_path / "new", "w" * 12 + "r" * 388, subset_of=100)
    report = gate_run(new, old, margin=0.05)
    assert report.overall.holds
    assert [check.name for check in report.checks if not check.passed] == [
        "subset <s|0>: no regression"
    ]
    assert report.same_judge
    assert report.changed == 24


def test_what_a_pipeline_sees(tmp_path: Path) -> None:
    old = write(tmp_path / "old", "r" * 400, subset_of=200)
    new = write(tmp_path / "new", "w" * 30 + "r" * 370, subset_of=200, model="other")
    out, summary = tmp_path / "gate.xml", tmp_path / "summary.md"
    arguments = ("gate", str(new), str(old), "--junit", str(out))
    done = deemster(*arguments, env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.returncode == 3
    assert "overall: not worse by a margin of 2 points: -7.50 points" in done.stderr
    root = ET.fromstring(out.read_text(encoding="utf-8"))
    assert root[0].attrib["failures"] == "3"
    assert [case.attrib["name"] for case in root[0]][2] == "subset <s|0>: no regression"
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("## Gate FAILED")
    assert "| subset \\<s\\|0\\>: no regression | **failed** |" in text
    assert "Right before, no longer right: 30, the first 10" in text
    assert "Another judge" in text
    report = gate_run(old, old)
    assert "Gate passed" in markdown(report)
    assert 'failures="0"' in junit(report)


@pytest.mark.parametrize("subset_of", [0, 30], ids=["whole", "subsets"])
def test_no_change_has_no_minus(tmp_path: Path, subset_of: int) -> None:
    paths = [str(write(tmp_path / name, "rw" * 30, subset_of=subset_of)) for name in "ab"]
    done = deemster("gate", *paths)
    assert "+0.00 points" in done.stdout
    assert "-0.00" not in done.stdout + done.stderr
    text = markdown(gate_run(*map(Path, paths)))
    assert "+0.00 points" in text
    assert "-0.00" not in text


@pytest.mark.parametrize("value", [-0.0, -1e-7, 1e-7], ids=["zero", "below", "above"])
def test_figures_that_round_to_zero_have_no_minus(value: float) -> None:
    one = Estimate(value=value, low=value, high=value, n=9)
    shown = [
        points(one),
        calibrated(one),
        calibrated(one, signed=True),
        probed(value, signed=True),
        *(figure(value, kind) for kind in ("points", "number")),
    ]
    assert [text for text in shown if "-" in text or "\N{MINUS SIGN}" in text] == []
    negative = Estimate(value=-0.25, low=-0.5, high=-0.125, n=9)
    assert points(negative) == "-25.00 [-50.00, -12.50]"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        pytest.param({"margin": 0.0}, "margin must be between 0 and 1, got 0.0", id="margin"),
        pytest.param({"alpha": 0.5}, "alpha must be between 0 and 0.5, got 0.5", id="alpha"),
    ],
)
def test_settings_out_of_range(option: dict[str, float], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        gate_run(tmp_path, tmp_path, **option)  # type: ignore[arg-type]  # settings by name


# --- the test itself ----------------------------------------------------------------------------


def test_no_discordant_pair_gives_the_known_interval() -> None:
    """z^2 / (n + z^2), Tango 1998; at 1 - 2 alpha."""
    found = non_inferiority(0, 0, 50, margin=0.1, alpha=0.025).difference
    z = 1.959964
    assert found.high == pytest.approx(z**2 / (50 + z**2), abs=1e-6)
    assert found.low == pytest.approx(-(z**2) / (50 + z**2), abs=1e-6)


def test_the_bound_and_the_test_are_one() -> None:
    for only_first, only_second, n in ((12, 5, 200), (3, 9, 80), (0, 4, 60), (40, 38, 900)):
        low = non_inferiority(only_first, only_second, n, margin=0.05).difference.low
        assert low is not None
        for shift, holds in ((1e-4, True), (-1e-4, False)):
            margin = -low + shift
            if 0 < margin < 1:
                found = non_inferiority(only_first, only_second, n, margin=margin)
                assert found.holds is holds


def test_a_judge_that_is_worse_by_the_margin_passes_in_5_of_100_runs() -> None:
    rng = np.random.default_rng(0)
    lost, gained = 0.125, 0.075
    drawn = rng.multinomial(200, (lost, gained, 1 - lost - gained), size=1000)
    passed = [non_inferiority(int(b), int(c), 200, margin=0.05).holds for b, c, _ in drawn]
    assert 0.03 < np.mean(passed) < 0.07
