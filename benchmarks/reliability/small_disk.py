"""Runs on a disk of a few sizes; a line of JSON each. In a mount namespace, or with a limit.

unshare --map-root-user --mount python -m benchmarks.reliability.small_disk 50
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from deemster.errors import DeemsterError
from deemster.suites import RunStore

SUITE = """
name: disk
data: {path: rows.jsonl}
judges: {model: 'fake:Scores: \\boxed{8, 3}', k: 4}
"""
_ITEMS = 120
_NEEDED = 1_200_000
"""Bytes that the run takes, its journals included, and some more."""


def command(folder: Path, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "deemster", "run", str(folder / "suite.yaml"), "--out", str(out),
        "--resume",
    ]  # fmt: skip


def one_size(folder: Path, disk: Path, size: int, *, limit: bool) -> dict[str, Any]:
    """Run with so many bytes of room; read what is there; run again with room."""
    if not limit:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
    try:
        return _run(folder, disk, size, limit=limit)
    finally:
        if not limit:
            subprocess.run(["umount", disk], check=True)


def _run(folder: Path, disk: Path, size: int, *, limit: bool) -> dict[str, Any]:
    def limited() -> None:
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    out = disk / "run"
    environment = {**os.environ, "DEEMSTER_MODEL": ""}
    done = subprocess.run(
        command(folder, out), capture_output=True, text=True, check=False, env=environment,
        preexec_fn=limited,
    )  # fmt: skip
    said = done.stderr.strip().splitlines()
    last = said[-1] if said else ""
    readable = True
    if (out / "run.sqlite").exists():
        try:
            with RunStore(out) as store:
                readable = store.count_samples() in {0, _ITEMS}
        except DeemsterError as error:
            readable = "not a run store" in str(error) or "no run in" in str(error)
            last = last if readable else str(error)
    if not limit:
        subprocess.run(
            ["mount", "-o", f"remount,size={20 * _NEEDED}", disk], check=True, capture_output=True
        )
    again = subprocess.run(
        command(folder, out), capture_output=True, text=True, check=False, env=environment
    )
    resumed = False
    if again.returncode == 0:
        with RunStore(out) as store:
            resumed = len(list(store.verdicts(0))) == _ITEMS
    words = ("full", "space", "disk", "too large", "disk I/O")
    return {
        "size": size,
        "status": done.returncode,
        "said": last[:300],
        "clear": any(word in last for word in words),
        "traceback": "Traceback" in done.stderr + again.stderr,
        "readable": readable,
        "resumed": resumed,
        "again": "" if resumed else again.stderr[-300:],
    }


def main() -> None:
    n, limit = int(sys.argv[1]), "--limit" in sys.argv
    with tempfile.TemporaryDirectory() as name:
        folder, disk = Path(name), Path(name) / "disk"
        rows = [
            json.dumps({"id": str(i), "query": f"q {i}", "responses": ["a", "b"]})
            for i in range(_ITEMS)
        ]
        (folder / "rows.jsonl").write_text("\n".join(rows), "utf-8")
        (folder / "suite.yaml").write_text(SUITE, "utf-8")
        disk.mkdir()
        for number in range(n):
            size = 8_192 + (_NEEDED - 8_192) * number // max(1, n)
            print(json.dumps(one_size(folder, disk, size, limit=limit)), flush=True)
            if limit:
                subprocess.run(["rm", "-rf", disk / "run"], check=True)


if __name__ == "__main__":
    main()
