"""The first code of a sandboxed process: read the job, give up all rights, run it."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from . import maths, schema, solution, tester
from .confine import ConfineError, confine

_REMEDY: dict[type[Exception], str] = {
    ConfineError: "no isolation by the kernel: {}; Limits(strict=False) runs with less",
}


def main(job_fd: int, status_fd: int) -> None:
    """Do the job on `job_fd`.

    `status_fd` gets "ready", or why it cannot be done, and is closed before any untrusted code
    runs, so that such code can neither claim that it never ran nor that all is well.
    """
    workers: dict[str, Any] = {"maths": maths, "schema": schema}
    with os.fdopen(job_fd) as file:
        job: dict[str, Any] = json.load(file)
    try:
        work = workers[job["role"]].load() if job["role"] in workers else None
        confine(**job["confine"])
    except (ConfineError, ImportError, OSError, ValueError) as error:
        os.write(status_fd, _REMEDY.get(type(error), "{}").format(error).encode())
        os._exit(1)
    os.write(status_fd, b"ready")
    os.close(status_fd)
    sys.argv = ["solution.py"]
    fds = job["fds"]
    if work is not None:
        workers[job["role"]].serve(work, asks=fds["asks"], answers=fds["answers"])
    elif job["role"] == "tester":
        tester.run_tests(job, asks=fds["asks"], answers=fds["answers"], outcome=fds["outcome"])
    elif job["role"] == "functions":
        solution.serve(job["source"], asks=fds["asks"], answers=fds["answers"])
    else:
        solution.run_program(job["source"])
