"""The OpenAPI description: what it promises, and whether the server keeps it (schemathesis)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.live_server import fake_judge, serving

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.serve import ApiKey, ServerSettings, create_app

CONFIG = """
[checks]
# What the schema cannot say (a query of blanks, a judge that is not there) is refused with 400.
positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "422", "429", "503", "504"]
# No verdict, and a deadline that the request itself may set, are answers and no faults.
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503", "504"]
"""
OPEN = {"/healthz", "/readyz", "/metrics", "/v1/judges", "/v1/models"}


def test_every_route_that_judges_says_how_it_fails() -> None:
    described = create_app(fake_judge()).openapi()
    for path, methods in described["paths"].items():
        if path not in OPEN:
            assert {"200", "400", "413", "422", "429", "503", "504"} <= set(
                methods["post"]["responses"]
            ), path
    refused = described["paths"]["/v1/score"]["post"]["responses"]["422"]["content"]
    assert refused["application/json"]["schema"]["$ref"].endswith("/ErrorReply")
    names = [
        one["operationId"] for methods in described["paths"].values() for one in methods.values()
    ]
    assert len(set(names)) == len(names)


def test_keys_are_described_where_they_are_asked_for() -> None:
    keys = (ApiKey(name="me", key="0123456789abcdef"),)
    described = create_app(fake_judge(), ServerSettings(keys=keys)).openapi()
    assert described["paths"]["/v1/score"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in create_app(fake_judge()).openapi()["paths"]["/v1/score"]["post"]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None,
    reason="schemathesis is not installed: pip install schemathesis",
)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    def as_many(request: Request, _draw: int) -> str:
        last = request.messages[-1].text.rpartition("Analysis:")[2]
        shown = max(1, last.count("- Response "))
        return f"Scores: \\boxed{{{', '.join(['7'] * shown)}}}"

    (tmp_path / "schemathesis.toml").write_text(CONFIG, "utf-8")
    judge = Judge(FakeBackend(as_many), name="fake")
    with serving(judge, group_wait=0.05, deadline=5) as live:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{live.url}/openapi.json",
             "--max-examples", "4", "--phases", "coverage,fuzzing", "--seed", "1",
             "--suppress-health-check", "too_slow"],  # of a busy machine
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
