"""`deemster.json`: what it may say, and what a hostile one cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)

from deemster.backends.hub import find_judge_file
from deemster.backends.judge_file import CONFIG_NAME, JudgeFile, inside, judge_file_in
from deemster.errors import InputError


def write(folder: Path, given: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = given if isinstance(given, str) else json.dumps(given)
    (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
    return folder


def test_it_survives_the_disk(tmp_path: Path) -> None:
    said = JudgeFile(
        name="mine",
        dialect="pairwise:majority",
        licence="apache-2.0",
        base="owner/name-1.5",
        template_args={"enable_thinking": False},
        k=8,
        temperature=0.5,
        meta_rm="meta",
        aggregator="topk(4) >> sum",
    )
    said.write(tmp_path)
    assert judge_file_in(tmp_path) == said
    assert "top_p" not in (tmp_path / CONFIG_NAME).read_text()
    assert judge_file_in(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param("{", "not JSON", id="broken"),
        pytest.param("[1]", "is not a JSON object", id="list"),
        pytest.param({}, 'write "version": 1 into it', id="no-version"),
        pytest.param({"version": True}, 'write "version": 1 into it', id="no-number"),
        pytest.param({"version": 2}, "has version 2, .* --upgrade deemster", id="newer"),
        pytest.param({"version": 1, "k": "8"}, "k: .* valid integer, got '8'", id="text-as-number"),
        pytest.param({"version": 1, "k": 0}, "k: .*greater than or equal to 1", id="no-votes"),
        pytest.param({"version": 1, "orders": "any"}, "'balanced', 'random' or 'fixed'", id="word"),
        pytest.param("[" * 10_000, "nested|not JSON|not usable", id="deep"),
        pytest.param(" " * 70_000 + "{}", "larger than 64 KiB", id="large"),
        *(
            pytest.param(
                {"version": 1, name: value}, f"unknown field '{name}'.*no address", id=name
            )
            for name, value in (
                ("api_base", "http://evil.example"),
                ("api_key", "sk-1"),
                ("options", {"api_base": "http://evil.example"}),
                ("trust_remote_code", True),
                ("auto_map", {"AutoModel": "code.Model"}),
            )
        ),
    ],
)
def test_what_is_not_in_the_layout_is_one_line(given: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        judge_file_in(write(tmp_path, given))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", ["model", "template", "meta_rm"])
@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "a//../b", "/etc/passwd", "~/x", "a\\..\\x", "C:x", "a\nb", "",
     "http://evil.example", "hf:owner/name", "nano:x"],
)  # fmt: skip
def test_no_path_leads_out(field: str, path: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{field}: .* inside the folder"):
        judge_file_in(write(tmp_path, {"version": 1, field: path}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dialect", "deemster.dialects.grm:Grm"),
        ("dialect", "../x"),
        ("base", "../../x"),
        ("base", "/srv/model"),
        ("base", "http://evil.example/model"),
        ("base", "a/b/c"),
        ("principles", "bank:/home/x"),
        ("principles", "/etc/passwd"),
        ("meta_template", "/etc/passwd"),
        ("template_args", {"x": {"y": 1}}),
    ],
)
def test_no_field_names_a_file_code_or_address(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=field):
        judge_file_in(write(tmp_path, {"version": 1, field: value}))


@pytest.mark.parametrize("link", ["folder", "file-in-folder", "the-file-itself"])
def test_links_do_not_lead_out(link: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, {"version": 1, "k": 3})
    judge = write(tmp_path / "judge", {"version": 1, "meta_rm": "meta"})
    if link == "folder":
        (judge / "meta").symlink_to(outside)
    elif link == "file-in-folder":
        (judge / "meta").mkdir()
        (judge / "meta" / "model.safetensors").symlink_to(outside / CONFIG_NAME)
    else:
        (judge / CONFIG_NAME).unlink()
        (judge / CONFIG_NAME).symlink_to(outside / CONFIG_NAME)
    with pytest.raises(InputError, match="a link that leads out"):
        inside(judge, "meta") if link != "the-file-itself" else judge_file_in(judge)


def test_links_of_the_hubs_cache_are_followed(tmp_path: Path) -> None:
    """Its snapshots are links to files beside them."""
    repository = tmp_path / "models--owner--name"
    write(repository / "blobs", {"version": 1, "k": 3})
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / CONFIG_NAME).symlink_to(repository / "blobs" / CONFIG_NAME)
    found = judge_file_in(snapshot)
    assert found is not None
    assert found.k == 3
    (snapshot / CONFIG_NAME).unlink()
    (snapshot / CONFIG_NAME).symlink_to(write(tmp_path / "other", {"version": 1}) / CONFIG_NAME)
    with pytest.raises(InputError, match="leads out"):
        judge_file_in(snapshot)


def test_what_it_names_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names 'meta', which is not there"):
        inside(write(tmp_path, {"version": 1, "meta_rm": "meta"}), "meta")


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        pytest.param(RemoteEntryNotFoundError, 404, False, id="no-file"),
        pytest.param(RepositoryNotFoundError, 401, False, id="no-repository"),
        pytest.param(HfHubHTTPError, 503, True, id="down"),
    ],
)
def test_a_hub_that_cannot_say_is_told_from_one_without_a_file(
    kind: type[HfHubHTTPError],
    status: int,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    response = httpx.Response(status, request=httpx.Request("GET", "http://hub"))

    def answer(*_: object) -> str:
        raise kind(f"HTTP {status}", response=response)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", answer)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert find_judge_file("me/judge") is None
    assert ("its own settings, if any, are not used" in capsys.readouterr().err) is told
