"""The command line in the tests' process."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from unittest import mock

import pytest

from deemster.cli import app, main
from deemster.cli.statuses import INTERRUPTED


def heed_ctrl_c() -> None:
    """Let this process, and those it starts, end at SIGINT, which background jobs ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def leave(say: Callable[[], object]) -> NoReturn:
    """End an interrupted command, but not the tests' process."""
    say()
    sys.exit(INTERRUPTED)


def deemster(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Done:
    """Run `main` as the installed script calls it."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"COLUMNS": "100", "DEEMSTER_MODEL": "", **(env or {})}
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(app, "leave", leave),
        mock.patch.object(sys, "argv", ["deemster", *arguments]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as exit_,
    ):
        main()
    assert isinstance(exit_.value.code, int)
    return Done(exit_.value.code, out.getvalue(), err.getvalue())


def one_line(done: Done | subprocess.CompletedProcess[str]) -> str:
    """What a refused command said: one line and nothing else, exit status 2."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]
