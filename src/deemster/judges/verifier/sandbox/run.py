"""Starts sandboxed processes, waits for them within their limits, and reads what they leave."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

from deemster.errors import DeemsterError, FailureStatus
from deemster.judges.verifier.sandbox.limits import Limits

_TICK = 0.1
"""Seconds between looks at the disk use."""

# Not `-m`: the child must not import deemster, whose packages take longer than most tests.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from child.main import main; "
    "sys.path.pop(0); main(int(sys.argv[2]), int(sys.argv[3]))"
)


class SandboxError(DeemsterError):
    """The sandbox could not run the code; it says nothing about the code."""

    status: ClassVar[FailureStatus] = "api_error"


@dataclass(frozen=True)
class ProgramRun:
    """How a program ended.

    Attributes:
        exit_status: 0 for success, negative for the signal that killed it; None if it was
            stopped because of `stopped`.
        stdout: what it wrote, as UTF-8 with replacements.
        stderr: likewise, the last 2,000 characters.
        stopped: why it was stopped: which limit it broke; empty if it ended by itself.
    """

    exit_status: int | None
    stdout: str
    stderr: str
    stopped: str = ""


@dataclass(frozen=True)
class TestRun:
    """Outcome of tests: whether all passed, and what happened."""

    __test__: ClassVar[bool] = False  # not a test case, whatever pytest makes of the name

    passed: bool
    evidence: str


def run_program(source: str, *, stdin: str = "", limits: Limits | None = None) -> ProgramRun:
    """Run source code as a program.

    Raises:
        SandboxError: it could not be run in the sandbox.
    """
    limits = limits or Limits()
    with _Box(limits) as box:
        child = box.start({"role": "program", "source": source}, stdin=stdin)
        stopped = box.wait(child)
        box.check_started(child)
        stdout, stderr = _text(child.stdout), _text(child.stderr)
    status = child.process.returncode
    if not stopped and len(stdout.encode()) >= limits.file_bytes:
        stopped = f"it wrote more than {limits.file_bytes} bytes"
    return ProgramRun(None if stopped else status, stdout, stderr[-2000:], stopped)


def run_tests(
    source: str, test: str, *, entry_point: str, setup: str = "", limits: Limits | None = None
) -> TestRun:
    """Run tests against the functions that source code defines.

    The code and the tests run in two sandboxes; see `child/tester.py`. Arguments and results
    are copied between them, so a function that works by changing its arguments has no effect.

    Args:
        source: the code under test.
        test: statements that raise where the code is wrong. Where it defines `check`, that is
            called with the entry point.
        entry_point: the function under test, also known to the tests as `candidate`; empty if
            the tests call several functions by their names.
        setup: trusted definitions that the tests need.
        limits: for each of the two processes; the time is for both together.

    Raises:
        SandboxError: the tests could not be run in the sandbox.
    """
    limits = limits or Limits()
    job: dict[str, Any] = {"test": test, "entry_point": entry_point, "setup": setup}
    with _Box(limits) as box:
        asks_read, asks = box.pipe()
        answers_read, answers = box.pipe()
        outcome = box.file()
        solution = box.start(
            {"role": "functions", "source": source}, fds={"asks": asks_read, "answers": answers}
        )
        fds = {"asks": asks, "answers": answers_read, "outcome": outcome.fileno()}
        tester = box.start({"role": "tester", **job}, fds=fds)
        box.close_pipes()  # else no end would ever see the other end close
        stopped = box.wait(tester)
        box.check_started(tester, solution)
        if stopped:
            return TestRun(passed=False, evidence=stopped)
        written = _text(outcome)
    if not written:
        raise SandboxError(f"the tests ended with status {tester.process.returncode}")
    result = json.loads(written)
    if result["passed"] is None:
        raise SandboxError(result["evidence"])
    return TestRun(passed=result["passed"], evidence=result["evidence"])


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    status: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    lifeline: int
    """Read end of a pipe whose other end only the child has: it closes when the child ends."""


@dataclass
class _Box:
    """A directory and the processes that work in it; leaving the context ends and removes all."""

    limits: Limits
    _stack: ExitStack = field(default_factory=ExitStack)
    _children: list[_Child] = field(default_factory=list)
    _pipes: list[int] = field(default_factory=list)
    _started: float = 0.0

    def __enter__(self) -> _Box:
        # Real path: where /tmp is a link, the guard would take its own directory for another.
        self._stack.__enter__()
        self.workdir = self._stack.enter_context(_workdir())
        self._stack.callback(self.close_pipes)
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._stack.close()

    def file(self) -> IO[bytes]:
        """A file without a name."""
        return self._stack.enter_context(tempfile.TemporaryFile())

    def pipe(self) -> tuple[int, int]:
        """A pipe between two children, (read end, write end)."""
        ends = os.pipe()
        self._pipes += ends
        return ends

    def close_pipes(self) -> None:
        """Close this process's copies of the ends of `pipe`s."""
        while self._pipes:
            os.close(self._pipes.pop())

    def start(
        self, job: dict[str, Any], *, fds: dict[str, int] | None = None, stdin: str | None = None
    ) -> _Child:
        """Start a process for a job; `fds` it inherits under their numbers."""
        if not sys.executable:
            raise SandboxError("this Python does not know its own path, so it cannot start another")
        fds = fds or {}
        confinement = self.limits.confinement(workdir=self.workdir, parent=os.getpid())
        job_file, status = self.file(), self.file()
        job_file.write(json.dumps(job | {"confine": confinement, "fds": fds}).encode())
        job_file.seek(0)
        feed: IO[bytes] | int = subprocess.DEVNULL
        out: IO[bytes] | int = subprocess.DEVNULL
        stdout, stderr = self.file(), self.file()
        if stdin is not None:
            feed, out = self.file(), stdout
            feed.write(stdin.encode(errors="replace"))
            feed.seek(0)
        lifeline, held = os.pipe()
        self._stack.callback(os.close, lifeline)
        options = ["-s", "-P", "-B", "-X", "utf8", *([] if self.limits.packages else ["-S"])]
        passed = [job_file.fileno(), status.fileno()]
        command = [sys.executable, *options, "-c", _BOOT, str(Path(__file__).parent)]
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [*command, *map(str, passed)],
                stdin=feed,
                stdout=out,
                stderr=out if out == subprocess.DEVNULL else stderr,
                cwd=self.workdir,
                env=_environment(self.workdir),
                pass_fds=[*passed, held, *fds.values()],
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"no process could be started: {error}") from error
        finally:
            os.close(held)
        child = _Child(process, status, stdout, stderr, lifeline)
        self._children.append(child)
        return child

    def wait(self, child: _Child) -> str:
        """Wait for a child, then end all; returns which limit was broken, or nothing."""
        deadline = self._started + self.limits.seconds
        stopped = ""
        with selectors.DefaultSelector() as selector:
            selector.register(child.lifeline, selectors.EVENT_READ)
            while not stopped and not selector.select(_TICK):
                stopped = self._broken_limit(deadline)
        while not stopped and child.process.poll() is None:  # it closed its lifeline, or is ending
            time.sleep(0.001)
            stopped = self._broken_limit(deadline)
        stopped = stopped or self._broken_limit(deadline)
        self._end()
        return stopped

    def check_started(self, *children: _Child) -> None:
        """Fail unless every child reached the point at which untrusted code may run."""
        for child in children:
            status = _text(child.status)
            if status != "ready":
                remedy = "; Limits(strict=False) runs it with less isolation" if status else ""
                why = status or f"not started (status {child.process.returncode})"
                raise SandboxError(f"{why}{remedy}")

    def _broken_limit(self, deadline: float) -> str:
        limits = self.limits
        if time.monotonic() > deadline:
            return f"it ran longer than {limits.seconds:g} s"
        count = size = 0
        with os.scandir(self.workdir) as entries:
            for entry in entries:
                count += 1
                if count > limits.files:
                    return f"it made more than {limits.files} files"
                size += _size(entry)
        return f"its files are larger than {limits.disk_bytes} bytes" * (size > limits.disk_bytes)

    def _end(self) -> None:
        for child in self._children:
            if child.process.returncode is None:
                # The group: where the kernel bars nothing, it may have children.
                try:
                    os.killpg(child.process.pid, 9)
                except ProcessLookupError:
                    pass
                child.process.wait()


@contextmanager
def _workdir() -> Iterator[str]:
    path = Path(tempfile.mkdtemp(prefix="deemster-")).resolve()
    try:
        yield str(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _environment(workdir: str) -> dict[str, str]:
    # Fixed hashes: the order of a set of strings is the same in every run.
    return {
        "HOME": workdir,
        "TMPDIR": workdir,
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # removed since
        return 0


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
