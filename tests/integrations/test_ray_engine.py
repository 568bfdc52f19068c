"""The same run on this machine and on a cluster that loses a node."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster, one_line

from deemster.backends import FakeBackend, RecordBackend, Request
from deemster.errors import InputError
from deemster.integrations.ray_engine import RayOptions
from deemster.judges import Judge
from deemster.suites.loading import load_suite
from deemster.suites.runner import run_suite
from deemster.suites.store import RunStore

ROOT = Path(__file__).parents[2]
N, K = 300, 4


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"actors": 0}, "ray actors must be >= 1, got 0"),
        ({"chunk": 0}, "ray chunk must be >= 1, got 0"),
        ({"gpus": -0.5}, "ray gpus must be >= 0, got -0.5"),
        ({"cpus": float("nan")}, "ray cpus must be >= 0, got nan"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        RayOptions(**options)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(["--engine", "spark"], "unknown engine 'spark'; known: local, ray", id="name"),
        pytest.param(["--actors", "3"], "for --engine ray; give that too", id="without-ray"),
        pytest.param(["--batch-size", "3"], "for --batch; give that too", id="without-batch"),
        pytest.param(["--engine", "ray", "--batch"], "give one of them", id="both"),
    ],
)
def test_engines_on_the_command_line(given: list[str], reason: str, tmp_path: Path) -> None:
    assert reason in one_line(deemster("run", str(write(tmp_path)), *given))


def write(folder: Path) -> Path:
    rows = [
        {"id": f"q{i}", "query": f"question {i}", "responses": ["right", "wrong"],
         "ground_truth": [1, 0], "subset": "ab"[i % 2]}
        for i in range(N)
    ]  # fmt: skip
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path = folder / "suite.yaml"
    path.write_text(
        f"name: mine\ndata: {{path: rows.jsonl}}\n"
        f"judges: {{name: noisy, model: 'replay:{folder}/model.cassette', k: {K}}}\n",
        encoding="utf-8",
    )
    return path


def noisy(request: Request, draw: int) -> str:
    text = f"{request.messages[-1].text}|{request.seeds[draw]}"
    drawn = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    return f"Scores: \\boxed{{{drawn % 10 + 1}, {drawn // 10 % 10 + 1}}}"


async def record(folder: Path) -> None:
    """Every draw that the suite asks for, but for those of one sample."""
    path = folder / "suite.yaml"
    backend = RecordBackend(FakeBackend(noisy, name="noisy"), folder / "model.cassette")
    judge = Judge(backend, k=K, name="noisy")
    for sample in list(load_suite(path).samples())[1:]:
        await judge.score(sample.query, sample.responses)
    await backend.aclose()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'deemster[ray]'")
@pytest.mark.parametrize("kill", [False, True], ids=["whole", "a-node-dies"])
def test_a_cluster_gives_what_one_process_gives(kill: bool, tmp_path: Path) -> None:
    path = write(tmp_path)
    asyncio.run(record(tmp_path))
    asyncio.run(run_suite(load_suite(path), tmp_path / "local"))
    command = [sys.executable, "-m", "tests.support.ray_run", str(path), str(tmp_path / "ray")]
    source = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    with subprocess.Popen(
        [*command, "--kill"] if kill else command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": source, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            shown, _ = process.communicate(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, shown
    assert ("an actor died" in shown) == kill, shown
    assert f"unscored 1, observed {N}" in shown
    local, spread = ((tmp_path / run / "summary.json").read_bytes() for run in ("local", "ray"))
    assert spread == local
    with RunStore(tmp_path / "local") as one, RunStore(tmp_path / "ray") as other:
        assert list(one.verdicts(0)) == list(other.verdicts(0))
