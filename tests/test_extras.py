"""The core works without the extras, and what needs one names it in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import core_walk
from tests.support.command_line import deemster, one_line
from tests.support.core_walk import ROOT, VOTE
from tests.support.small_suite import write_small_suite

from deemster import CLoud, Judge, PairRM, ScalarRM
from deemster.data.files import read_rows
from deemster.data.hub import hub_rows
from deemster.errors import InputError
from deemster.extras import EXTRAS, missing
from deemster.judges.meta_hf import HfMetaRM
from deemster.judges.verifier import MathMatch
from deemster.reports.grouping import Embeddings
from deemster.serve import create_app
from deemster.suites.frames import export_run
from deemster.testing import OpenAIServer
from deemster.training.verl import export_prompts

OPTIONAL = sorted({module for modules in EXTRAS.values() for module in modules})


def test_the_core_needs_no_extra(
    openai_server: Callable[..., OpenAIServer], tmp_path: Path
) -> None:
    server = openai_server(lambda _call, _choice: VOTE)
    done = subprocess.run(
        [sys.executable, core_walk.__file__, server.url, tmp_path, "--hide", *OPTIONAL],
        capture_output=True,
        check=False,
        text=True,
        timeout=170,
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
    )
    assert done.returncode == 0, done.stderr
    core_walk.check(json.loads(done.stdout.splitlines()[-1]))


RECIPE = """
name: tiny
model: {base: some/model}
data: {train: [{path: pairs.jsonl}]}
rft: {n: 2}
"""


def _train(folder: Path, *given: str) -> str:
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "pairs.jsonl").write_text("", encoding="utf-8")
    return one_line(deemster("train", str(folder / "recipe.yaml"), *given))


def _run(folder: Path, model: str) -> str:
    suite = write_small_suite(folder)
    text = suite.read_text(encoding="utf-8")
    start, end = text.index("    model:"), text.index("    k: 4")
    suite.write_text(f"{text[:start]}    model: {model}\n{text[end:]}", encoding="utf-8")
    return one_line(deemster("run", str(suite), "--out", str(folder / "run")))


def _parquet(folder: Path) -> Path:
    path = folder / "rows.parquet"
    path.write_bytes(b"PAR1")
    return path


LOCAL = r"needs torch, transformers, .*: pip install 'deemster\[local\]'"
TRAIN = r"training .*needs torch, .*, trl: pip install 'deemster\[train\]'"
PARQUET = r"needs pyarrow: pip install 'deemster\[parquet\]'"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        pytest.param(
            lambda _: Judge(),
            rf"^model 'nano' \(the default\) {LOCAL}, or name a model of an API",
            id="default",
        ),
        pytest.param(
            lambda _: Judge("hf:some/model"), rf"^model 'hf:some/model' {LOCAL}, or", id="hf"
        ),
        pytest.param(
            lambda _: Judge("fake:x", meta_rm="hf:some/meta"),
            rf"^meta RM 'hf:some/meta' {LOCAL}$",
            id="meta-hf",
        ),
        pytest.param(
            lambda _: Judge("fake:x", meta_rm="nano"), rf"^meta RM .* {LOCAL}$", id="meta-nano"
        ),
        pytest.param(lambda _: HfMetaRM("some/meta"), rf"^meta RM .* {LOCAL}$", id="HfMetaRM"),
        pytest.param(lambda _: ScalarRM("hf:x/y"), rf"^scalar-rm 'hf:x/y' {LOCAL}$", id="ScalarRM"),
        pytest.param(lambda _: CLoud("fake:x", value="hf:x/y"), rf"'hf:x/y' {LOCAL}", id="CLoud"),
        pytest.param(lambda _: PairRM("hf:x/y"), rf"'hf:x/y' {LOCAL}$", id="PairRM"),
        pytest.param(lambda folder: _run(folder, "nano"), LOCAL, id="suite-nano"),
        pytest.param(lambda folder: _run(folder, "hf:x/y"), LOCAL, id="suite-hf"),
        pytest.param(_train, TRAIN, id="train"),
        pytest.param(lambda folder: _train(folder, "--dry-run"), TRAIN, id="train-dry-run"),
        pytest.param(
            lambda _: MathMatch(),
            r"^the check 'mathematical match with the reference' needs math_verify: "
            r"pip install 'deemster\[math\]', or compare by NumericMatch or ExactMatch$",
            id="math",
        ),
        pytest.param(
            lambda folder: export_run(folder, folder / "votes.parquet"),
            rf"^export to 'votes\.parquet' {PARQUET}, or export to \.jsonl$",
            id="export-parquet",
        ),
        pytest.param(
            lambda folder: list(read_rows(_parquet(folder))),
            rf"^reading '.*rows\.parquet' {PARQUET}, or give the rows as",
            id="read-parquet",
        ),
        pytest.param(
            lambda folder: export_prompts([], folder / "a", dialect=Judge("fake:x").dialect),
            PARQUET,
            id="verl",
        ),
        pytest.param(
            lambda _: list(hub_rows("some/set", split="train")),
            r"^loading 'some/set' by name needs datasets, pyarrow: "
            r"pip install 'deemster\[datasets\]', or give the path of a local copy$",
            id="hub",
        ),
        pytest.param(
            lambda _: one_line(deemster("serve", "--model", "fake:x")),
            r"^deemster serve needs fastapi, starlette, uvicorn: pip install 'deemster\[serve\]'$",
            id="serve",
        ),
        pytest.param(
            lambda _: one_line(deemster("serve", "--model", "fake:x", "--mcp")),
            r"^deemster serve --mcp needs mcp: pip install 'deemster\[mcp\]'$",
            id="mcp",
        ),
        pytest.param(
            lambda _: create_app(Judge("fake:x")),
            r"^the server needs fastapi, starlette, uvicorn",
            id="app",
        ),
        pytest.param(
            lambda _: Embeddings().vectors([]),
            "needs sentence-transformers: pip install sentence-transformers, or group by 'tfidf'$",
            id="no-extra-of-ours",
        ),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: Callable[[Path], object],
    message: str,
) -> None:
    for module in (*OPTIONAL, "sentence_transformers"):
        monkeypatch.setitem(sys.modules, module, None)  # as Python itself marks what is absent
    try:
        line = str(action(tmp_path))
    except InputError as error:
        line = str(error)
    assert "\n" not in line
    with pytest.raises(InputError, match=message):
        raise InputError(line.removeprefix("deemster: "))


def test_score_without_a_model_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    line = one_line(deemster("score", "-q", "q", "-r", "a", "-r", "b"))
    assert "needs torch: pip install 'deemster[local]', or name a model of an API" in line


def test_doctor_says_which_extras_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    facts = json.loads(deemster("doctor", "--json").stdout)
    assert facts["extras"] == {extra: missing(extra) for extra in EXTRAS}
    assert facts["extras"]["train"] == ["peft"]
    shown = " ".join(deemster("doctor").stdout.split())
    assert "extra local installed" in shown
    assert "extra train missing: peft" in shown


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared: dict[str, list[str]] = project["optional-dependencies"]

    def modules(extra: str) -> set[str]:
        found = set()
        for requirement in declared[extra]:
            name = requirement.partition(">")[0]
            if name.startswith("deemster["):
                for other in name.removeprefix("deemster[").removesuffix("]").split(","):
                    found |= modules(other)
            else:
                found.add({"opentelemetry-api": "opentelemetry"}.get(name, name.replace("-", "_")))
        return found

    assert set(declared) == {*EXTRAS, "all", "dev", "docs"}
    for extra, brought in EXTRAS.items():
        assert modules(extra) == set(brought)
    # vLLM pins other versions; Ray is for those who have a cluster; torchao slows every start.
    left_out = {"vllm", "ray", "torchao", "compressed_tensors"}
    assert modules("all") == set(OPTIONAL) - left_out <= modules("dev")
    core = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    assert not {name.replace("-", "_") for name in core} & set(OPTIONAL)


def test_the_page_on_installing_lists_every_extra() -> None:
    page = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    for extra in (*EXTRAS, "all"):
        assert f"\n| `{extra}` |" in page
