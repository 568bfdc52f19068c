"""A report reads each judge's items once, whatever it needs them for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.reports.synthetic import judged, samples, write_run

from deemster.reports import find_weaknesses
from deemster.reports.browser import Browser
from deemster.reports.collect import collect_report
from deemster.reports.policies import Compared
from deemster.schemas import Sample, Verdict
from deemster.suites.store import RunStore


@pytest.mark.parametrize(
    ("alone", "third", "pairs"),
    [
        pytest.param(0, False, 2, id="two-policies"),
        pytest.param(8, False, 2, id="the-second-appears-later"),
        pytest.param(0, True, 0, id="a-third-at-the-end"),
    ],
)
def test_each_of_two_policies_is_analysed_in_one_pass(
    alone: int, third: bool, pairs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = samples(40, characters=80)
    one = ("small-model", "small-model")
    rows[:alone] = [sample.model_copy(update={"policies": one}) for sample in rows[:alone]]
    if third:
        rows[-1] = rows[-1].model_copy(update={"policies": ("small-model", "other-model")})
    info, verdicts = judged(rows, characters=60)
    run = write_run(tmp_path / "run", [(info, verdicts)])
    reads = []
    original = RunStore.verdicts

    def counted(store: RunStore, judge: int) -> Iterator[tuple[Sample, Verdict]]:
        reads.append(judge)
        return original(store, judge)

    monkeypatch.setattr(RunStore, "verdicts", counted)
    with Browser() as browser:
        report = collect_report([run], browser, title="", compared=Compared())
    assert reads == [0]
    names = ("large-model", "small-model")
    expected = [
        find_weaknesses(verdicts, policy=policy, versus=versus)
        for policy, versus in (names, names[::-1])
    ]
    assert list(report.judges[0].weaknesses) == expected[:pairs]
    assert any("3 policies" in note for note in report.notes) is third
