"""Runs the clients, each round all of them, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.api_backend import server
from benchmarks.peers.environments import (
    CACHE,
    NotInstalledError,
    environment,
    megabytes,
)
from benchmarks.peers.registry import PEERS, Peer

ROOT = Path(__file__).parents[2]
Figures = dict[str, float]


class FailedRunError(Exception):
    """A client printed no figures, or did not get every verdict; says why."""


def run_client(
    peer: Peer, python: Path, url: str, *, concurrency: int, requests: int, seconds: float = 600.0
) -> Figures:
    """The figures of one process of a client.

    Args:
        peer: the client.
        python: of its environment.
        url: of the server.
        concurrency: most requests in flight.
        requests: that are timed, after one and `concurrency` more.
        seconds: after which it is ended.

    Raises:
        FailedRunError: it ended with an error, took too long, or verdicts are missing.
    """
    command = [
        str(python), str(peer.script), url,
        "--concurrency", str(concurrency), "--requests", str(requests),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command, cwd=folder, env=_environ(peer, folder), capture_output=True, text=True,
                timeout=seconds, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise FailedRunError(f"did not end within {seconds:g} s") from None
    lines = done.stdout.strip().splitlines()
    try:
        figures: Figures = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["said nothing"]
        reason = " ".join(said[-1].split())[:200]
        raise FailedRunError(f"exit status {done.returncode}: {reason}") from None
    if figures["valid"] != requests or figures["first"] != 1:
        raise FailedRunError(f"{figures['valid']} of {requests} verdicts arrived")
    return figures


def _environ(peer: Peer, folder: str) -> dict[str, str]:
    """Settings of the user do not reach a client; what it writes is thrown away."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    paths = {} if peer.requirements else {"PYTHONPATH": str(ROOT / "src")}
    return {
        **kept, **paths, "HOME": folder, "OPENAI_API_KEY": "key", "OMP_NUM_THREADS": "1",
        # Prices come with the package: nothing is fetched.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        **peer.environ,
    }  # fmt: skip


def _python(peer: Peer, cache: Path) -> Path:
    if not peer.requirements:
        return Path(sys.executable)
    return environment(peer.client, peer.requirements, cache=cache)


def main(
    *,
    latency: float = 0.2,
    concurrency: int = 200,
    requests: int = 400,
    rounds: int = 5,
    at_once: int = 1,
    peers: Sequence[Peer] = PEERS,
    cache: Path = CACHE,
    tell: Callable[[str], object] = lambda text: print(text, file=sys.stderr),
) -> dict[str, Any]:
    """Measure all clients.

    Args:
        latency: seconds before the server answers.
        concurrency: most requests of a client in flight.
        requests: that are timed in a round.
        rounds: of all clients.
        at_once: clients that run at a time; more than one where only CPU time is asked for.
        peers: the clients.
        cache: the folder of their environments.
        tell: takes lines of progress.

    Returns:
        The setting, and by client what it is, the figures of each round, or why there are none.
    """
    found: dict[str, dict[str, Any]] = {
        peer.name: {"requirements": [*peer.requirements], "does": peer.does, "rounds": []}
        for peer in peers
    }
    pythons: dict[str, Path] = {}
    for peer in peers:
        tell(f"{peer.name}: environment")
        try:
            pythons[peer.name] = _python(peer, cache)
        except NotInstalledError as error:
            found[peer.name]["failed"] = f"not installed: {error}"
    with ExitStack() as stack:
        texts = sorted({peer.reply for peer in peers})
        urls = {text: stack.enter_context(server(latency, text)) for text in texts}
        # Before the first round a trial that is not counted: it compiles what a client imports.
        for number in range(rounds + 1):
            title = f"round {number} of {rounds}" if number else "trial"
            counts = {
                "concurrency": concurrency if number else 1,
                "requests": requests if number else 1,
            }

            def run(peer: Peer, title: str = title, counts: dict[str, int] = counts) -> None:
                one = found[peer.name]
                if "failed" in one:
                    return
                tell(f"{peer.name}: {title}")
                try:
                    figures = run_client(peer, pythons[peer.name], urls[peer.reply], **counts)
                except FailedRunError as error:
                    one["failed"] = f"{title}: {error}"
                    return
                if title != "trial":
                    one["rounds"].append({key: round(value, 4) for key, value in figures.items()})

            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(run, peers))
    for peer in peers:
        if peer.requirements and peer.name in pythons:
            found[peer.name]["environment_mb"] = megabytes(pythons[peer.name])
    setting = {
        "latency_s": latency, "concurrency": concurrency, "requests": requests, "rounds": rounds,
        "at_once": at_once,
    }  # fmt: skip
    return {"setting": setting, "clients": found}
