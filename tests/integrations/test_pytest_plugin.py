"""The pytest plugin, in runs of pytest of its own; the judge is a scripted backend."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree as ET

import pytest

# Runs in this process forget what they import; what is there already they need not import again.
import deemster.integrations.asserting
import deemster.judges
import deemster.testing  # noqa: F401

pytest_plugins = ["pytester"]

PLUGIN = "deemster.integrations.pytest_plugin"

CONFTEST = """
import itertools, os
import pytest
from deemster import FakeBackend, Judge
from deemster.testing import responses_shown

def script(request, draw):
    if os.environ.get("NO_MODEL"):
        raise AssertionError("a model was asked")
    shown = responses_shown(request.messages[-1].text)
    if "boom" in shown[0]:
        return "I would rather not say."
    # Every other vote is two points lower: votes differ, their mean does not.
    scores = ", ".join(str(max(1, min(10, len(text)) - 2 * (draw % 2))) for text in shown)
    return (
        "Specific Criteria:\\n- length (weight: 10)\\nAnalysis:\\n"
        + "\\n".join(f"Response {i}: the text is {len(t)} long" for i, t in enumerate(shown, 1))
        + f"\\nScores: \\\\boxed{{{scores}}}"
    )

@pytest.fixture(scope="session")
def judge():
    return Judge(FakeBackend(script), k=4)
"""


class Run(Protocol):
    def __call__(self, body: str, *options: str, processes: bool = False) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest on a test file; only this plugin is loaded."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(CONFTEST)

    def go(body: str, *options: str, processes: bool = False) -> pytest.RunResult:
        pytester.makepyfile(body)
        runs = pytester.runpytest_subprocess if processes else pytester.runpytest_inprocess
        return runs("-p", PLUGIN, "-p", "no:cacheprovider", *options)

    return go


GOOD = """
def test_good(assert_judged):
    verdict = assert_judged("Say hello.", "Hello there", at_least=8)
    assert verdict.scores == (9.0,)
"""


def test_a_good_answer_passes_and_the_summary_says_what_it_took(run: Run) -> None:
    result = run(GOOD)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*- judge -*",
            "1 judged by deemster, 0 without a verdict; 4 votes, 0 of them failed; 4 calls",
        ]
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [
        pytest.param(
            """
def test_sub(subtests, assert_judged):
    for text in ("Hello", "Hello there", "boom"):
        with subtests.test(text=text):
            assert_judged("Say hello.", text, at_least=3)
""",
            "3 judged by deemster, 1 without a verdict; 12 votes, 4 of them failed; 12 calls",
            id="subtests",
        ),
        pytest.param(
            """
import unittest, pytest

class TestSub(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _take(self, assert_judged):
        self.assert_judged = assert_judged

    def test_sub(self):
        for text in ("Hello", "Hello there"):
            with self.subTest(text=text):
                self.assert_judged("Say hello.", text, at_least=3)
        self.assert_judged("Say hello.", "Hello you", at_least=3)
""",
            "3 judged by deemster, 0 without a verdict; 12 votes, 0 of them failed; 12 calls",
            id="unittest",
        ),
        pytest.param(
            GOOD + GOOD.replace("test_good", "test_too"),
            "2 judged by deemster, 0 without a verdict; 8 votes, 0 of them failed; 8 calls",
            id="two tests",
        ),
    ],
)
def test_the_summary_counts_each_verdict_once(run: Run, body: str, line: str) -> None:
    run(body).stdout.fnmatch_lines([line])


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("judge_k = many", "judge_k must be a whole number, got 'many'"),
        ("judge_k = 2.5", "judge_k must be a whole number, got '2.5'"),
        ("judge_confidence = high", "judge_confidence must be a number, got 'high'"),
    ],
)
def test_settings_that_are_no_numbers_are_one_line(
    run: Run, pytester: pytest.Pytester, setting: str, problem: str
) -> None:
    pytester.makeini(f"[pytest]\n{setting}\n")
    result = run(GOOD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {problem}"])


@pytest.mark.parametrize(
    ("call", "lines"),
    [
        pytest.param(
            'assert_judged("Say hello.", "Hi", at_least=7)',
            [
                "*AssertionError: judged 1.5 of 10; asked for at least 7",
                "*query     Say hello.",
                "*response  Hi",
                "*judge     fake, 4 of 4 votes valid",
                "*vote 0    2  by length: the text is 2 long",
                "*vote 1    1  by length: the text is 2 long",
            ],
            id="too low, with the votes",
        ),
        pytest.param(
            'assert_judged("q", "Hello there", at_least=9, confidence=0.9)',
            ["*AssertionError: judged 9 of 10, which is at least 9, but only *% of the resampled*"],
            id="votes leave it open",
        ),
        pytest.param(
            'assert_judged("q", "boom", at_least=1)',
            ["*UnscoredError: judge 'fake' gave no rewards: 0 of 4 votes are valid; parse_error*"],
            id="no verdict is another error",
        ),
        pytest.param(
            'assert_judged("q", "a", at_least=70)',
            ["*InputError: at_least 70 is off the judge's scale of 1 to 10"],
            id="off the scale",
        ),
        pytest.param(
            'assert_judged("q", "a", at_least=1, confidence=7)',
            ["*InputError: confidence must be from 0 to 1, got 7"],
            id="confidence",
        ),
        pytest.param(
            'assert_better("q", "ab", than="abcdef")',
            ["*AssertionError: the other is better, 6 to 20", "*than      abcdef"],
            id="worse",
        ),
        pytest.param(
            'assert_better("q", "abcd", than="dcba")', ["*AssertionError: a tie, *"], id="a tie"
        ),
    ],
)
def test_what_fails_says_why(run: Run, call: str, lines: list[str]) -> None:
    result = run(f"def test_it(assert_judged, assert_better):\n    {call}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(lines)


def test_comparing_and_principles(run: Run) -> None:
    result = run(
        """
def test_better(assert_better, judge):
    verdict = assert_better(
        "q", "abcdef", than="ab", confidence=0.9, principles=["It is long."], reference="gold"
    )
    assert verdict.best == 0
    assert "It is long." in judge.backend.requests[-1].messages[-1].text

def test_tie(assert_better):
    assert_better("q", "abcd", than="dcba", or_equal=True)
"""
    )
    result.assert_outcomes(passed=2)


def test_figures_are_properties_of_the_junit_report(run: Run, pytester: pytest.Pytester) -> None:
    run(GOOD, "--junitxml=report.xml")
    found = {
        one.get("name"): one.get("value")
        for one in ET.parse(pytester.path / "report.xml").iter("property")
    }
    assert found["deemster.score"] == "9.0"
    assert found["deemster.agreement"] == "1.0"
    assert found["deemster.votes"] == "4"
    assert found["deemster.judge"] == "fake"


def test_recorded_runs_are_replayed_without_a_model(
    run: Run,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    direct = GOOD + (
        'def test_direct(judge):\n    assert judge.score_sync("q", ["abc", "abcde"]).best == 1\n'
    )
    run(direct, "--judge-record").assert_outcomes(passed=2)
    assert (pytester.path / "judge.cassette").is_file()
    monkeypatch.setenv("NO_MODEL", "1")
    run(direct, "--judge-replay").assert_outcomes(passed=2)
    run(direct, "--judge-record").assert_outcomes(passed=2)  # nothing was missing
    changed = run(GOOD.replace("Hello there", "Hello, you"), "--judge-replay")
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(["*UnscoredError*not in cassette*closest differs*"])
    gone = run(GOOD, "--judge-replay", "--judge-cassette=other.cassette")
    gone.assert_outcomes(errors=1)
    gone.stdout.fnmatch_lines(["*no cassette at *other.cassette*"])
    both = run(GOOD, "--judge-replay", "--judge-record")
    both.stderr.fnmatch_lines(["*exclude each other*"])


def test_the_fixture_is_made_of_the_settings(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    pytester.makeini("[pytest]\njudge_model = openai/gpt-5-mini\njudge_k = 3\n")
    test = "def test_it(judge):\n    assert (judge.name, judge.k) == ({!r}, {})\n"
    run(test.format("openai/gpt-5-mini", 3)).assert_outcomes(passed=1)
    run(test.format("fake:x", 8), "--judge-model=fake:x", "--judge-k=8").assert_outcomes(passed=1)


def test_a_run_that_judges_nothing_loads_nothing(run: Run, pytester: pytest.Pytester) -> None:
    """Also with a fixture `judge` that is no judge."""
    pytester.makeconftest(
        """
import pytest, sys

@pytest.fixture
def judge():
    return "a person"

def pytest_sessionfinish():
    found = [name for name in sys.modules if name.startswith(("deemster.", "numpy", "pydantic"))]
    print("loaded", *sorted(found), ".")
"""
    )
    result = run("def test_it(judge): assert judge\n", "-s", "--judge-record", processes=True)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*loaded deemster._version deemster.integrations {PLUGIN} ."])
    result.stdout.no_fnmatch_line("*judged by deemster*")


def test_the_package_announces_it() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"deemster": PLUGIN}
