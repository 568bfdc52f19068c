"""The model that ships does what its card says."""

from __future__ import annotations

import json

import pytest
from tests.support.tiny_nano import needs_model

from deemster.backends.nano import assets
from lab.nano.data import Encoder
from lab.nano.measure import accuracies, draw_votes, pairs_or_more
from lab.nano.model import load_judge
from lab.nano.sampler import Sampler
from lab.nano.stages import EVAL
from lab.world import SPLITS, SplitName, World

pytestmark = pytest.mark.timeout(900)  # processors differ tenfold

LIMIT = 12 * 2**20


def _measured(
    split: SplitName, k: int, items: int | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """What the recipe's last stage measured, and its first `items` judged again by `k` votes."""
    said = json.loads((assets() / "figures.json").read_text())
    model, tokenizer = load_judge(assets() / "judge")
    encoder = Encoder(tokenizer)
    samples = pairs_or_more(World(said["seed"] + EVAL), said["items"], split)[:items]
    votes = draw_votes(
        Sampler(model, eos=encoder.eos, pad=encoder.pad),
        encoder,
        samples,
        k=k,
        temperature=1.0,
        seed=0,
    )
    figures = {
        name.removeprefix(f"{split} "): value
        for name, value in said["figures"].items()
        if name.startswith(f"{split} ")
    }
    return figures, accuracies(votes)


@needs_model
def test_it_judges_as_well_as_its_figures_say() -> None:
    """60 of 300 items: a standard error of 0.05; by chance half would be right."""
    said, found = _measured("words", k=1, items=60)
    assert found["greedy"] == pytest.approx(said["greedy"], abs=0.12)
    assert found["k=1"] == pytest.approx(said["k=1"], abs=0.15)


@needs_model
@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS[1:])
def test_all_its_figures_can_be_measured_again(split: SplitName) -> None:
    """Items and draws are those of the recipe's last stage; rounding may turn a few votes."""
    k = json.loads((assets() / "figures.json").read_text())["samples"]
    said, found = _measured(split, k)
    assert set(said) == set(found)
    for what, value in found.items():
        assert value == pytest.approx(said[what], abs=0.03), what


@needs_model
def test_judge_and_meta_rm_together_are_small() -> None:
    assert sum(file.stat().st_size for file in assets().rglob("*") if file.is_file()) <= LIMIT
