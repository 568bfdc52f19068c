"""`recipes/smol.yaml --toy` from end to end, with the real weights where they were fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.command_line import deemster

from deemster.backends._local.model_cache import cache_folder
from deemster.training.trl_recipe import STAGES
from lab.smol.__main__ import CASSETTE, SAMPLES, write

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "smol.yaml"
BASE = cache_folder() / "smollm2"


@pytest.mark.slow
@pytest.mark.timeout(3600)  # ten minutes on one core
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.skipif(not BASE.is_dir(), reason="no base: deemster models fetch smollm2")
def test_all_stages_with_the_real_weights(tmp_path: Path) -> None:
    write(tmp_path, items=8000, seed=3)
    text = RECIPE.read_text(encoding="utf-8")
    for written, here in {
        "../build/smol-data/train.jsonl": tmp_path / SAMPLES,
        "../build/smol-data/teacher.cassette": tmp_path / CASSETTE,
        "../lab/smol/heldout.jsonl": ROOT / "lab" / "smol" / "heldout.jsonl",
        "~/.cache/deemster/models/smollm2": BASE,
    }.items():
        assert written in text
        text = text.replace(written, str(here))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text, encoding="utf-8")
    done = deemster("train", str(recipe), "--toy", "--out", str(tmp_path / "run"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told["stages"]) == list(STAGES)
    assert told["stages"]["distil"]["sft"]["loss"] < 0.7
    found = told["stages"]["eval"]
    assert found["models"]["distil"]["parse_failures"] < 0.5
    (tmp_path / "run" / "rl" / "adapter" / "adapter_model.safetensors").stat()
