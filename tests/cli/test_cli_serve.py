"""`deemster serve` on the command line: what it refuses, in one line, before it listens."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.live_server import serving

from deemster.cli.options import JudgeOptions
from deemster.cli.serve import _judges, _settings, _varying
from deemster.serve.settings import read_keys

SUITE = """
name: two
data: {samples: [{query: q, responses: [a, b]}]}
judges:
  - {name: quick, model: "fake:Scores: \\\\boxed{7, 4}"}
  - {name: strict, model: "fake:Scores: \\\\boxed{7, 4}", k: 2, min_valid: 2}
  - {name: both, type: panel, members: [quick, strict]}
"""
FAKE = ("--model", "fake:x")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE, "utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("--host", "0.0.0.0"), "there are no keys; give --keys FILE", id="public"),
        pytest.param(("--port", "70000"), "--port: Input should be less than", id="port"),
        pytest.param(("--deadline", "0"), "--deadline: ", id="deadline"),
        pytest.param(("--group-wait", "200"), "group-wait 200 must be below deadline", id="wait"),
        pytest.param(("--keys", "nowhere.yaml"), "nowhere.yaml", id="no-keys-file"),
        pytest.param(("nowhere.yaml",), "does not go with a suite", id="suite-and-model"),
        pytest.param(("--host", "not a host", "--public"), "cannot listen on", id="host"),
        pytest.param(("--mcp", "--port", "1"), "--port '1' is for HTTP", id="mcp-and-port"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    assert said in one_line(deemster("serve", *FAKE, *arguments))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        pytest.param("nope/", "model 'nope/' names a provider and no model", id="neither"),
        pytest.param("openai/", "model 'openai/' names a provider and no model", id="no-model"),
        pytest.param("litellm:openai/", "names a provider and no model", id="litellm-no-model"),
        pytest.param("nope/x", "knows no provider for model 'nope/x'", id="no-provider"),
        pytest.param("litellm:nope/x", "knows no provider for model 'nope/x'", id="litellm"),
        pytest.param("litellm:", "knows no provider for model ''", id="litellm-nothing"),
    ],
)
def test_a_model_that_nobody_has_is_refused_at_once(model: str, said: str) -> None:
    keys = {"OPENAI_API_KEY": "sk-not-a-key"}
    assert said in one_line(deemster("serve", "-m", model, "--port", "0", env=keys))


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = one_line(deemster("serve", *FAKE, "--port", port))
    assert f"cannot listen on 127.0.0.1:{port}: " in line
    assert "give another --host or --port" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[a]", "expected a mapping of names to keys", id="list"),
        pytest.param("me: short", "key 'me': key: String should have at least 16", id="short"),
        pytest.param("me: {key: 0123456789abcdef, per_hour: 3}", "per_hour", id="unknown"),
        pytest.param("a b: 0123456789abcdef", "name", id="name"),
    ],
)
def test_a_bad_keys_file_is_one_line_without_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text, "utf-8")
    line = one_line(deemster("serve", *FAKE, "--keys", str(path)))
    assert said in line
    assert "0123456789abcdef" not in line
    assert "short'" not in line


def test_keys_may_have_limits(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("a: 0123456789abcdef\nb: {key: fedcba9876543210, in_flight: 2}", "utf-8")
    first, second = read_keys(path)
    assert (first.name, first.per_minute, second.in_flight) == ("a", None, 2)
    assert "0123456789abcdef" not in repr(first)


def test_the_judges_of_a_suite_are_served_by_name_and_may_vary_their_k(suite: Path) -> None:
    given = {"model": None, "judge_text": None, "trust_suite": False, "budget": None}
    built, specs = _judges(suite, JudgeOptions(given), 0)
    judges = {judge.name: judge for judge in built.judges}
    sample = {"query": "q", "responses": ["a", "b"]}
    with serving(judges, vary=_varying(built, specs)) as live:
        assert [one["name"] for one in live.get("/v1/judges").json["judges"]] == list(judges)
        assert live.post("/v1/score", sample).json["judge"]["name"] == "quick"
        for k in (3, 5, 3):
            verdict = live.post("/v1/score", {**sample, "judge": "strict", "k": k}).json
            assert (verdict["k"], verdict["n_valid"], verdict["judge"]["min_valid"]) == (k, k, 2)
        varied = live.desk._varied.values()
        assert len(varied) == 2
        (strict,) = (one for one in built.judges if one.name == "strict")
        assert {getattr(one, "backend", None) for one in varied} == {getattr(strict, "backend", 0)}
        for judge, k, said in (
            ("strict", 1, "min_valid must be from 1 to k=1"),
            ("both", 3, "is of type 'panel', which has no k of its own"),
            ("quick", 65, "k must be from 1 to 64"),
        ):
            refused = live.post("/v1/score", {**sample, "judge": judge, "k": k})
            assert refused.status == 400
            assert said in refused.error["message"]


def test_settings_come_from_the_options() -> None:
    made = _settings({"host": "127.0.0.1", "port": 0, "keys": None, "queue": 3, "group_size": 8})
    assert (made.queue, made.group_size, made.is_local) == (3, 8, True)
    assert json.loads(made.model_dump_json())["max_body"] == 8 * 2**20
