"""The small real judge's backend, with a stand-in for adapter and base (`tiny_smol`)."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.tiny_smol import FOREIGN, QUERY, RESPONSES

from deemster import Judge
from deemster.backends import FakeBackend, open_backend, shipped
from deemster.backends.shipped import WEIGHTS, default_model
from deemster.backends.smol import SmolBackend
from deemster.errors import InputError
from deemster.judges.meta_rm import open_meta_rm

LARGEST = 12_000_000
"""Bytes of all weights that may ship."""


def test_it_brings_its_settings(tiny_smol: Path) -> None:
    judge = Judge("smol", k=4)
    assert isinstance(judge.backend, SmolBackend)
    digest = hashlib.sha256((tiny_smol / WEIGHTS).read_bytes()).hexdigest()[:8]
    assert judge.info.model == judge.name == f"smol@{digest}"
    assert judge.info.dialect == "smol"
    assert judge.info.from_file == ("max_tokens", "dialect")
    assert (judge.sampling.temperature, judge.sampling.max_tokens) == (0.7, 16)
    assert Judge("smol").sampling.temperature == 0
    assert Judge("smol", max_tokens=8).sampling.max_tokens == 8
    with pytest.raises(InputError, match=r"trained on the dialect 'smol' alone, got 'json'"):
        Judge("smol", dialect="json")


def test_it_draws_what_peft_makes_of_base_and_adapter(tiny_smol: Path) -> None:
    """The adapter is added without PEFT, and the network is our own."""
    pytest.importorskip("peft", reason="the extra `train` is not installed")
    texts = []
    for model in ("smol", f"hf:{tiny_smol}"):
        judge = Judge(model, dialect="smol", threads=1, device="cpu")
        verdict = judge.score_sync(QUERY, RESPONSES)
        texts.append([vote.raw for vote in verdict.votes])
    bare = Judge(f"hf:{shipped.smol_base()}", dialect="smol", threads=1, max_tokens=16)
    assert texts[0] == texts[1] != [vote.raw for vote in bare.score_sync(QUERY, RESPONSES).votes]


def test_it_says_what_it_is_and_what_it_does_not_know(
    tiny_smol: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    judge = Judge("smol", threads=1, device="cpu")
    with caplog.at_level(logging.WARNING, "deemster"):
        assert judge.score_sync(QUERY, RESPONSES).warnings == ()
        (warning,) = judge.score_sync(FOREIGN, RESPONSES).warnings
    assert repr(FOREIGN) in warning
    assert warning in caplog.text
    err = capfd.readouterr().err
    assert err.count("a small judge of 135 million parameters") == 1


def test_the_default_is_smol_where_all_of_it_is_here(
    tiny_smol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_model() == "smol"
    assert Judge().info.model.startswith("smol@")
    assert json.loads(deemster("doctor", "--json").stdout)["default model"] == "smol"
    done = deemster("score", "-q", QUERY, "-r", "7", "-r", "9", "--json")
    assert json.loads(done.stdout)["judge"]["model"].startswith("smol@")
    monkeypatch.setenv("DEEMSTER_CACHE", str(tmp_path))
    assert default_model() == "nano"
    monkeypatch.undo()
    assert default_model() == "nano"  # the tests' own cache is empty


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param(WEIGHTS, "model 'smol' is not installed: .* is missing; reinstall", id="all"),
        pytest.param("domain.json", "'smol' is not installed: .*domain.json", id="domain"),
    ],
)
def test_missing_files_are_told_at_once(
    tiny_smol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, message: str
) -> None:
    for file in tiny_smol.iterdir():
        if file.name != missing:
            (tmp_path / file.name).symlink_to(file)
    monkeypatch.setattr(shipped, "smol_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=message):
        open_backend("smol")


def test_a_missing_base_names_the_command(
    tiny_smol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No network in tests: the Hub does not give it either."""
    monkeypatch.setenv("DEEMSTER_CACHE", str(tmp_path))
    line = one_line(deemster("score", "-m", "smol", "-q", QUERY, "-r", "7", "-r", "9"))
    assert "needs its base, which is not on this machine: deemster models fetch smollm2" in line


def test_there_is_one_and_its_meta_rm_may_not_ship(tiny_smol: Path) -> None:
    with pytest.raises(InputError, match=r"'smol:a/b': there is one 'smol'; open an adapter of"):
        open_backend("smol:a/b")
    with pytest.raises(InputError, match="meta RM 'smol' is not installed"):
        open_meta_rm("smol")
    assert Judge(FakeBackend(r"Scores: \boxed{7, 3}"), dialect="smol").info.dialect == "smol"


needs_adapter = pytest.mark.skipif(
    not (shipped.package_folder("smol") / WEIGHTS).is_file(),
    reason="the adapter has not been trained yet: no assets/smol",
)


@needs_adapter
def test_what_ships_is_small_and_says_what_it_is() -> None:
    folder = shipped.package_folder("smol")
    sums = {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob(WEIGHTS)
    }
    made = json.loads((folder / "made.json").read_text("utf-8"))
    assert made["sha256"] == sums
    assert {"seed", "recipe", "recipe sha256", "stage", "base"} <= set(made)
    assert sum((folder / name).stat().st_size for name in sums) <= LARGEST
    figures = json.loads((folder / "figures.json").read_text("utf-8"))["parts"]
    own = [
        part["model"] for name, part in figures.items() if name.endswith(("/smol", "/smol-meta"))
    ]
    assert set(own) <= {f"smol@{sums[WEIGHTS][:8]}"}
    assert (folder / "README.md").is_file()
    assert Judge("smol").info.dialect == "smol"
