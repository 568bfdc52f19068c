"""R5, R7 and R8: runs that are killed, that have no room on the disk, that are interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from tests.suites.test_kill import (
    CONCURRENCY,
    comparable,
    own_pairs,
    reply,
    run_with_kills,
    start,
    write_suite,
)
from tests.support.command_line import heed_ctrl_c

from benchmarks.reliability.record import Run
from deemster.testing import OpenAIServer


def kills(run: Run) -> None:
    """SIGKILL at random moments of real processes, until the run is done."""
    pairs = run.count("items", 2_000, least=40)
    planned = run.count("SIGKILLs", 200)
    with tempfile.TemporaryDirectory() as name, OpenAIServer(reply, latency=0.12) as server:
        folder = Path(name)
        suite = write_suite(folder, own_pairs(pairs), server.url)
        killed = run_with_kills(suite, folder / "killed", server, planned, seed=5)
        asked = Counter((call.query, call.body.get("seed")) for call in server.ledger.calls)
        hits = server.ledger.hits
        start(suite, folder / "killed").wait(timeout=300)
        again = server.ledger.hits - hits
        whole = start(suite, folder / "whole")
        whole.communicate(timeout=3000)
        same = comparable(folder / "killed") == comparable(folder / "whole")
    run.counts["SIGKILLs"] = killed  # the run may be done before
    run.zero("requests that were never made", 2 * pairs - len(asked))
    bought_twice = asked.total() - len(asked)
    run.most("requests made twice, per kill", bought_twice / max(1, killed), CONCURRENCY)
    run.zero("requests of the finished run, resumed once more", again)
    run.check(
        "summary of the killed run and of an uninterrupted one", "equal" if same else "differ",
        "equal", met=same,
    )  # fmt: skip
    run.notes.append(
        f"{asked.total():,} requests for {2 * pairs:,} prompts, {CONCURRENCY} at a time. "
        "Compared is `summary.json` without seconds and without what was spent: nobody knows what "
        "a request costs that was in flight when the process was killed."
    )


def interrupts(run: Run) -> None:
    """SIGINT and SIGTERM at random moments; every fourth time a SIGINT more."""
    heed_ctrl_c()
    n = run.count("signals", 100, least=4)
    rng = random.Random(8)
    first, second, statuses, lost, orphans = [0.0], [0.0], Counter[int](), 0, 0
    with tempfile.TemporaryDirectory() as name:
        for number in range(n):
            folder = Path(name) / str(number)
            folder.mkdir()
            out = folder / "run"
            # A server each: one that still answers the last run would pass for this one's.
            with OpenAIServer(reply, latency=0.3) as server:
                process = _at_work(write_suite(folder, own_pairs(400), server.url), out, server)
                time.sleep(rng.uniform(0, 0.5))
                answered = server.ledger.choices
                time.sleep(0.2)  # what was answered until here has arrived
                begun, took = time.monotonic(), first
                process.send_signal((signal.SIGINT, signal.SIGTERM)[number % 2])
                if number % 4 == 3:
                    time.sleep(0.05)
                    begun, took = time.monotonic(), second
                    process.send_signal(signal.SIGINT)
                process.communicate(timeout=120)
                took.append(time.monotonic() - begun)
                statuses[process.returncode] += 1
                lost += max(0, answered - _kept(out))
                orphans += _left(process.pid)
    run.most("longest way from the signal to the end", max(first), 1.0, " s")
    run.most("longest way from a second SIGINT to the end", max(second), 0.5, " s")
    found = ", ".join(f"{times} × {status}" for status, times in statuses.items())
    run.check("exit statuses", found, "130", met=set(statuses) == {130})
    run.zero("completions that had arrived and were lost", lost)
    run.zero("processes left", orphans)


def _at_work(suite: Path, out: Path, server: OpenAIServer) -> subprocess.Popen[bytes]:
    """A run in a session of its own that has an answer."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deemster", "run", str(suite), "--out", str(out)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "DEEMSTER_MODEL": ""},
    )  # fmt: skip
    while not server.ledger.answered:
        if process.poll() is not None:
            raise RuntimeError(f"the run ended before an answer: {process.communicate()[1]!r}")
        time.sleep(0.005)
    return process


def _kept(out: Path) -> int:
    """Completions in the run's directory; none where it went on to its end and removed them."""
    path = out / "completions.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM draws").fetchone()[0])


def _left(session: int) -> int:
    """Processes of a session."""
    left = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            left += stat.read_text("utf-8").rpartition(")")[2].split()[3] == str(session)
    return left


def disk_full(run: Run) -> None:
    """Runs on a disk that is too small, at many sizes."""
    n = run.count("sizes", 50, least=2)
    command = [sys.executable, "-m", "benchmarks.reliability.small_disk", str(n)]
    apart = ["unshare", "--map-root-user", "--mount"]
    mounts = subprocess.run([*apart, "true"], capture_output=True, check=False).returncode == 0
    done = subprocess.run(
        [*(apart if mounts else []), *command, *([] if mounts else ["--limit"])],
        capture_output=True, text=True, check=True, timeout=3600,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    full = [one for one in found if one["status"] != 0]
    run.share("runs without room that end with status 2 or 3", sum(
        one["status"] in (2, 3) for one in full), len(full), 100)  # fmt: skip
    run.share("of these: one clear line", sum(one["clear"] for one in full), len(full), 100)
    run.zero("tracebacks", sum(one["traceback"] for one in found))
    run.share("stores read afterwards", sum(one["readable"] for one in full), len(full), 100)
    run.share(
        "runs that went on with more room", sum(one["resumed"] for one in full), len(full), 100
    )
    what = "a tmpfs of that size" if mounts else "a limit on the size of files (RLIMIT_FSIZE)"
    run.notes.append(f"The disk is {what}; {len(full)} of {n} sizes were too small.")
    run.notes += sorted({f"Without room: `{one['said']}`" for one in full if not one["clear"]})[:3]
