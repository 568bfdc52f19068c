"""Sandboxed processes and the directory they share: starting, waiting, ending, removing."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from deemster.errors import DeemsterError, FailureStatus
from deemster.judges.verifier.sandbox.limits import Limits

_TICK = 0.1
"""Seconds between checks of the disk use."""

# Not `-m`: the child must not import deemster, whose packages take longer than most tests.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from child.main import main; "
    "sys.path.pop(0); main(int(sys.argv[2]), int(sys.argv[3]))"
)


class SandboxError(DeemsterError):
    """The sandbox could not run the code; it says nothing about the code."""

    status: ClassVar[FailureStatus] = "api_error"


@dataclass(frozen=True)
class Child:
    """A started process and the nameless files it writes to."""

    process: subprocess.Popen[bytes]
    status: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    lifeline: int
    """Read end of a pipe whose other end only the child has: it closes when the child ends."""

    def why_not_started(self) -> str:
        """Why no untrusted code ran, or nothing."""
        status = text_of(self.status)
        return "" if status == "ready" else status or "it ended before it was confined"


class Box:
    """A directory and the processes that work in it; closing ends and removes all of them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.workdir = ""
        self._stack = ExitStack()
        self._children: list[Child] = []
        self._fds: set[int] = set()
        self._own: set[int] = set()
        self._deadline = 0.0
        self._cancelled = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Make the directory; the time limit starts now."""
        # Real path: if the directory for temporary files is a link, the guard would mistake its
        # own directory for another.
        path = Path(tempfile.mkdtemp(prefix="deemster-")).resolve()
        self.workdir = str(path)
        self._stack.callback(shutil.rmtree, path, ignore_errors=True)
        self._stack.callback(lambda: self.close_fds(*self._fds))
        self._deadline = time.monotonic() + self.limits.seconds

    def close(self) -> None:
        """End every process, close every file, remove the directory."""
        self.end()
        self._stack.close()

    def cancel(self) -> None:
        """End every process from another thread; who waits for one gets an error."""
        self._cancelled = True
        self.end()

    def file(self) -> IO[bytes]:
        """A file without a name."""
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the next line closes it
        self._stack.callback(file.close)
        self._own.add(os.fstat(file.fileno()).st_ino)
        return file

    def pipe(self) -> tuple[int, int]:
        """A pipe, (read end, write end); children get the ends that are named when they start."""
        ends = os.pipe()
        self._fds.update(ends)
        return ends

    def close_fds(self, *fds: int) -> None:
        """Close this process's copies of the pipes' ends, or no end would see the other close."""
        for fd in fds:
            os.close(fd)
        self._fds.difference_update(fds)

    def start(
        self, job: dict[str, Any], *, fds: dict[str, int] | None = None, stdin: str | None = None
    ) -> Child:
        """Start a process for a job.

        Args:
            job: what `child/main.py` reads.
            fds: descriptors it inherits, under their numbers.
            stdin: what it reads; None for nothing, and its output is thrown away.

        Raises:
            SandboxError: no process can be started.
        """
        self._check_cancelled()
        if not sys.executable:
            raise SandboxError("this Python does not know its own path, so it cannot start another")
        fds = fds or {}
        job_file, status, stdout, stderr = (self.file() for _ in range(4))
        confine = self.limits.confinement(workdir=self.workdir, parent=os.getpid())
        job_file.write(json.dumps(job | {"confine": confine, "fds": fds}).encode())
        job_file.seek(0)
        feed: IO[bytes] | int = subprocess.DEVNULL
        if stdin is not None:
            feed = self.file()
            feed.write(stdin.encode(errors="replace"))
            feed.seek(0)
        lifeline, held = self.pipe()
        inherited = [job_file.fileno(), status.fileno()]
        options = ["-s", "-P", "-X", "utf8", *([] if self.limits.packages else ["-S"])]
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, *options, "-c", _BOOT, str(Path(__file__).parent)]
                + [str(fd) for fd in inherited],
                stdin=feed,
                stdout=subprocess.DEVNULL if stdin is None else stdout,
                stderr=subprocess.DEVNULL if stdin is None else stderr,
                cwd=self.workdir,
                env=_environment(self.workdir),
                pass_fds=[*inherited, held, *fds.values()],
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"no process could be started: {error}") from error
        finally:
            self.close_fds(held)
        child = Child(process, status, stdout, stderr, lifeline)
        self._children.append(child)
        self._check_cancelled()  # just now
        return child

    def wait(self, child: Child) -> str:
        """Wait for a child, then end all; returns which limit was broken, or nothing."""
        stopped = ""
        with selectors.DefaultSelector() as selector:
            selector.register(child.lifeline, selectors.EVENT_READ)
            while not stopped and not selector.select(_TICK):
                stopped = self._broken_limit()
        while not stopped and child.process.poll() is None:  # it is ending, or closed its lifeline
            time.sleep(0.001)
            stopped = self._broken_limit()
        stopped = stopped or self._broken_limit()
        self.end()
        self._check_cancelled()
        return stopped

    def _check_cancelled(self) -> None:
        if self._cancelled:
            raise SandboxError("it was ended before it was decided")

    def end(self) -> None:
        """End every process."""
        for child in self._children:
            if child.process.poll() is None:
                # The group: without the kernel's isolation it may have children.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, 9)
                child.process.wait()

    def _broken_limit(self) -> str:
        limits = self.limits
        if time.monotonic() > self._deadline:
            return f"it ran longer than {limits.seconds:g} s"
        count = size = 0
        with os.scandir(self.workdir) as entries:
            for entry in entries:
                count += 1
                if count > limits.files:
                    return f"it made more than {limits.files} files"
                with contextlib.suppress(OSError):  # removed since
                    size += entry.stat(follow_symlinks=False).st_size
        size += sum(self._nameless(child) for child in self._children)
        if size > limits.disk_bytes:
            return f"its files are larger than {limits.disk_bytes} bytes"
        return ""

    def _nameless(self, child: Child) -> int:
        """Bytes, at most, of the files without a name that a process has open or mapped (Linux)."""
        if child.process.poll() is not None:
            return 0
        about = Path(f"/proc/{child.process.pid}")
        size = 0
        try:
            opened = list(Path(about, "fd").iterdir())
            mapped = Path(about, "maps").read_text(errors="replace").splitlines()
        except OSError:  # it has ended
            return 0
        for fd in opened:
            with contextlib.suppress(OSError):  # closed since
                file = fd.stat()
                nameless = stat.S_ISREG(file.st_mode) and not file.st_nlink
                size += file.st_size * (nameless and file.st_ino not in self._own)
        removed = {line.split(maxsplit=5)[4] for line in mapped
                   if line.endswith(" (deleted)") and self.workdir in line}  # fmt: skip
        return size + len(removed) * self.limits.file_bytes


class Boxes:
    """The boxes that are open for a check, so that all can be ended at once. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Box] = set()

    @contextlib.contextmanager
    def box(self, limits: Limits) -> Iterator[Box]:
        """A new box, open inside."""
        box = Box(limits)
        with self._lock:
            self._open.add(box)
        try:
            with box:
                yield box
        finally:
            with self._lock:
                self._open.discard(box)

    def cancel(self) -> None:
        """See `Box.cancel`."""
        with self._lock:
            boxes = list(self._open)
        for box in boxes:
            box.cancel()


def text_of(file: IO[bytes]) -> str:
    """All of a file, as UTF-8 with replacements."""
    file.seek(0)
    return file.read().decode(errors="replace")


def _environment(workdir: str) -> dict[str, str]:
    # Fixed hashes: the order of a set of strings is the same in every run.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {"HOME": workdir, "TMPDIR": workdir, "PYTHONHASHSEED": "0"} | threads
