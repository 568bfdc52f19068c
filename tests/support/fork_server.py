"""Processes of the command line that need not import everything anew.

A server imports once what commands import, which is most of what a short one costs, and forks for
each call. The call has a process, a folder, an environment and files of its own, as always.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_CLIENT = Path(__file__).with_name("fork_client.py")
_ROOT = Path(__file__).parents[2]
_IMPORTED = (
    "deemster.cli.app",
    "deemster.cli.summary",
    "deemster.suites.loading",
    "deemster.suites.runner",
    "deemster.reports.html",
    "deemster.dialects.grm",
    "deemster.judges.grm",
    "deemster.judges.verifier",
    "deemster.backends.nano",
    "deemster.backends._local.work",
    "deemster.backends._local.loading",
    "deemster.backends._local.plain_llama",
    "deemster.backends._local.reward_model",
    "jsonschema",
    "matplotlib.backends.backend_svg",
    "sklearn.feature_extraction.text",
    "sklearn.feature_selection",
    "transformers.modeling_layers",
    "scipy.stats",
    "statsmodels.stats.contingency_tables",
)
"""What the commands of the docs import: a run with the embedded model, and its report."""


@contextlib.contextmanager
def command_line() -> Iterator[str]:
    """What a shell has to call in the place of `deemster`."""
    if sys.platform != "linux":  # elsewhere a fork may not go on with all that is imported
        yield f"{shlex.quote(sys.executable)} -m deemster"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        with subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", path],
            cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield shlex.join([sys.executable, "-I", "-S", str(_CLIENT), path])
            process.communicate(timeout=60)


def next_call(path: str) -> bool:
    """Serve until stdin ends (False); a fork returns True and is the process of a call."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)  # noqa: T201
        children = 0
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    become(connection)
                    return True
            children += 1
    for _ in range(children):  # their processor time is this server's, too
        os.wait()
    return False


def become(connection: socket.socket) -> None:
    """Return in the process of the call; wait for it in this one, and tell its status."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    text = b"".join(iter(lambda: connection.recv(65536), b""))
    if child := os.fork():
        for file in (0, 1, 2, *files):
            os.close(file)  # a pipe ends with the call
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(str(status if status >= 0 else 128 - status).encode())
        os._exit(0)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    call = json.loads(text)
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    sys.argv[1:] = call["arguments"]
    sys.path[0] = call["folder"]


if __name__ == "__main__":
    for module in _IMPORTED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    if next_call(sys.argv[1]):
        runpy.run_module("deemster", run_name="__main__", alter_sys=True)
