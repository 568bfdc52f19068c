"""The harness of `make reliability`: its page is made of what was kept, its parts run in small."""

from __future__ import annotations

import ast
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks.reliability import kills
from benchmarks.reliability.goals import GOALS
from benchmarks.reliability.mutant_patcher import functions_of, patch
from benchmarks.reliability.mutating import mutants
from benchmarks.reliability.page import PAGE, render, state
from benchmarks.reliability.record import Result, Run, ended, load, save

ROOT = Path(__file__).parent


def test_the_page_is_made_of_the_kept_results() -> None:
    assert PAGE.read_text("utf-8") == render(load()), "python -m benchmarks.reliability --page"


def test_every_goal_is_there_and_what_it_names_exists() -> None:
    assert [goal.r for goal in GOALS] == [f"R{number}" for number in range(1, 21)]
    for goal in GOALS:
        assert (goal.measured_by is None) == bool(goal.missing)
        if goal.measured_by is not None:
            assert callable(goal.load())
        for test in goal.tests:
            path, _, name = test.partition("::")
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            functions = {node.name for node in ast.walk(tree) if hasattr(node, "name")}
            assert name in functions, test


@pytest.mark.parametrize(("r", "counted"), [("R6", "damages"), ("R1", "judgments")])
def test_small_counts_meet_the_targets(r: str, counted: str) -> None:
    run = Run(r, 0.004)
    next(goal for goal in GOALS if goal.r == r).load()(run)
    assert 0 < run.counts[counted] < run.full[counted]
    assert [check for check in run.checks if not check.met] == []


def result(scale: float, shown: str = "0") -> Result:
    run = Run("R6", scale)
    run.count("damages", 1000)
    run.check("silent", shown, "0", met=shown == "0")
    return ended(run, 1.0)


def test_a_smaller_run_does_not_replace_a_larger_one(tmp_path: Path) -> None:
    assert save(result(0.5), tmp_path)
    assert not save(result(0.1, "3"), tmp_path)
    assert load(tmp_path)["R6"] == result(0.5)
    stopped_early = replace(result(1.0, "3"), counts={"damages": 100})
    assert not save(stopped_early, tmp_path)
    assert save(result(1.0, "3"), tmp_path)
    assert load(tmp_path)["R6"].command == "python -m benchmarks.reliability --only R6"


def test_the_time_of_full_counts_is_foretold_from_what_was_kept() -> None:
    assert result(0.1).seconds_at_full_counts == pytest.approx(10.0)
    assert result(1.0).seconds_at_full_counts == 1.0


def test_the_page_says_what_was_missed_and_what_was_not_run() -> None:
    assert state(None) == "*not run*"
    assert state(result(1.0)) == "met"
    assert state(result(0.1)) == "met, *part*"
    assert state(result(1.0, "3")) == "**not met**"
    page = render({"R6": result(0.1, "3")})
    assert "| silent | 0 | 3 | **not met** |" in page
    assert "100 of 1,000 damages" in page


SOURCE = '''
"""A module about 1 thing."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    x: int = 1
def f(a: int = 2) -> bool:
    """Says 3."""
    if a < 4 and not a == 5:
        raise ValueError("6" + str(7))
    return a + 8 > 9
'''


PATCHED = """
LIMIT = 3
class Thing:
    size: int = 4
    @property
    def big(self): return self.size > LIMIT
def made(n=1):
    def inner(): return n + 1
    return inner
"""


def test_a_mutant_is_made_in_the_module_that_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for was, becomes, changed, big, inner in (
        ("size > LIMIT", "size < LIMIT", True, False, 2),
        ("LIMIT = 3", "LIMIT = 4", True, False, 2),
        ("n + 1", "n - 1", True, True, 0),
        ("size: int = 4", "size: int = 0", False, True, 2),
        ("n=1", "n=2", False, True, 2),
    ):
        module = ModuleType("patched_module")
        monkeypatch.setitem(sys.modules, "patched_module", module)
        exec(PATCHED, vars(module))
        functions = functions_of("patched_module")
        source = PATCHED.replace(was, becomes)
        assert patch(functions, "patched_module", PATCHED, source) is changed
        assert (module.Thing().big, module.made()()) == (big, inner)


def test_mutants_change_one_thing_each_and_leave_words_alone() -> None:
    made = list(mutants("m.py", SOURCE))
    changes = {mutant.change for mutant in made}
    assert {"2 → 3", "Lt → LtE", "→ Or", "Not dropped", "Eq → NotEq", "Add → Sub"} <= changes
    assert {"condition turned", "return None", "Gt → GtE", "9 → 10"} <= changes
    assert not changes & {"1 → 2", "7 → 8"}  # under TYPE_CHECKING; in what is raised
    whole = ast.unparse(ast.parse(SOURCE))
    texts = [mutant.source for mutant in made]
    assert len({*texts, whole}) == len(made) + 1
    assert all("A module about 1 thing." in text and "Says 3." in text for text in texts)


def test_interrupts_reach_the_runs_of_a_background_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it starts would ignore SIGINT as it does, and go on to its end."""

    def at_work(*_: object) -> None:
        raise InterruptedError(str(signal.getsignal(signal.SIGINT) is signal.SIG_IGN))

    monkeypatch.setattr(kills, "_at_work", at_work)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(InterruptedError, match="False"):
            kills.interrupts(Run("R8", 0.01))
    finally:
        signal.signal(signal.SIGINT, before)
