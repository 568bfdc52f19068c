"""Reading study files: what is allowed, and one line for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lab.study.planted_study import Skill, items, rewards, votes

from deemster.errors import InputError
from lab.study.files import Source, find_sources, read, read_training


def written(folder: Path, **changes: Any) -> Source:
    arrays = votes(Skill(0.6, 0.7), items("fresh", 20), k=4, seed=0)
    for name, value in changes.items():
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
    np.savez(folder / "grpo-fresh-seed0.npz", **arrays)
    (source,) = find_sources(folder)
    return source


def test_single_responses_are_left_out(tmp_path: Path) -> None:
    given = items("fresh", 20)
    found = read(written(tmp_path))
    assert found.items.tolist() == given.item[given.n > 1].tolist()
    assert found.scores.shape == (len(found.items), 4, 4)
    assert (np.isnan(found.scores) == ~found.there[:, None]).all()
    assert found.temperature == 1.0


def test_numbers_for_responses_that_do_not_exist_are_dropped(tmp_path: Path) -> None:
    found = read(written(tmp_path, scores=np.full((20, 4, 4), 5.0)))
    assert (np.isnan(found.scores) == ~found.there[:, None]).all()


def test_names(tmp_path: Path) -> None:
    for name in (
        "base-cool-fresh-seed0",
        "rft-no-hints-words-seed12",
        "pair-rm-numbers-seed1.scalar",
    ):
        (tmp_path / f"{name}.npz").touch()
    (tmp_path / "base-fresh-seed0.part.npz").touch()
    found = [(one.model, one.split, one.seed, one.scalar) for one in find_sources(tmp_path)]
    assert found == [
        ("base-cool", "fresh", 0, False),
        ("pair-rm", "numbers", 1, True),
        ("rft-no-hints", "words", 12, False),
    ]


def test_a_baseline_may_lack_meta_greedy_and_temperature(tmp_path: Path) -> None:
    np.savez(tmp_path / "rm-fresh-seed0.scalar.npz", **rewards(0.6, items("fresh", 30), k=2))
    (source,) = find_sources(tmp_path)
    found = read(source)
    assert found.scores.shape[1] == 2
    assert np.isnan(found.meta).all()
    assert found.greedy is None
    assert found.temperature is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": None}, r"lacks \['scores'\]"),
        ({"scores": np.zeros((20, 4))}, r"scores must be \(I, K, 4\), got \(20, 4\)"),
        ({"scores": np.full((20, 4, 4), np.inf)}, "infinite"),
        ({"meta": np.zeros((20, 3))}, r"meta must be \(20, 4\), got \(20, 3\)"),
        ({"meta": np.full((20, 4), 1.5)}, r"meta must be probabilities"),
        ({"greedy": np.zeros((19, 4))}, r"greedy must be \(20, 4\)"),
        ({"n": np.full(20, 5)}, r"n must be in 1\.\.4"),
        ({"n": np.full(20, 2), "best": np.full(20, 2)}, "best must be an index"),
        ({"item": np.full(20, "same")}, "id occurs twice"),
        ({"item": np.array([{}] * 20, dtype=object)}, "cannot be read"),
    ],
)
def test_a_wrong_array_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(written(tmp_path, **changes))
    assert "grpo-fresh-seed0.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    source = written(tmp_path)
    source.path.write_bytes(source.path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"'grpo-fresh-seed0\.npz' cannot be read"):
        read(source)


@pytest.mark.parametrize("name", ["grpo.npz", "grpo-fresh.npz", "grpo-elsewhere-seed0.npz"])
def test_a_wrong_name_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"no known name; allowed: MODEL-SPLIT-seedN\.npz"):
        find_sources(tmp_path)


def test_folders_without_a_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.npz files"):
        find_sources(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        find_sources(tmp_path / "nowhere")


def test_training_figures(tmp_path: Path) -> None:
    assert read_training(tmp_path) == {}
    (tmp_path / "training.json").write_text('{"base": {"minutes": 20}}')
    assert read_training(tmp_path) == {"base": {"minutes": 20}}
    (tmp_path / "training.json").write_text("[1]")
    with pytest.raises(InputError, match=r"training\.json of the study must be a JSON object"):
        read_training(tmp_path)
