"""What a stage shows of itself: plots without mathematics, RL by its reward."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("transformers")

from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from deemster.cli.training_summary import show_training
from deemster.suites.metrics import CurvePoint, Estimate
from deemster.training.evaluation import Evaluation, ModelFigures
from deemster.training.experts import Routing
from deemster.training.fitting import _Follower
from deemster.training.manifest import Manifest
from deemster.training.monitor import TrainingMonitor
from deemster.training.plots import plot_evaluation


def test_the_axis_of_votes_shows_numbers(tmp_path: Path) -> None:
    def half(k: int) -> CurvePoint:
        figure = Estimate(value=0.5, low=0.4, high=0.6, n=9)
        return CurvePoint(k=k, accuracy=figure, ties=0, unscored=0)

    points = tuple(half(k) for k in (1, 2, 4, 8))
    one = ModelFigures(
        greedy=points[0].accuracy, vote=points, meta=(), by={}, parse_failures=0.0,
        greedy_single=None, meta_gain=None, roc_auc=None,
    )  # fmt: skip
    found = Evaluation(n=9, k=8, models={"m": one}, greedy_gain=None, vote_gain=None)
    _, svg = plot_evaluation(found, tmp_path)
    text = svg.read_text("utf-8")
    assert "mathdefault" not in text
    for k in "1248":
        assert f"<!-- {k} -->" in text


def follower_in(folder: Path) -> _Follower:
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8}
    model = LlamaForCausalLM(LlamaConfig(num_attention_heads=1, **shape))
    return _Follower(TrainingMonitor(), None, folder, Routing(model))


def test_rl_is_summarised_by_its_reward(tmp_path: Path) -> None:
    follower = follower_in(tmp_path)
    args = TrainingArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    for step in range(20):
        logs = {"loss": 0.0, "reward": -0.5 + step / 20, "grad_norm": 1.0}
        follower.on_log(args, TrainerState(), TrainerControl(), logs)
    assert follower.rewards() == pytest.approx({"reward_first": -0.475, "reward": 0.425})
    shown = summary({"loss": follower.loss or 0.0, **follower.rewards()})
    assert "reward_first -0.475, reward 0.425" in shown
    assert "loss" not in shown


def test_other_stages_are_summarised_by_their_loss(tmp_path: Path) -> None:
    assert follower_in(tmp_path).rewards() == {}
    assert "loss 1.5" in summary({"loss": 1.5})


def summary(figures: dict[str, float]) -> str:
    manifest = Manifest(
        stage="rl", engine="trl", seed=0, settings={}, recipe="", inputs={}, versions={},
        device="cpu", started="", figures={**figures},
    )  # fmt: skip
    out = io.StringIO()
    show_training({"rl": manifest}, Console(file=out, width=120))
    return out.getvalue()
