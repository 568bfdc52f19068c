"""When runs are stopped, and which checkpoints are trusted."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from deemster.training.checkpoints import drop_torn, is_complete, last_complete, mark_complete
from deemster.training.monitor import TrainingMonitor
from deemster.training.settings import CollapseSettings

HEALTHY = {
    "loss": 0.1,
    "grad_norm": 1.0,
    "reward": 0.2,
    "frac_reward_zero_std": 0.5,
    "parse_failures": 0.5,
    "kl": 0.1,
}


@pytest.mark.parametrize(
    ("figures", "reason", "collapsed"),
    [
        ({"reward": -1.0, "parse_failures": 0.2}, "every reward is -1 for 3 steps", True),
        ({"parse_failures": 0.6}, "more than 50% of the completions are unparseable", True),
        ({"kl": 2.5}, "KL to the reference exceeds 2 nats per token", True),
        ({"frac_reward_zero_std": 1.0}, "no group has both right and wrong", True),
        ({"reward": 1.0, "frac_reward_zero_std": 1.0}, "every reward is +1 for 3 steps", False),
    ],
    ids=["all-wrong", "unparseable", "kl", "no-spread", "all-right"],
)
def test_a_state_that_lasts_ends_the_run(
    figures: dict[str, float | None], reason: str, collapsed: bool
) -> None:
    monitor = TrainingMonitor(CollapseSettings(patience=3))
    bad = {**HEALTHY, **figures}
    states = [(monitor.observe(step), monitor.suspicious) for step in (bad, HEALTHY, bad, bad)]
    assert states == [(None, True), (None, False), (None, True), (None, True)]
    stop = monitor.observe(bad)
    assert stop is not None
    assert reason in stop.reason
    assert stop.collapsed is collapsed


@pytest.mark.parametrize("name", ["loss", "grad_norm", "reward", "kl"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_ends_it_at_once(name: str, value: float) -> None:
    stop = TrainingMonitor().observe({**HEALTHY, name: value})
    assert stop is not None
    assert stop.reason.startswith(f"{name} is {value}")


def test_what_is_not_known_is_no_reason() -> None:
    monitor = TrainingMonitor(CollapseSettings(patience=1))
    assert monitor.observe({"loss": 0.0, "reward": None, "kl": None}) is None
    patient = TrainingMonitor(CollapseSettings(patience=2))
    steps = [{"reward": -1.0}, {"loss": 0.1}, {"reward": -1.0}]  # nothing drawn in the second
    assert [patient.observe(step) is not None for step in steps] == [False, False, True]
    assert TrainingMonitor().observe({"loss": 1.0, "reward": -1.0, "parse_failures": 1.0}) is None


def checkpoint(folder: Path, step: int, *, marked: bool = True) -> Path:
    made = folder / f"checkpoint-{step}"
    (made / "inner").mkdir(parents=True)
    (made / "inner" / "weights").write_bytes(b"12345678")
    (made / "state.json").write_text("{}")
    if marked:
        mark_complete(made)
    return made


def test_the_latest_complete_checkpoint_counts(tmp_path: Path) -> None:
    assert last_complete(tmp_path / "nowhere") is None
    nine, ten = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    torn = checkpoint(tmp_path, 100, marked=False)
    (tmp_path / "checkpoint-best").mkdir()
    assert last_complete(tmp_path) == ten
    (ten / "inner" / "weights").write_bytes(b"1234")  # cut short
    assert last_complete(tmp_path) == nine
    (nine / "state.json").unlink()
    assert last_complete(tmp_path) is None
    drop_torn(tmp_path)
    assert not any(path.exists() for path in (nine, ten, torn))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"gone": 1}'])
def test_a_damaged_mark_is_no_mark(tmp_path: Path, text: str) -> None:
    made = checkpoint(tmp_path, 1)
    assert is_complete(made)
    (made / "complete.json").write_text(text)
    assert not is_complete(made)
