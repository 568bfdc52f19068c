"""`import deemster` and `deemster --help` stay light. Limits are gross: machines are shared."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "litellm", "transformers", "instructor", "scipy", "sklearn", "pandas", "datasets")


def modules_after(code: str) -> set[str]:
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_loads_nothing_heavy() -> None:
    loaded = modules_after("import deemster")
    assert not loaded & {*HEAVY, "numpy", "pydantic"}


def test_errors_need_nothing_but_the_standard_library() -> None:
    loaded = modules_after("import deemster.errors")
    assert not loaded & {*HEAVY, "numpy", "pydantic"}
    assert {name for name in loaded if name.startswith("deemster")} == {
        "deemster", "deemster._version", "deemster.errors", "deemster.redaction",
    }  # fmt: skip


@pytest.mark.parametrize("package", ["deemster.suites", "deemster.training"])
def test_packages_with_lazy_names_load_nothing(package: str) -> None:
    loaded = modules_after(f"import {package}")
    assert not loaded & {*HEAVY, "numpy", "pydantic"}


def test_the_public_names_load_nothing_heavy() -> None:
    loaded = modules_after("import deemster\nfor name in deemster.__all__: getattr(deemster, name)")
    assert not loaded & set(HEAVY)


def test_the_testing_package_needs_no_pytest_and_no_model_library() -> None:
    loaded = modules_after("import deemster.testing")
    assert not loaded & {*HEAVY, "numpy", "pydantic", "pytest"}


def test_help_loads_nothing_heavy() -> None:
    loaded = modules_after(
        "from typer.testing import CliRunner\nfrom deemster.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0"
    )
    assert not loaded & {*HEAVY, "numpy", "pydantic"}


JUDGING = r"""
from deemster import Judge
from deemster.testing import OpenAIServer

PRINCIPLES = '[{"name": "a", "description": "b", "weight": 1}]'
CRITIQUES = '[{"text": "c", "scores": [8]}, {"text": "d", "scores": [5]}]'
REPLIES = {
    "grm": r"Scores: \boxed{8, 5}",
    "json": f'{{"principles": {PRINCIPLES}, "critiques": {CRITIQUES}, "scores": [8, 5]}}',
}
for dialect, reply in REPLIES.items():
    with OpenAIServer(lambda *_: reply) as server:
        judge = Judge("openai/gpt-4o", dialect=dialect, api_base=server.url, api_key="key")
        verdict = judge.score_sync("q", ["a", "b"])
        assert sorted(verdict.rewards) == [5, 8], verdict
        assert verdict.usage.cost > 0, verdict
"""


def test_judging_through_an_api_loads_no_more_than_it_needs() -> None:
    """LiteLLM, whose import takes seconds, is for other providers and for unusual prices."""
    loaded = modules_after(JUDGING)
    assert not loaded & {*HEAVY, "statsmodels", "matplotlib", "openai"}


def test_a_judge_without_a_tool_loads_no_checks() -> None:
    loaded = modules_after("import deemster.judges.grm")
    assert not {"jsonschema", "deemster.judges.verifier"} & loaded


@pytest.mark.slow
def test_judging_with_the_embedded_model_loads_no_library_of_others() -> None:
    loaded = modules_after(
        "from deemster import Judge\n"
        "assert Judge(k=2).score_sync('What is 2 + 2?', ['4', '5']).n_valid"
    )
    others = {"litellm", "instructor", "aiohttp", "sklearn", "pandas", "datasets", "statsmodels"}
    assert not loaded & {*others, "matplotlib", "openai", "scipy", "peft", "trl", "accelerate"}
    assert not loaded & {"transformers.modeling_utils", "torch._dynamo", "torch.distributed.tensor"}


def test_import_is_quick() -> None:
    best = min(_seconds("import deemster") - _seconds("pass") for _ in range(3))
    assert best < 0.6  # 0.03 s measured on an idle core


def _seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    return time.perf_counter() - started
