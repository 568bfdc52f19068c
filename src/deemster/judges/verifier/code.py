"""Code in responses, run against tests in a sandbox (see `sandbox`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding, need_reference, shorten
from deemster.judges.verifier.sandbox import Boxes, Limits, SandboxError, run_program, run_tests

# As in CommonMark: what follows the back-ticks on their line has none itself.
_FENCE = re.compile(r"(?P<fence>`{3,}+(?=[^`]*$)|~{3,}+)[ \t]*(?P<language>[\w+.-]*)")
_PYTHON = ("", "python", "python3", "py", "py3")


def extract_code(response: str, *, entry_point: str = "") -> str:
    """The Python code of a response.

    Of its Markdown blocks (of Python or of no language) the last that defines the entry point,
    else the last; without blocks the response itself. A block that is never closed reaches to
    the end.
    """
    found = [code for language, code in _blocks(response) if language.lower() in _PYTHON]
    if not found:
        return response
    defining = [code for code in found if entry_point and defines(code, entry_point)]
    return (defining or found)[-1]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of the fenced blocks of a Markdown text, in one pass over its lines."""
    opened: re.Match[str] | None = None
    inside: list[str] = []
    for line in text.split("\n"):
        if opened is None:
            opened, inside = _FENCE.match(line), []
        elif _closes(opened["fence"], line):
            yield opened["language"], "".join(inside)
            opened = None
        else:
            inside.append(f"{line}\n")
    if opened is not None and inside:
        yield opened["language"], "".join(inside)[:-1]  # the text's last line has no line feed


def _closes(fence: str, line: str) -> bool:
    return line.startswith(fence) and not line.rstrip().strip(fence[0])


def defines(code: str, name: str) -> bool:
    """Whether an unindented line of the code defines or assigns a name."""
    line = rf"^(?:(?:async\s+)?def|class)\s+{re.escape(name)}\b|^{re.escape(name)}\s*="
    return re.search(line, code, re.MULTILINE) is not None


def complete(prompt: str, code: str, *, entry_point: str) -> str:
    """The program that a prompt and a response make.

    Code that defines the entry point is run after the prompt, whose imports and helpers it may
    use; other code continues where the prompt ends. If its first line has lost its
    indentation (texts get stripped), it gets back four spaces.
    """
    if not prompt or not entry_point or defines(code, entry_point):
        return f"{closed(prompt)}\n{code}" if prompt else code
    code = code.strip("\n")
    if code[:1].strip() and prompt.rstrip(" ").endswith("\n"):
        code = "    " + code
    return prompt + code


def closed(prompt: str) -> str:
    """The prompt as complete code: one that ends in an open function gets an empty body.

    Raises:
        InputError: it is not the beginning of any Python code.
    """
    for ending in ("", "\n    pass\n", "pass\n"):
        if _compiles(prompt + ending):
            return prompt + ending
    raise InputError(f"prompt is not Python: {shorten(prompt, 80)!r}; give whole lines of code")


def _compiles(source: str) -> bool:
    try:
        compile(source, "source", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class FunctionTests:
    """The functions that the response defines pass tests, as in HumanEval or MBPP.

    The tests run apart from the code and see it through calls that carry plain data only, so
    code that ends the process, overwrites the tests or returns a value equal to everything fails.
    Functions that work by changing their arguments, or whose arguments or results are not plain
    data, cannot be tested this way, and give no score; see docs/sandbox.md.

    Attributes:
        test: statements that raise if the code is wrong; if they define `check`, that is
            called with the entry point. None: the reference is the test.
        entry_point: the function under test; empty if the tests name the functions they call.
        prompt: code that precedes the response's; its helpers are known to the tests.
        limits: what each run may use.
    """

    test: str | None = None
    entry_point: str = ""
    prompt: str = ""
    limits: Limits = field(default_factory=Limits)
    _boxes: Boxes = field(default_factory=Boxes, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _compiles(self.test or ""):
            raise InputError(f"test is not Python: {shorten(self.test or '', 80)!r}")
        closed(self.prompt)

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"code passes the tests of {self.entry_point}" if self.entry_point else "code tests"

    def run(self, query: str, response: str, reference: str | None) -> Finding:  # noqa: ARG002
        """See `Check.run`."""
        test = need_reference(self, reference) if self.test is None else self.test
        code = extract_code(response, entry_point=self.entry_point)
        program = complete(self.prompt, code, entry_point=self.entry_point)
        try:
            run = run_tests(
                program,
                test,
                entry_point=self.entry_point,
                setup=closed(self.prompt),
                limits=self.limits,
                boxes=self._boxes,
            )
        except SandboxError as error:
            return Finding(None, str(error), status=error.status)
        return Finding.of(run.passed, run.evidence)

    def close(self) -> None:
        """End what runs."""
        self._boxes.cancel()


@dataclass(frozen=True)
class ProgramTests:
    """The program in the response prints what is asked for, for each input.

    Outputs are compared line by line, without white space at the ends of lines and of the text.
    A program that ends with a status other than 0 fails the case.

    Attributes:
        cases: (standard input, wanted standard output), 1 or more.
        partial: score the share of cases that passed, not only all of them.
        limits: what each run (one per case) may use.
    """

    cases: tuple[tuple[str, str], ...]
    partial: bool = False
    limits: Limits = field(default_factory=Limits)
    _boxes: Boxes = field(default_factory=Boxes, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.cases or not all(len(case) == 2 for case in self.cases):
            raise InputError(f"cases must be 1 or more (input, output), got {self.cases!r:.80}")

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"program passes {len(self.cases)} cases"

    def run(self, query: str, response: str, reference: str | None) -> Finding:  # noqa: ARG002
        """See `Check.run`. Stops at the first case that fails unless `partial`."""
        source = extract_code(response)
        passed = 0
        why = "all cases passed"
        for i, (stdin, wanted) in enumerate(self.cases, start=1):
            try:
                problem = self._problem(source, stdin, wanted)
            except SandboxError as error:
                return Finding(None, str(error), status=error.status)
            passed += not problem
            if problem and why == "all cases passed":
                why = f"case {i}: {problem}"
            if problem and not self.partial:
                return Finding(0.0, why)
        return Finding(passed / len(self.cases), why)

    def close(self) -> None:
        """End what runs."""
        self._boxes.cancel()

    def _problem(self, source: str, stdin: str, wanted: str) -> str:
        run = run_program(source, stdin=stdin, limits=self.limits, boxes=self._boxes)
        if run.stopped:
            return run.stopped
        if run.exit_status != 0:
            last = run.stderr.strip().splitlines()[-1:] or [""]
            return f"it ended with status {run.exit_status}: {shorten(last[0], 200)}"
        if _lines(run.stdout) != _lines(wanted):
            return f"printed {shorten(run.stdout, 150)!r}, wanted {shorten(wanted, 150)!r}"
        return ""


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
