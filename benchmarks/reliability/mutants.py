"""R20: are wrong parsers, limits, stores and aggregators caught by their tests?"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

from benchmarks.reliability.equivalent import EQUIVALENT
from benchmarks.reliability.mutating import Mutant, mutants
from benchmarks.reliability.record import Run

ROOT = Path(__file__).parents[2]
_PARTS_OF_TREE = (
    *("src", "tests", "benchmarks", "lab", "suites", "examples", "docs", "recipes"),
    *("pyproject.toml", "README.md", "CHANGELOG.md", "SECURITY.md"),
)
_FORMS = "dialects/test_verdict_forms.py"
_BY_HAND = "aggregators/test_by_hand.py"
_JUDGES = ("dialects/test_label_dialects.py", "dialects/test_judge_dialects.py", _FORMS)
PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "parsers": {
        "dialects/grm.py": ("dialects/test_grm_dialect.py", _FORMS),
        "dialects/boxed.py": ("dialects/test_grm_dialect.py", _FORMS),
        "dialects/base.py": (
            "dialects/test_dialect_registry.py", "dialects/test_released_dialects.py", *_JUDGES,
        ),
        "dialects/criteria.py": ("dialects/test_grm_dialect.py", "dialects/test_label_dialects.py"),
        "dialects/json_schema.py": ("dialects/test_json_dialect.py", _FORMS),
        "dialects/strict_json.py": ("dialects/test_json_dialect.py", _FORMS),
        "dialects/loose_json.py": ("dialects/test_json_dialect.py", _FORMS),
        "dialects/reasoning.py": ("dialects/test_reasoning.py",),
        "dialects/mentions.py": ("dialects/test_mentions.py", "dialects/test_reasoning.py"),
        "dialects/labels.py": ("dialects/test_label_dialects.py", "dialects/test_grm_dialect.py"),
        "dialects/marked.py": _JUDGES,
        "dialects/mt_bench.py": _JUDGES,
        "dialects/arena_hard.py": _JUDGES,
        "dialects/judgelrm.py": _JUDGES,
        "dialects/prometheus.py": _JUDGES,
        "dialects/vote.py": ("dialects/test_dialect_registry.py", *_JUDGES),
    },
    "limits": {
        "backends/limits.py": ("backends/test_limits.py", "backends/test_gate.py"),
        "backends/gate.py": ("backends/test_limits.py", "backends/test_gate.py"),
        "backends/pace.py": ("backends/test_pace.py", "backends/test_gate.py"),
    },
    "store": {
        "suites/store.py": ("suites/test_store.py", "cli/test_cli_damaged_run.py"),
        "suites/store_format.py": ("suites/test_store.py", "test_sqlite_file.py"),
        "sqlite_file.py": ("test_sqlite_file.py", "suites/test_store.py"),
    },
    "aggregators": {
        "aggregators/base.py": ("aggregators/test_reducers.py", "aggregators/test_spec.py"),
        "aggregators/reducers.py": ("aggregators/test_reducers.py", _BY_HAND),
        "aggregators/selectors.py": (
            "aggregators/test_reducers.py", "aggregators/test_spec.py", _BY_HAND,
        ),
        "aggregators/confidence.py": (
            "aggregators/test_confidence.py", "aggregators/test_resampling.py",
        ),
        "aggregators/stopping.py": ("aggregators/test_stopping.py",),
        "aggregators/relative.py": ("aggregators/test_relative.py", _BY_HAND),
        "aggregators/reliability.py": ("aggregators/test_relative.py", _BY_HAND),
    },
}  # fmt: skip
"""The modules that are changed, and the tests of each, below `tests/`."""

_LEAST_CPU_S, _SLOWER = 10, 10
"""A mutant whose tests take ten times as long as without it does not end: it is killed."""


def survivors(run: Run) -> None:
    """A seeded sample of the mutants of each part, each against the tests of its module."""
    with tempfile.TemporaryDirectory() as name:
        tree = _copied(Path(name))
        with Trials(tree) as trials:
            _survivors(run, tree, trials)


def _copied(folder: Path) -> Path:
    """The tree as it is now: work in it may go on while its mutants are tried."""
    tree = folder / "tree"
    tree.mkdir()
    for name in _PARTS_OF_TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    if (ROOT.parent / "shared").exists():  # data that some tests use
        (folder / "shared").symlink_to((ROOT.parent / "shared").resolve())
    return tree


class Trials:
    """Tries mutants: first by other code for the function that is changed, in a process that has
    collected all tests; what that cannot do, and what survives it, by a fresh import. A context
    manager."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        files = {f"tests/{test}" for part in PARTS.values() for of in part.values() for test in of}
        self._patcher = self._start("mutant_patcher", *sorted(files))
        self._runner = self._start("mutant_runner")
        self._limits: dict[tuple[object, str], int] = {}

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "PYTHONPATH": f"{self._tree / 'src'}:{self._tree}", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.reliability.{name}", *arguments], cwd=self._tree,
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._patcher, self._runner):
            process.kill()
            process.communicate()

    def fate(self, mutant: Mutant) -> str:
        """What becomes of a mutant: `killed`, `endless` (also killed) or `alive`."""
        status = ""
        for process in (self._patcher, self._runner):
            limit = self._limit(process, mutant.module, mutant.original)
            found = _ask(
                process,
                **self._job(mutant.module, mutant.original),
                source=mutant.source,
                cpu_s=limit,
            )
            status = found["status"]
            if status not in {"0", "1", "2", "3", "4", _ELSEWHERE, "endless"}:
                raise RuntimeError(f"{mutant.key}: status {status}: {found}")
            if status not in {"0", _ELSEWHERE}:
                break
        return {"0": "alive", "endless": "endless"}.get(status, "killed")

    def _job(self, module: str, original: str) -> dict[str, Any]:
        tests = next(part[module] for part in PARTS.values() if module in part)
        return {
            "path": f"src/deemster/{module}", "original": original, "warm": False,
            "module": f"deemster.{module.removesuffix('.py').replace('/', '.')}",
            "tests": [f"tests/{test}" for test in tests],
        }  # fmt: skip

    def _limit(self, process: subprocess.Popen[str], module: str, original: str) -> int:
        """Seconds of processor time that a mutant may take; warms the process for its module.

        Raises:
            RuntimeError: the tests fail without a change, or do not import the module.
        """
        if (process, module) not in self._limits:
            job = self._job(module, original) | {"warm": True, "cpu_s": 600}
            whole = _ask(process, **job, source=original if process is self._runner else "")
            if whole["status"] != "0" or not whole.get("loaded", True):
                raise RuntimeError(f"{module} and {job['tests']} without a change: {whole}")
            self._limits[process, module] = max(_LEAST_CPU_S, round(_SLOWER * whole["seconds"]))
        return self._limits[process, module]


_ELSEWHERE = "7"
"""The status of a change that `mutant_patcher` cannot make."""


def _ask(process: subprocess.Popen[str], **job: object) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def _survivors(run: Run, tree: Path, trials: Trials) -> None:
    samples: dict[str, list[Mutant]] = {}
    for part, modules in PARTS.items():
        everything = [mutant for module in modules for mutant in of_module(tree, module)]
        n = run.count(f"mutants of {part}", len(everything), least=2)
        samples[part] = random.Random(run.seed).sample(everything, n)
        tested = (f"{module} ({', '.join(tests)})" for module, tests in modules.items())
        run.notes.append(f"{part.capitalize()}: {'; '.join(tested)}.")
    fates: dict[str, list[tuple[Mutant, str]]] = {part: [] for part in PARTS}
    for row in itertools.zip_longest(*samples.values()):
        for part, mutant in zip(PARTS, row, strict=True):
            if mutant is None or run.late():
                continue
            same = mutant.key in EQUIVALENT
            fates[part].append((mutant, "alive" if same else trials.fate(mutant)))
    _report(run, fates)


def _report(run: Run, fates: dict[str, list[tuple[Mutant, str]]]) -> None:
    same: list[str] = []
    alive: list[str] = []
    tried = killed = 0
    for part, found in fates.items():
        run.counts[f"mutants of {part}"] = len(found)
        told = [(mutant, fate) for mutant, fate in found if mutant.key not in EQUIVALENT]
        same += [f"`{m.key}`: {EQUIVALENT[m.key]}" for m, _ in found if m.key in EQUIVALENT]
        alive += [f"`{mutant.key}`" for mutant, fate in told if fate == "alive"]
        dead = sum(fate != "alive" for _, fate in told)
        run.share(f"killed: {part}", dead, len(told), 90)
        tried, killed = tried + len(told), killed + dead
    run.share("killed", killed, tried, 90)
    endless = sum(fate == "endless" for found in fates.values() for _, fate in found)
    run.notes.append(
        f"{endless} of the killed did not end in {_SLOWER} times the tests' time. A sample drawn "
        f"by the seed {run.seed} where the counts are not the full ones."
    )
    if same:
        run.notes.append(f"Mean the same, and are not counted: {'; '.join(sorted(set(same)))}.")
    if alive:
        run.notes.append(f"Survivors: {'; '.join(alive)}.")


def of_module(tree: Path, module: str) -> list[Mutant]:
    """All mutants of a file of the package."""
    source = (tree / "src" / "deemster" / module).read_text("utf-8")
    return list(mutants(module, source))
