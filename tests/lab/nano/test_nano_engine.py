"""The embedded model's engine, as `deemster train` of a checkout finds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deemster.errors import InputError
from deemster.training.loading import load_recipe
from lab.nano.recipe import NanoRecipe

ROOT = Path(__file__).parents[3]
TOY = {
    "model": {"vocabulary": 400, "hidden": 32, "feed_forward": 64, "layers": 2, "heads": 2,
              "kv_heads": 1},
    "distil": {"warm_items": 20, "items": 60},
}  # fmt: skip


def write(folder: Path, **sections: object) -> Path:
    path = folder / "toy.yaml"
    engine = os.path.relpath(ROOT / "lab" / "nano" / "engine.py", folder)
    path.write_text(yaml.safe_dump({"name": "toy", "engine": engine, **sections}), encoding="utf-8")
    return path


@pytest.mark.timeout(600)
def test_it_trains_where_only_the_package_can_be_imported(tmp_path: Path) -> None:
    write(tmp_path, nano=TOY)
    done = subprocess.run(
        [sys.executable, "-m", "deemster", "train", "toy.yaml", "--stage", "distil", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stages"]["distil"]["examples"] == 80
    assert (tmp_path / "runs" / "toy" / "distil" / "model" / "model.safetensors").is_file()


def test_a_stage_depends_on_its_own_section_only(tmp_path: Path) -> None:
    one = load_recipe(write(tmp_path, nano={"rl": {"steps": 1}}))
    other = load_recipe(write(tmp_path, nano={"rl": {"steps": 2}, "device": "auto", "threads": 1}))
    assert isinstance(one, NanoRecipe)
    assert one.stages == ("distil", "rft", "rl", "meta", "eval")
    assert one.settings_for("rft") == other.settings_for("rft")
    assert one.settings_for("rl") != other.settings_for("rl")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        pytest.param({"nano": {"colour": 1}}, "unknown key 'nano.colour'; allowed: model", id="k"),
        pytest.param({"nano": {"rl": {"group": 1}}}, "nano.rl.group: Input should be", id="range"),
        pytest.param({"nano": {"device": "tpu"}}, "'auto', 'cpu' or 'cuda', got 'tpu'", id="tpu"),
        pytest.param({"data": {}}, "unknown key 'data'; allowed: name", id="other-engine"),
        pytest.param({"nano": None}, "nano: expected a mapping", id="empty"),
    ],
)
def test_errors_name_the_field(tmp_path: Path, sections: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=r"toy\.yaml:\d+: ") as told:
        load_recipe(write(tmp_path, **sections))
    assert message in str(told.value)
    assert "\n" not in str(told.value)
