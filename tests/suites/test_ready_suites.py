from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.command_line import deemster
from tests.support.tiny_nano import needs_model

from deemster.suites.loading import load_suite
from deemster.suites.runner import run_suite

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
SUITES = sorted((ROOT / "suites").glob("*.yaml"))
PATHS = {
    "RM_BENCH": SHARED / "rm_bench" / "rm_bench_no_math.jsonl.gz",
    "RMB_PAIRS": SHARED / "rmb" / "pairs_sample.jsonl.gz",
    "RMB_BON": SHARED / "rmb" / "bon_sample.jsonl.gz",
    "LLMBAR": SHARED / "llmbar" / "datasets.jsonl.gz",
    "REALMISTAKE": SHARED / "realmistake",
}
ENVIRONMENT = {"DEEMSTER_MODEL": "openai/x", **{name: str(path) for name, path in PATHS.items()}}


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_ready_suite_is_valid(path: Path) -> None:
    assert load_suite(path, environment=ENVIRONMENT).spec.name == path.stem


def test_all_that_were_promised_are_there() -> None:
    assert {path.stem for path in SUITES} >= {
        "judgebench", "reward-bench-2", "rm-bench", "rmb", "llmbar", "mt-bench", "ppe",
        "realmistake", "quickstart", "decision", "zoo",
    }  # fmt: skip


@pytest.mark.skipif(not SHARED.exists(), reason="the benchmarks are not in ../shared/data")
@pytest.mark.parametrize(
    ("name", "least"),
    [
        pytest.param("rm-bench", 2000, id="rm-bench"),
        pytest.param("rmb", 2700, id="rmb"),
        pytest.param("llmbar", 419, id="llmbar"),
    ],
)
def test_samples_of_the_suites_whose_data_is_here(name: str, least: int) -> None:
    suite = load_suite(ROOT / "suites" / f"{name}.yaml", environment=ENVIRONMENT)
    samples = list(suite.samples())
    assert len(samples) >= least
    assert len({sample.id for sample in samples}) == len(samples)


@needs_model
def test_the_zoo_sets_judges_of_every_kind_side_by_side_with_what_an_item_costs(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    suite = str(ROOT / "suites" / "zoo.yaml")
    done = deemster("run", suite, "--out", str(out), "--limit", "3", "--set", "judge.k=2")
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "summary.json").read_text())
    costs = {name: one["per_item"] for name, one in summary["judges"].items()}
    assert list(costs) == ["grm", "scalar RM", "decision", "decision first"]
    assert {one["n_scored"] for one in summary["judges"].values()} == {3}
    assert costs["scalar RM"]["tokens_out"] == costs["decision"]["tokens_out"] == 0
    assert costs["grm"]["tokens_out"] > 0
    for name, cost in costs.items():
        total = summary["judges"][name]["usage"]
        assert cost["calls"] == pytest.approx(total["calls"] / 3)
        assert 0 < cost["seconds"] == pytest.approx(total["seconds"] / 3)
    both = costs["decision"]["calls"] + costs["grm"]["calls"]
    assert costs["decision first"]["calls"] == pytest.approx(both)
    shown = done.stdout.partition("cost per item")[2]
    assert all(f"\n {name} " in shown for name in costs)
    page = tmp_path / "report.html"
    assert deemster("report", str(out), "-o", str(page)).returncode == 0
    assert "Cost per item" in page.read_text(encoding="utf-8")


@needs_model
@pytest.mark.parametrize("items", [3, pytest.param(12, marks=pytest.mark.slow)])
async def test_quickstart_needs_nothing(items: int, tmp_path: Path) -> None:
    suite = load_suite(ROOT / "suites" / "quickstart.yaml", environment={})
    (data,) = suite.spec.data
    some = suite.spec.model_copy(update={"data": (data.model_copy(update={"limit": items}),)})
    result = await run_suite(replace(suite, spec=some), tmp_path / "run")
    assert items < 12 or result.broken == ()
    assert {summary.n_scored for summary in result.summaries.values()} == {items}
    # A vote of the model's may not parse; the completions are then kept for --resume.
    failed = any(summary.failures for summary in result.summaries.values())
    assert (tmp_path / "run" / "completions.sqlite").exists() is failed
