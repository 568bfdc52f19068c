"""Code in responses: extraction, completion, tests; HumanEval and its mutants."""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deemster.errors import InputError
from deemster.judges.verifier import Finding, FunctionTests, Limits, ProgramTests
from deemster.judges.verifier.code import complete, extract_code
from deemster.judges.verifier.sandbox import SandboxError, run_program

DATA = Path(__file__).parents[3].parent / "shared/data/verifiable"


def _why_not() -> str:
    try:
        run_program("pass")
    except SandboxError as error:
        return str(error)
    return ""


WHY_NOT = _why_not()
sandboxed = pytest.mark.skipif(bool(WHY_NOT), reason=f"no sandbox here: {WHY_NOT}")


@pytest.mark.parametrize(
    ("response", "code"),
    [
        pytest.param("x = 1", "x = 1", id="bare"),
        pytest.param("Try:\n```python\nx = 1\n```\nDone.", "x = 1\n", id="fenced"),
        pytest.param("```\nx = 1\n```", "x = 1\n", id="no-language"),
        pytest.param("```bash\nls\n```\n```py\nx = 1\n```", "x = 1\n", id="other-language"),
        pytest.param("```python\nx = 1", "x = 1", id="never-closed"),
        pytest.param("~~~\nx = 1\n~~~", "x = 1\n", id="tildes"),
        pytest.param(
            "```python\ndef f(): pass\n```\nUse:\n```python\nprint(f())\n```",
            "def f(): pass\n",
            id="usage-after-it",
        ),
        pytest.param(
            "```python\ndef f(): return 1\n```\nBetter:\n```python\ndef f(): return 2\n```",
            "def f(): return 2\n",
            id="last-definition",
        ),
    ],
)
def test_extract_code(response: str, code: str) -> None:
    assert extract_code(response, entry_point="f") == code


PROMPT = 'import math\n\n\ndef f(x):\n    """Root."""\n'


@pytest.mark.parametrize(
    "response",
    [
        pytest.param("    return math.isqrt(x)\n", id="continuation"),
        pytest.param("return math.isqrt(x)", id="stripped"),
        pytest.param("y = math.isqrt(x)\n    return y", id="first-line-stripped"),
        pytest.param("def f(x):\n    return math.isqrt(x)", id="whole-function"),
        pytest.param("```python\ndef f(x):\n    return math.isqrt(x)\n```", id="fenced"),
        pytest.param("f = math.isqrt", id="assignment"),
    ],
)
def test_prompt_and_response_make_a_program(response: str) -> None:
    space: dict[str, Any] = {}
    exec(complete(PROMPT, extract_code(response, entry_point="f"), entry_point="f"), space)
    assert space["f"](17) == 4


def test_an_open_prompt_gets_a_body() -> None:
    program = complete("def f(x):\n", "def f(x):\n    return x", entry_point="f")
    compile(program, "p", "exec")


TEST = "def check(candidate):\n    assert candidate(16) == 4\n    assert candidate(17) == 4\n"


@sandboxed
def test_function_tests() -> None:
    check = FunctionTests(TEST, entry_point="f", prompt=PROMPT)
    assert check.run("q", "return math.isqrt(x)", None) == Finding(1.0, "all tests passed")
    wrong = check.run("q", "return math.sqrt(x)", None)
    assert wrong.score == 0.0
    assert "f(17) gave 4.123" in wrong.evidence
    assert check.run("q", "I cannot write that.", None).score == 0.0
    assert check.run("q", "", None).score == 0.0


@sandboxed
def test_the_reference_may_be_the_test() -> None:
    check = FunctionTests()
    assert check.run("q", "def g(x): return -x", "assert g(1) == -1\nassert g(0) == 0").score == 1.0
    assert check.run("q", "def h(x): return -x", "assert g(1) == -1").score == 0.0
    with pytest.raises(InputError, match="give reference="):
        check.run("q", "def g(x): return -x", None)


@sandboxed
def test_tests_that_cannot_run_say_nothing_about_the_code() -> None:
    check = FunctionTests("def check(c):\n    c(lambda: 1)", entry_point="f")
    finding = check.run("q", "def f(x): return x", None)
    assert (finding.score, finding.status) == (None, "api_error")


@sandboxed
def test_program_tests() -> None:
    program = "```python\nn = int(input())\nprint(n * 2)\n```"
    cases = (("1\n", "2"), ("5\n", "10\n\n"))
    assert ProgramTests(cases).run("q", program, None) == Finding(1.0, "all cases passed")
    once = "n = int(input())\nprint(2)"
    wrong = ProgramTests(cases).run("q", once, None)
    assert wrong.score == 0.0
    assert wrong.evidence == r"case 2: printed '2\n', wanted '10\n\n'"
    assert ProgramTests(cases, partial=True).run("q", once, None).score == 0.5
    crash = ProgramTests(cases).run("q", "print(2)\nraise SystemExit(3)", None)
    assert (crash.score, crash.evidence) == (0.0, "case 1: it ended with status 3:")
    slow = ProgramTests(cases, limits=Limits(seconds=2.0)).run("q", "while True: pass", None)
    assert (slow.score, slow.evidence) == (0.0, "case 1: it ran longer than 2 s")


@sandboxed
@pytest.mark.parametrize(
    "ending", ["exit()", "quit(0)", "import sys; sys.exit()", "raise SystemExit"]
)
def test_right_programs_may_end_themselves(ending: str) -> None:
    code = f"n = int(open('/dev/stdin').read())\nprint(n + 1)\n{ending}"
    assert ProgramTests(cases=(("3", "4"),)).run("", code, None).score == 1
    found = ProgramTests(cases=(("3", "5"),)).run("", code, None)
    assert found.score == 0


@sandboxed
@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import threading\nthreading.Thread(target=print, args=(4,)).start()", "threads"),
        ("import asyncio\nasync def main(): print(4)\nasyncio.run(main())", "event loop"),
        ("import pytest\nprint(4)", "pytest"),
    ],
)
def test_programs_that_a_bar_ends_have_no_score(code: str, why: str) -> None:
    found = ProgramTests(cases=(("", "4"),)).run("", code, None)
    assert found.score is None
    assert why in found.evidence


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda: FunctionTests("assert ("), "test is not Python", id="test"),
        pytest.param(
            lambda: FunctionTests("", prompt="def ("), "prompt is not Python", id="prompt"
        ),
        pytest.param(lambda: ProgramTests(()), "cases must be 1 or more", id="cases"),
    ],
)
def test_wrong_tests_are_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        make()


def returns_none(row: dict[str, str]) -> str:
    """Mutant: the function does nothing."""
    return "    return None\n"


def off_by_one(row: dict[str, str]) -> str | None:
    """Mutant: the last `return` of the function gives one more (or one element more)."""
    tree = ast.parse(row["prompt"] + row["canonical_solution"])
    function = next(
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == row["entry_point"]
    )
    returns = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    ]
    if not returns:
        return None
    last = max(returns, key=lambda node: node.lineno)
    assert last.value is not None
    wrapped = ast.parse(
        "(lambda v: not v if isinstance(v, bool) else v + 1 if isinstance(v, (int, float))"
        " else v + 'x' if isinstance(v, str) else v + [0] if isinstance(v, list)"
        " else v + (0,) if isinstance(v, tuple) else 0)(None)",
        mode="eval",
    ).body
    assert isinstance(wrapped, ast.Call)
    wrapped.args = [last.value]
    last.value = wrapped
    return ast.unparse(ast.fix_missing_locations(tree))


@sandboxed
@pytest.mark.parametrize(
    "every", [pytest.param(8, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_humaneval(every: int) -> None:
    """Every canonical solution passes; no mutant does.

    Mutants that the rules make equivalent do not exist: the first never computes anything, the
    second changes every value its `return` gives. A mutated `return` that no test reaches would
    survive; the count says how many do.
    """
    path = DATA / "HumanEval.jsonl.gz"
    if not path.exists():
        pytest.skip("HumanEval is not here")
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file][::every]

    def passes(row: dict[str, str], code: str | None) -> float | None:
        if code is None:
            return None
        check = FunctionTests(row["test"], row["entry_point"], row["prompt"])
        finding = check.run(row["prompt"], code, None)
        assert finding.score is not None, (row["task_id"], finding)
        return finding.score

    with ThreadPoolExecutor(2) as pool:
        right = list(pool.map(lambda row: passes(row, row["canonical_solution"]), rows))
        empty = list(pool.map(lambda row: passes(row, returns_none(row)), rows))
        shifted = list(pool.map(lambda row: passes(row, off_by_one(row)), rows))
    assert len(rows) >= 164 // every
    assert set(right) == {1.0}
    assert set(empty) == {0.0}
    assert set(shifted) == {0.0}, [
        row["task_id"] for row, score in zip(rows, shifted, strict=True) if score != 0.0
    ]
