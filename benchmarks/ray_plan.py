r"""What a data set costs the driver of a Ray run before its first verdict, and in all.

python -m benchmarks.ray_plan [--rows 10000 100000 1000000] [--address HOST:PORT] [--json FILE]
python -m benchmarks --take ray FILE        writes FILE's figures into docs/benchmarks.md

A suite of made-up pairs, a line of JSON each, goes to two actors on this machine
(`deemster run --engine ray`), and its budget ends the run after a few hundred verdicts: what is
measured is reading the file, checking it, storing it, planning and sending, not judging. Each size
runs in a process of its own, whose processor time (that of the actors and of Ray's own processes
is not in it) and peak memory are read when the first verdict is there. FILE keeps what it has of
other sizes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deemster.integrations.ray_engine import RayEngine, RayOptions
from deemster.schemas import Sample, Verdict
from deemster.suites import load_suite
from deemster.suites.runner import run_suite

ROWS = (10_000, 100_000, 1_000_000)
ACTORS = 2
VERDICTS = 256


def _suite(folder: Path, rows: int) -> Path:
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for i in range(rows):
            answers = [f"Answer {side} to {i}: " + "because it is so, " * 8 for side in "ab"]
            row = {"id": f"i{i}", "query": f"Question {i}?", "responses": answers}
            file.write(json.dumps(row | {"ground_truth": [1, 0]}) + "\n")
    path = folder / "suite.yaml"
    path.write_text(
        f"name: many\ndata: {{path: rows.jsonl}}\nbudget: {{calls: {VERDICTS}}}\n"
        "judges: {name: fake, model: 'fake:Scores: \\boxed{7, 4}', k: 1}\n",
        encoding="utf-8",
    )
    return path


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text("utf-8")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def run(rows: int, address: str | None = None) -> dict[str, float]:
    """One run, in this process; None starts a cluster on this machine."""
    first: dict[str, float] = {}
    judged = 0
    with tempfile.TemporaryDirectory() as name:
        suite = load_suite(_suite(Path(name), rows))

        def observe(_judge: str, _sample: Sample, _verdict: Verdict) -> None:
            nonlocal judged
            judged += 1
            if not first:
                first.update(cpu_s=round(time.process_time() - start, 1), peak_mb=_peak_mb())

        start = time.process_time()
        engine = RayEngine(RayOptions(actors=ACTORS, address=address))
        result = asyncio.run(run_suite(suite, Path(name) / "run", engine=engine, observer=observe))
        if not result.over_budget or judged < VERDICTS:
            raise RuntimeError(f"the budget did not end the run; {judged} verdicts")
        in_all = {"end_cpu_s": round(time.process_time() - start, 1), "end_peak_mb": _peak_mb()}
        return {"verdicts": judged, **first, **in_all}


def main(
    rows: Sequence[int] = ROWS, *, file: Path | None = None, address: str | None = None
) -> dict[str, Any]:
    """Every size; `file` takes each as it comes, beside those it has."""
    found: dict[str, Any] = {"runs": {}}
    if file is not None and file.exists():
        found = json.loads(file.read_text("utf-8"))
    for n in rows:
        command = [sys.executable, "-m", "benchmarks.ray_plan", "--one", str(n)]
        if address is not None:
            command += ["--address", address]
        made = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        found["runs"][f"{n}"] = json.loads(made.stdout.splitlines()[-1])
        if file is not None:
            file.write_text(json.dumps(found, indent=2), "utf-8")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--json", type=Path, help="file of figures to add to")
    parser.add_argument(
        "--address",
        help="of a cluster; Ray gives up starting one after 30 s, on a busy machine too",
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(given.one, given.address)))
    else:
        found = main(given.rows, file=given.json, address=given.address)
        print(json.dumps(found, indent=2))
