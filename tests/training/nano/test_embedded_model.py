"""The model that ships does what its card says."""

from __future__ import annotations

import json

import pytest
from tests.support.tiny_nano import needs_model

from deemster.backends.nano import assets
from deemster.training.nano.data import Encoder
from deemster.training.nano.measure import accuracies, draw_votes, pairs_or_more
from deemster.training.nano.model import load_judge
from deemster.training.nano.sampler import Sampler
from deemster.training.nano.stages import EVAL
from deemster.training.world import World

pytestmark = pytest.mark.timeout(900)  # processors differ tenfold

LIMIT = 12 * 2**20


@needs_model
@pytest.mark.parametrize("split", ["fresh", "numbers", "words", "templates"])
def test_its_figures_can_be_measured_again(split: str) -> None:
    """Items and draws are those of the recipe's last stage; rounding may turn a few votes."""
    said = json.loads((assets() / "figures.json").read_text())
    model, tokenizer = load_judge(assets() / "judge")
    encoder = Encoder(tokenizer)
    samples = pairs_or_more(World(said["seed"] + EVAL), said["items"], split)  # type: ignore[arg-type]
    votes = draw_votes(
        Sampler(model, eos=encoder.eos, pad=encoder.pad),
        encoder,
        samples,
        k=said["samples"],
        temperature=1.0,
        seed=0,
    )
    for what, value in accuracies(votes).items():
        assert value == pytest.approx(said["figures"][f"{split} {what}"], abs=0.03), what


@needs_model
def test_judge_and_meta_rm_together_are_small() -> None:
    assert sum(file.stat().st_size for file in assets().rglob("*") if file.is_file()) <= LIMIT
