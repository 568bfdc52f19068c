"""R20: are wrong parsers, limits, stores and aggregators caught by their tests?"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.reliability.mutating import Mutant, mutants
from benchmarks.reliability.record import Run

ROOT = Path(__file__).parents[2]
_PARTS_OF_TREE = (
    *("src", "tests", "benchmarks", "lab", "suites", "examples", "docs", "recipes"),
    *("pyproject.toml", "README.md", "CHANGELOG.md", "SECURITY.md"),
)
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "parsers": (
        (
            "dialects/grm.py", "dialects/boxed.py", "dialects/criteria.py",
            "dialects/json_schema.py", "dialects/strict_json.py", "dialects/loose_json.py",
            "dialects/reasoning.py", "dialects/labels.py", "dialects/marked.py",
            "dialects/mt_bench.py", "dialects/arena_hard.py", "dialects/judgelrm.py",
            "dialects/prometheus.py", "dialects/vote.py",
        ),
        (
            *(f"tests/dialects/test_{name}.py" for name in (
                "verdict_forms", "grm_dialect", "json_dialect", "judge_dialects",
                "label_dialects", "pairwise_dialects", "reasoning", "dialect_registry",
                "released_dialects", "published_verdicts", "dialect_fuzz",
            )),
        ),
    ),
    "limits": (
        ("backends/limits.py", "backends/gate.py", "backends/pace.py"),
        (
            "tests/backends/test_limits.py", "tests/backends/test_gate.py",
            "tests/backends/test_api.py",
        ),
    ),
    "store": (
        ("suites/store.py", "suites/store_format.py", "sqlite_file.py"),
        (
            "tests/suites/test_store.py", "tests/test_sqlite_file.py",
            "tests/suites/test_runner.py", "tests/cli/test_cli_damaged_run.py",
        ),
    ),
    "aggregators": (
        (
            "aggregators/base.py", "aggregators/reducers.py", "aggregators/selectors.py",
            "aggregators/confidence.py", "aggregators/stopping.py", "aggregators/relative.py",
            "aggregators/reliability.py",
        ),
        ("tests/aggregators",),
    ),
}  # fmt: skip
"""What is changed, and the tests that should notice."""

_LIMIT_S = 600
"""A mutant whose tests take longer does not end: it is killed, and counted apart."""


def survivors(run: Run) -> None:
    """A seeded sample of the mutants of each part, each against the tests of the part."""
    with tempfile.TemporaryDirectory() as name:
        _survivors(run, _copied(Path(name)))


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


def _survivors(run: Run, tree: Path) -> None:
    samples: dict[str, list[Mutant]] = {}
    alive: list[str] = []
    endless = 0
    tried, killed = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    for part, (modules, tests) in PARTS.items():
        everything = [mutant for module in modules for mutant in of_module(tree, module)]
        n = run.count(f"mutants of {part}", len(everything), least=2)
        samples[part] = random.Random(20).sample(everything, n)
        source = (tree / "src" / "deemster" / modules[0]).read_text("utf-8")
        if against(tree, Mutant(modules[0], 0, "none", source), tests) != "alive":
            raise RuntimeError(f"the tests of {part} fail without a change")
        run.notes.append(f"{part}: {', '.join(modules)}, against {', '.join(tests)}.")
    for row in itertools.zip_longest(*samples.values()):
        for part, mutant in zip(PARTS, row, strict=True):
            if mutant is None or run.late():
                continue
            tried[part] += 1
            found = against(tree, mutant, PARTS[part][1])
            endless += found == "endless"
            killed[part] += found != "alive"
            if found == "alive":
                alive.append(f"`{mutant.module}:{mutant.line}` {mutant.change}")
    for part in PARTS:
        run.counts[f"mutants of {part}"] = tried[part]
        run.share(f"killed: {part}", killed[part], tried[part], 90)
    run.share("killed", sum(killed.values()), sum(tried.values()), 90)
    run.notes.append(f"{endless} of the killed did not end within {_LIMIT_S} s.")
    run.notes.append("A sample drawn by a seed where the counts are not the full ones.")
    if alive:
        run.notes.append(f"Survivors: {'; '.join(alive)}.")


def of_module(tree: Path, module: str) -> list[Mutant]:
    """All mutants of a file of the package."""
    source = (tree / "src" / "deemster" / module).read_text("utf-8")
    return list(mutants(module, source))


def against(tree: Path, mutant: Mutant, tests: tuple[str, ...]) -> str:
    """What becomes of a mutant: `killed`, `endless` (also killed) or `alive`."""
    with tempfile.TemporaryDirectory() as name:
        changed = Path(name) / "mutant.py"
        changed.write_text(mutant.source, "utf-8")
        environment = os.environ | {
            "MUTANT": f"src/deemster/{mutant.module}", "MUTANT_SOURCE": str(changed),
            "PYTHONPATH": f"{tree / 'src'}:{tree}",
        }  # fmt: skip
        command = [
            sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header",
            "-p", "benchmarks.reliability.mutant_plugin", "-m", "not slow and not gpu",
            f"--basetemp={name}/pytest", *tests,
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, cwd=tree, env=environment, capture_output=True, check=False,
                timeout=_LIMIT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "endless"
        if done.returncode not in (0, 1, 2, 3, 4):
            raise RuntimeError(
                f"pytest ended with {done.returncode}: {done.stdout.decode()[-500:]}"
            )
        if done.returncode == 0 and not changed.with_suffix(".loaded").exists():
            raise RuntimeError(f"{mutant.module} was never imported by {' '.join(tests)}")
        return "killed" if done.returncode else "alive"
