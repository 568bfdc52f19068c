"""`deemster models`, and the variables of chat templates on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.tiny_grm import RELEASED


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "models" / "mine-0123"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 3_000_000)
    (folder / "origin.json").write_text('{"origin": "here.gguf"}')
    (tmp_path / "models" / "half.part").mkdir()
    return {"DEEMSTER_CACHE": str(tmp_path)}


def test_the_cache_is_listed(cache: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "models" / "mine-0123"
    done = deemster("models", "list", env=cache)
    assert done.returncode == 0
    assert done.stdout.endswith(f"\nmine-0123  3 MB  {path}  from here.gguf\n")
    lines = deemster("models", "list", "--json", env=cache).stdout.splitlines()
    found = json.loads(lines[-1])
    size = 3_000_000 + len('{"origin": "here.gguf"}')
    assert found == {"name": "mine-0123", "path": str(path), "origin": "here.gguf", "bytes": size}


def test_models_of_the_package_are_listed(
    tiny_nano: Path, tiny_smol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"smollm2  0 MB  {tiny_smol.parent / 'models' / 'smollm2'}  from a test"
    smol = f"smol  0 MB  {tiny_smol}  from the package, over smollm2"
    nano = f"nano  1 MB  {tiny_nano}  from the package"
    assert deemster("models", "list").stdout.splitlines() == [nano, smol, base]
    done = deemster("models", "list", env={"DEEMSTER_CACHE": str(tmp_path)})
    wanted = [nano, f"{smol}; needs it: deemster models fetch smollm2"]
    assert done.stdout.splitlines() == wanted
    assert f"no models in {tmp_path / 'models'}" in done.stderr


def test_memory_is_told_from_the_configuration(tmp_path: Path) -> None:
    """No weights are there; 46 layers keep 4,096 numbers of 2 bytes for each token."""
    (tmp_path / "config.json").write_text(json.dumps(RELEASED["DeepSeek-GRM-27B"]))
    asked = ("models", "memory", f"hf:{tmp_path}", "-k", "4", "--prompt", "100", "--tokens", "50")
    found = json.loads(deemster(*asked, "--json").stdout)
    token = 46 * 4096 * 2
    assert (found["prompts"], found["draws"]) == (2 * 100 * token, 4 * 50 * token)
    assert found["total"] == found["weights"] + 400 * token
    shown = deemster(*asked).stdout
    assert "54.45 GB  27.2 billion, bfloat16" in shown
    assert "2 of 100 tokens, each held once" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models", "memory", "hf:/nowhere"), "model folder '/nowhere' does not exist"),
        (("models", "fetch", "gpt-9"), "unknown model 'gpt-9'; can be fetched: smollm2"),
        (("models", "fetch", "smollm2", "--from", "moon"), "unknown source 'moon'"),
        (
            ("score", "-q", "q", "-r", "a", "-r", "b", "-m", "fake:x", "--template-args", "[1]"),
            "--template-args '[1]' is no JSON object",
        ),
    ],
    ids=["memory", "name", "source", "template-args"],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = deemster(*arguments, env={"DEEMSTER_CACHE": str(tmp_path)})
    assert done.returncode == 2
    assert message in one_line(done)


def test_variables_of_the_template_reach_the_model(tiny_model: Path) -> None:
    """A template that insists on one."""
    template = tiny_model / "chat_template.jinja"
    asked = ("score", "-q", "q", "-r", "a", "-r", "b", "-m", f"hf:{tiny_model}", "--max-tokens",
             "4", "--json")  # fmt: skip
    text = template.read_text()
    template.write_text("{% if not loud %}{{ raise_exception('not loud') }}{% endif %}" + text)
    try:
        assert "not loud" in deemster(*asked).stdout
        assert "not loud" not in deemster(*asked, "--template-args", '{"loud": true}').stdout
    finally:
        template.write_text(text)
