"""Runs that are killed: SIGKILL at random moments, real processes, a real HTTP server, LiteLLM."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster

from deemster.testing import Call, OpenAIServer

DATA = Path(__file__).parents[3] / "shared" / "data" / "judgebench" / "pairs.jsonl.gz"
K, CONCURRENCY = 4, 8


def reply(call: Call, choice: int) -> str:
    """A judge that is noisy but deterministic: the same draw always gets the same text."""
    seed = f"{call.query}|{call.body.get('seed')}|{choice}"
    first = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % 10 + 1
    return f"Analysis:\n- Response 1: so\n- Response 2: so\n\nScores: \\boxed{{{first}, 5}}"


def own_pairs(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{i}",
            "query": f"Which is larger, {i} or {i + 1}?",
            "responses": [f"{i + 1} is", f"{i} is"],
            "ground_truth": [1, 0],
            "subset": f"s{i % 3}",
        }
        for i in range(count)
    ]


def judgebench_pairs() -> list[dict[str, Any]]:
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        {
            "id": row["pair_id"],
            "query": row["question"],
            "responses": [row["response_A"], row["response_B"]],
            "ground_truth": [1, 0] if row["label"] == "A>B" else [0, 1],
            "subset": row["source"],
        }
        for row in rows
        if row["split"] == "gpt"
    ]


def write_suite(folder: Path, pairs: list[dict[str, Any]], url: str) -> Path:
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)), encoding="utf-8")
    path = folder / "suite.yaml"
    path.write_text(
        f"""\
name: kill
data: {{path: pairs.jsonl}}
in_flight: {CONCURRENCY}
judges:
  model: openai/scripted
  k: {K}
  options: {{api_base: "{url}", api_key: none, concurrency: {CONCURRENCY}}}
""",
        encoding="utf-8",
    )
    return path


def start(suite: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "deemster", "run", str(suite), "--out", str(out), "--resume"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "DEEMSTER_MODEL": ""},
    )


def run_with_kills(suite: Path, out: Path, server: OpenAIServer, kills: int, seed: int) -> int:
    """Run to the end, killing the process `kills` times; how often it really was killed."""
    rng = random.Random(seed)
    killed = 0
    while True:
        process = start(suite, out)
        if killed < kills:
            # A random moment of the working phase: from the first hit on.
            before = server.ledger.hits
            while server.ledger.hits == before and process.poll() is None:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.5))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
        _, stderr = process.communicate(timeout=300)
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 0, stderr.decode()
            return killed


def comparable(out: Path) -> str:
    """The summary without times, and without what was spent: of what was in flight when the process
    was killed nobody knows what it cost."""

    def scrub(value: Any) -> Any:
        if isinstance(value, dict):
            ignored = {"seconds", "spent"}
            return {key: scrub(item) for key, item in value.items() if key not in ignored}
        return [scrub(item) for item in value] if isinstance(value, list) else value

    return json.dumps(scrub(json.loads((out / "summary.json").read_text("utf-8"))))


def check(tmp_path: Path, pairs: list[dict[str, Any]], *, kills: int, latency: float) -> None:
    with OpenAIServer(reply, latency=latency) as server:
        suite = write_suite(tmp_path, pairs, server.url)
        killed = run_with_kills(suite, tmp_path / "killed", server, kills, seed=1)
        asked = Counter((call.query, call.body.get("seed")) for call in server.ledger.calls)
        assert killed >= min(kills, 3)
        assert len(asked) == 2 * len(pairs)  # both orders of every pair, none lost
        bought_twice = sum(asked.values()) - len(asked)
        assert bought_twice <= killed * CONCURRENCY
        before = server.ledger.hits
        done = deemster("run", str(suite), "--out", str(tmp_path / "killed"), "--resume")
        assert done.returncode == 0, done.stderr
        assert server.ledger.hits == before  # a finished run makes no call
        done = deemster("run", str(suite), "--out", str(tmp_path / "whole"))
        assert done.returncode == 0, done.stderr
    assert comparable(tmp_path / "killed") == comparable(tmp_path / "whole")
    summary = json.loads((tmp_path / "whole" / "summary.json").read_text("utf-8"))
    assert summary["n_scored"] == len(pairs)
    assert summary["usage"]["calls"] == 2 * len(pairs)


def test_a_killed_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    check(tmp_path, own_pairs(30), kills=1, latency=0.15)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not DATA.exists(), reason="JudgeBench is not in ../shared/data")
def test_judgebench_killed_twenty_times(tmp_path: Path) -> None:
    check(tmp_path, judgebench_pairs(), kills=20, latency=0.12)
