"""Runs untrusted code: see `child/confine.py` for what is guaranteed where."""

from deemster.judges.verifier.sandbox.box import Boxes, SandboxError
from deemster.judges.verifier.sandbox.limits import Limits
from deemster.judges.verifier.sandbox.run import ProgramRun, TestRun, run_program, run_tests

__all__ = ["Boxes", "Limits", "ProgramRun", "SandboxError", "TestRun", "run_program", "run_tests"]
