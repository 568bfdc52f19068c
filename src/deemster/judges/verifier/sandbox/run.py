"""Runs programs, and tests of functions, in the sandbox."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from deemster.judges.verifier.sandbox.box import Boxes, Child, SandboxError, text_of
from deemster.judges.verifier.sandbox.limits import Limits


@dataclass(frozen=True)
class ProgramRun:
    """How a program ended.

    Attributes:
        exit_status: 0 for success, negative for the signal that killed it; None if it was
            stopped because of `stopped`.
        stdout: what it wrote, as UTF-8 with replacements.
        stderr: likewise, the last 2,000 characters.
        stopped: which limit it broke; empty if it ended by itself.
    """

    exit_status: int | None
    stdout: str
    stderr: str
    stopped: str = ""


@dataclass(frozen=True)
class TestRun:
    """Result of tests: whether all passed, and what happened."""

    __test__: ClassVar[bool] = False  # not a test case, despite its name

    passed: bool
    evidence: str


def run_program(
    source: str, *, stdin: str = "", limits: Limits | None = None, boxes: Boxes | None = None
) -> ProgramRun:
    """Run source code as a program.

    Args:
        source: the program.
        stdin: what it reads.
        limits: what it may use.
        boxes: who can end it.

    Raises:
        SandboxError: it could not be run in the sandbox.
    """
    limits = limits or Limits()
    with (boxes or Boxes()).box(limits) as box:
        child = box.start({"role": "program", "source": source}, stdin=stdin)
        stopped = box.wait(child)
        _check_started(child)
        stdout, stderr = text_of(child.stdout), text_of(child.stderr)
    if not stopped and len(stdout.encode()) >= limits.file_bytes:
        stopped = f"it wrote more than {limits.file_bytes} bytes"
    status = None if stopped else child.process.returncode
    if status == 1 and (why := _barred(stderr[-4000:], limits)):
        raise SandboxError(why)
    return ProgramRun(status, stdout, stderr[-2000:], stopped)


def run_tests(
    source: str,
    test: str,
    *,
    entry_point: str,
    setup: str = "",
    limits: Limits | None = None,
    boxes: Boxes | None = None,
) -> TestRun:
    """Run tests against the functions that source code defines.

    The code and the tests run in two sandboxes; see `child/tester.py`. Arguments and results
    are copied between them, so a function that works by changing its arguments has no effect:
    such tests, and others that look at what was lost, could not be run.

    Args:
        source: the code under test.
        test: statements that raise if the code is wrong. If they define `check`, that is
            called with the entry point.
        entry_point: the function under test, also known to the tests as `candidate`; empty if
            the tests call several functions by their names.
        setup: trusted definitions that the tests need.
        limits: for each of the two processes; the time is for both together.
        boxes: who can end them.

    Raises:
        SandboxError: the tests could not be run in the sandbox.
    """
    reaches = _reaches(source, test)
    job: dict[str, Any] = {
        "test": test, "entry_point": entry_point, "setup": setup, "reaches": reaches,
    }  # fmt: skip
    with (boxes or Boxes()).box(limits or Limits()) as box:
        asks_read, asks = box.pipe()
        answers_read, answers = box.pipe()
        outcome = box.file()
        fds = {"asks": asks_read, "answers": answers}
        solution = box.start({"role": "functions", "source": source}, fds=fds)
        fds = {"asks": asks, "answers": answers_read, "outcome": outcome.fileno()}
        tester = box.start({"role": "tester", **job}, fds=fds)
        box.close_fds(asks_read, asks, answers_read, answers)
        stopped = box.wait(tester)
        _check_started(tester, solution)
        written = text_of(outcome)
    if stopped:
        return TestRun(passed=False, evidence=stopped)
    if not written:
        raise SandboxError(f"the tests ended with status {tester.process.returncode}")
    run = _outcome(written)
    if not run.passed and (why := _missing(run.evidence, box.limits)):
        raise SandboxError(why)
    return run


_SHARED = (
    (r"\bpatch\b|\bmonkeypatch\b", r""),
    (r"\.__(?:doc|annotations|defaults|code|closure|wrapped)__", r""),
    (r"\bseed\(", r"\brandom\b"),
    (r"\bstdin\b|\binput\b", r"\bstdin\b|\binput\("),
    (r"\bargv\b", r"\bargv\b"),
    (r"\benviron\b|\bputenv\b", r"\benviron\b|\bgetenv\b"),
)
"""What tests can set or look at in a process (a pattern for them), and code that depends on it."""


def _reaches(source: str, test: str) -> str:
    """What of the tests may not reach the code, so that they may fail for that; or nothing."""
    for in_test, in_source in _SHARED:
        if (found := re.search(in_test, test)) and re.search(in_source, source):
            return f"the tests use {found[0]!r}, which does not reach the code"
    return ""


def _missing(evidence: str, limits: Limits) -> str:
    """Which installed package the code was not allowed to import, or nothing."""
    found = re.search(r"ModuleNotFoundError: No module named '(\w+)", evidence)
    if not found or limits.packages or find_spec(found[1]) is None:
        return ""
    return f"it imports {found[1]}, which Limits(packages=True) allows"


def _barred(stderr: str, limits: Limits) -> str:
    """Which bar of the sandbox ended a program that may be right, or nothing."""
    if "RuntimeError: can't start new thread" in stderr and not limits.threads:
        return "it starts threads, which Limits(threads=True) allows"
    if "OSError: [Errno 38]" in stderr and "/asyncio/" in stderr:
        return "it runs an event loop, which the sandbox bars"
    return _missing(stderr, limits)


def _outcome(written: str) -> TestRun:
    """What the tester wrote, whose file the tests can write to as well.

    Raises:
        SandboxError: the tests could not be run, or it is not what a tester writes.
    """
    try:
        match json.loads(written):
            case {"passed": bool() as passed, "evidence": str() as evidence}:
                return TestRun(passed=passed, evidence=evidence)
            case {"passed": None, "evidence": str() as evidence}:
                raise SandboxError(evidence)
    except (ValueError, RecursionError):
        pass
    raise SandboxError("the tests wrote into their own result")


def _check_started(*children: Child) -> None:
    for child in children:
        if why := child.why_not_started():
            raise SandboxError(why)
