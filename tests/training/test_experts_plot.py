"""The load of a mixture's experts, drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from deemster.training.plots import plot_experts

LOAD = {"model.layers.1.mlp.experts": [0.5, 0.25, 0.25], "model.layers.3.mlp.experts": [0, 0, 1]}


def test_each_layer_has_a_row(tmp_path: Path) -> None:
    figures = {"data": {"train": 3}, "sft": {"experts": {"largest_share": 3.0, "load": LOAD}}}
    _, svg = plot_experts(figures, tmp_path)  # type: ignore[arg-type]  # JSON, spelled out
    text = svg.read_text("utf-8")
    for label in ("1", "3", "expert", "load (1: even)"):
        assert f"<!-- {label} -->" in text


@pytest.mark.parametrize("figures", [{}, {"sft": {"loss": 1.0}}, {"sft": None}])
def test_a_dense_model_has_none(figures: dict[str, None], tmp_path: Path) -> None:
    assert plot_experts(figures, tmp_path) == []
    assert not list(tmp_path.iterdir())
