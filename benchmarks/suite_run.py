"""10,000 samples x k = 8 through the fake backend: time, memory and size on disk.

python -m benchmarks.suite_run [--samples 10000] [--k 8]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMPLETION = r"""fake:Specific Criteria:
1. Correctness (weight: 60%): the result is right
2. Clarity (weight: 40%): easy to follow

Analysis:
- Response 1: says the right thing and gives its reason in one sentence.
- Response 2: is longer but does not answer the question that was asked.

Scores: \boxed{8, 5}"""

# The kernel's own account of the child's memory: that of its parent counts the parent's too.
RUN = """
import sys
from pathlib import Path
from deemster.cli import main
sys.argv = ["deemster", "run", "suite.yaml", "--out", "run"]
try:
    main()
finally:
    status = Path("/proc/self/status").read_text()
    Path("peak").write_text(status.split("VmHWM:")[1].split()[0])
"""


def main(samples: int = 10_000, k: int = 8) -> dict[str, Any]:
    """Run the suite in a process of its own and measure it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "data.jsonl").open("w", encoding="utf-8") as lines:
            for i in range(samples):
                row = {
                    "id": f"i{i}",
                    "query": f"Question number {i}: which answer is better?",
                    "responses": [f"answer one to {i} " * 5, f"answer two to {i} " * 5],
                    "ground_truth": [1, 0],
                    "subset": f"s{i % 5}",
                }
                lines.write(json.dumps(row) + "\n")
        suite = {
            "name": "bench",
            "data": {"path": "data.jsonl"},
            "judges": {"name": "fake", "model": COMPLETION, "k": k},
        }
        (folder / "suite.yaml").write_text(json.dumps(suite), encoding="utf-8")
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", RUN],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"DEEMSTER_MODEL": ""},
        )
        seconds = time.perf_counter() - started
        size = sum(path.stat().st_size for path in (folder / "run").iterdir())
        peak = int((folder / "peak").read_text("utf-8")) / 1024
    return {
        "samples x k": f"{samples} x {k}",
        "seconds": round(seconds, 1),
        "votes/s": round(samples * k / seconds),
        "peak memory, MB": round(peak),
        "run directory, MB": round(size / 1e6, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--k", type=int, default=8)
    arguments = parser.parse_args()
    print(json.dumps(main(arguments.samples, arguments.k), indent=2))
