"""A program that judges over an API, with nothing of the extras: `core_walk.py URL FOLDER`.

It runs in the tests' environment with the extras hidden (`--hide`), and in a fresh one into which
only the wheel was installed. It prints what it found as one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from deemster.extras import EXTRAS

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "tests" / "benchmarks" / "data" / "judgebench"
VOTE = "Specific Criteria:\n1. Truth (weight: 100%): right\n\nScores: \\boxed{8, 3}"
"""What the server that the program asks is to answer."""
SUITE = r"""
name: api
data:
  samples:
    - {id: s0, query: q0, responses: [good, bad], ground_truth: [1, 0]}
    - {id: s1, query: q1, responses: [good, bad], ground_truth: [1, 0]}
judges:
  - {name: api, model: openai/judge, k: 2, orders: fixed, options: {api_base: URL}}
"""


class Hidden(PathFinder):
    """Finds installed modules except some, as if those were not installed."""

    names: frozenset[str] = frozenset()

    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in cls.names:
            return None
        return super().find_spec(fullname, path, target)


def hide(names: Iterable[str]) -> None:
    """Make modules look as if they were not installed."""
    Hidden.names = frozenset(names)
    sys.meta_path[sys.meta_path.index(PathFinder)] = Hidden


def deemster(*arguments: str | Path) -> str:
    """What the command line prints; it must succeed."""
    from deemster.cli import main

    sys.argv = ["deemster", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            status: object = 0
        except SystemExit as done:
            status = done.code
    if status != 0:
        raise SystemExit(f"{arguments} ended with {status}: {out.getvalue()}{err.getvalue()}")
    return out.getvalue()


def walk(url: str, folder: Path) -> dict[str, Any]:
    """Judge, run, report, rescore, import, export; facts to compare."""
    import deemster as package

    judge = package.Judge("openai/judge", k=4, orders="fixed", api_base=url)
    verdict = judge.score_sync("Which is better?", ["good", "bad"])
    suite, run, report = folder / "suite.yaml", folder / "run", folder / "report.html"
    suite.write_text(SUITE.replace("URL", json.dumps(url)), encoding="utf-8")
    ran = json.loads(deemster("run", suite, "--out", run, "--json"))
    deemster("report", run, "-o", report)
    again = json.loads(
        deemster("rescore", run, "--aggregator", "mean", "--out", folder / "mean", "--json")
    )
    log, pairs = LOGS / "traces/heron.jsonl", LOGS / "pairs.jsonl"
    taken = json.loads(
        deemster(
            "import", "--format", "judgebench", "--traces", log, "--data", pairs,
            "--out", folder / "heron", "--json",
        )
    )  # fmt: skip
    votes = folder / "votes.jsonl"
    deemster("export", run, "-o", votes)
    doctor = json.loads(deemster("doctor", "--json"))
    return {
        "file": package.__file__,
        "rewards": verdict.rewards,
        "failures": [failure.message for failure in verdict.failures],
        "run": [ran["n"], ran["n_scored"], ran["accuracy"]],
        "report": report.stat().st_size,
        "rescored": [again["n"], again["n_scored"], again["accuracy"]],
        "imported": taken["n"],
        "votes": len(votes.read_text(encoding="utf-8").splitlines()),
        "extras": doctor["extras"],
        "unimportable": unimportable(package),
    }


def unimportable(package: ModuleType) -> list[str]:
    """The modules of a package that cannot be imported here."""
    failed = []
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith(".__main__"):
            try:
                importlib.import_module(found.name)
            except ImportError:
                failed.append(found.name)
    return failed


def check(facts: Mapping[str, Any]) -> None:
    """What `walk` must find where the server answers `VOTE`, and no extra is installed."""
    assert facts["failures"] == []
    assert facts["rewards"] == [32.0, 12.0]
    assert facts["run"] == facts["rescored"] == [2, 2, 1.0]
    assert facts["imported"] == 3
    assert facts["votes"] == 4
    assert facts["report"] > 10_000
    assert facts["extras"] == {extra: list(modules) for extra, modules in EXTRAS.items()}
    # Of `integrations` only what subclasses another tool's classes, or uses its decorators.
    tools = (
        "deepeval",
        "inspect_ai",
        "langfuse",
        "mlflow",
        "phoenix",
        "pytest_plugin",
        "verifiers",
    )
    allowed = (
        "deemster.backends._local.",
        "deemster.serve.",
        "deemster.training.",
        *(f"deemster.integrations.{tool}" for tool in tools),
    )
    unexpected = [name for name in facts["unimportable"] if not name.startswith(allowed)]
    assert not unexpected, unexpected
    assert "deemster.backends._local.loading" in facts["unimportable"]


def main() -> None:
    """Walk, and print the facts and which of the hidden modules were loaded all the same."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hide", nargs="*", default=[])
    given = parser.parse_args()
    hide(given.hide)
    facts = walk(given.url, given.folder)
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
