from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ServerFactory

from deemster.backends import FakeBackend, Request
from deemster.backends.fake import Reply
from deemster.errors import BackendTimeout, InputError, OverBudgetError
from deemster.judges import Judge
from deemster.schemas import Sample, Verdict
from deemster.suites.engines import Work
from deemster.suites.loading import Suite, load_suite
from deemster.suites.planning import plan_suite
from deemster.suites.runner import RunResult, run_suite
from deemster.suites.store import RunStore
from deemster.suites.store_format import StoreError

N, K = 12, 4


def suite(tmp_path: Path, extra: str = "") -> Suite:
    rows = [
        {"id": f"q{i}", "query": f"question {i}", "responses": ["right", "wrong"],
         "ground_truth": [1, 0], "subset": "ab"[i % 2]}
        for i in range(N)
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    text = f"name: mine\ndata: {{path: rows.jsonl}}\njudges: {{model: 'fake:x', k: {K}}}\n{extra}"
    (tmp_path / "suite.yaml").write_text(text, encoding="utf-8")
    return load_suite(tmp_path / "suite.yaml")


def verdict_text(request: Request) -> str:
    text = request.messages[-1].text
    first = text.index("\nright\n") < text.index("\nwrong\n")
    return f"Scores: \\boxed{{{'9, 2' if first else '2, 9'}}}"


class Ledger:
    """A scripted model that counts what it was asked, draw by draw."""

    def __init__(self, fail: Any = None) -> None:
        self.asked: Counter[tuple[str, int]] = Counter()
        self.fail = fail
        self.backend = FakeBackend(self._reply, name="scripted")

    def _reply(self, request: Request, draw: int) -> Reply:
        self.asked[request.messages[-1].text, request.seeds[draw]] += 1
        if self.fail is not None and self.fail(self, request):
            return BackendTimeout("late")
        return verdict_text(request)

    @property
    def total(self) -> int:
        return self.asked.total()

    def judge(self) -> Judge:
        return Judge(self.backend, k=K, name="scripted")


def summary(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "summary.json").read_text("utf-8"))
    return found


async def run(made: Suite, out: Path, ledger: Ledger, **options: Any) -> RunResult:
    return await run_suite(made, out, judges=[ledger.judge()], **options)


async def test_a_kill_before_the_tables_were_made_leaves_nothing_to_resume(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with closing(sqlite3.connect(out / "run.sqlite")) as db:
        db.execute("PRAGMA journal_mode=WAL")
    result = await run(suite(tmp_path), out, Ledger())
    assert result.unscored == 0
    (out / "run.sqlite").write_bytes(b"no database at all, but long enough to be one")
    with pytest.raises(StoreError, match="not a database"):
        await run(suite(tmp_path), out, Ledger())


class Looking:
    """An engine that notes what a run holds before the first sample is judged."""

    def __init__(self) -> None:
        self.held = -samples_held()
        self.todo: list[memoryview] = []

    async def judge_all(self, work: Work) -> bool:
        self.held += samples_held()
        self.todo = [memoryview(left) for left in work.todo]  # type: ignore[arg-type]  # an array
        assert work.store.sample(499).id == "q499"
        return True


def samples_held() -> int:
    gc.collect()
    return sum(type(one) is Sample for one in gc.get_objects())


async def test_a_run_is_planned_without_its_samples_in_memory(tmp_path: Path) -> None:
    made = suite(tmp_path)
    row = {"query": "question", "responses": ["right", "wrong"], "ground_truth": [1, 0]}
    rows = "\n".join(json.dumps({"id": f"q{i}", **row}) for i in range(500))
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    engine = Looking()
    await run(made, tmp_path / "run", Ledger(), engine=engine)
    assert engine.held == 0
    assert [todo.nbytes for todo in engine.todo] == [8 * 500]


async def test_a_run_and_its_directory(tmp_path: Path) -> None:
    seen: list[str] = []

    def observe(judge: str, sample: Sample, verdict: Verdict) -> None:
        seen.append(f"{judge} {sample.id} {verdict.best}")

    ledger = Ledger()
    out = tmp_path / "run"
    result = await run(suite(tmp_path), out, ledger, observer=observe)
    assert ledger.total == N * K
    assert sorted(seen) == sorted(f"scripted q{i} 0" for i in range(N))
    found = summary(out)
    assert (found["n"], found["n_scored"], found["accuracy"], found["ties"]) == (N, N, 1.0, 0)
    assert found["curve"]["vote"] == {"1": 1.0, "2": 1.0, "4": 1.0}
    assert found["by"] == {"a": 1.0, "b": 1.0}
    assert found["judge"]["model"] == "scripted"
    assert found["usage"]["calls"] == N * K
    assert result.broken == ()
    assert result.unscored == 0
    names = {path.name for path in out.iterdir()}
    assert {"run.sqlite", "summary.json", "suite.json", "environment.json"} <= names
    assert not any(name.startswith("completions") for name in names)
    assert "deemster" in json.loads((out / "environment.json").read_text("utf-8"))


async def test_a_finished_run_makes_no_calls(tmp_path: Path) -> None:
    made, out = suite(tmp_path), tmp_path / "run"
    await run(made, out, Ledger())
    before = (out / "summary.json").read_bytes()
    again = Ledger()
    await run(made, out, again)
    await run(made, out, again, resume=True)
    assert again.total == 0
    assert (out / "summary.json").read_bytes() == before


async def test_failed_votes_are_retried_and_the_others_not_bought_again(tmp_path: Path) -> None:
    made, out = suite(tmp_path), tmp_path / "run"
    flaky = Ledger(fail=lambda ledger, _: ledger.total % 3 == 0)
    first = await run(made, out, flaky)
    assert first.summaries["scripted"].failures == {"timeout": N * K // 3}
    healthy = Ledger()
    await run(made, out, healthy, resume=True)
    assert healthy.total == N * K // 3
    assert set(healthy.asked) <= set(flaky.asked)
    assert summary(out)["failures"] == {}
    clean = Ledger()
    await run(made, tmp_path / "clean", clean)
    assert _without_time(summary(out)) == _without_time(summary(tmp_path / "clean"))


async def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    made, out = suite(tmp_path, "in_flight: 2\n"), tmp_path / "run"

    class Stop(BaseException):
        pass

    def stop(_judge: str, sample: Sample, _verdict: Verdict) -> None:
        if sample.id == "q5":
            raise Stop

    first = Ledger()
    with pytest.raises(Stop):
        await run(made, out, first, observer=stop)
    assert first.total < N * K
    with pytest.raises(InputError, match="unfinished run; give --resume"):
        await run(made, out, Ledger())
    second = Ledger()
    await run(made, out, second, resume=True)
    together = first.asked + second.asked
    assert len(together) == N * K
    # what was answered but not yet recorded when it stopped: two samples were in flight
    assert together.total() - len(together) <= 2 * K


async def test_other_data_or_another_judge_is_refused(tmp_path: Path) -> None:
    made, out = suite(tmp_path), tmp_path / "run"
    await run(made, out, Ledger())
    other = Judge(Ledger().backend, k=2, name="scripted")
    with pytest.raises(InputError, match="k was 4, now 2"):
        await run_suite(made, out, judges=[other])
    two = [Ledger().judge(), Judge(Ledger().backend, k=2, name="second")]
    for resume in (False, True):  # resuming would not help, so it is not asked for
        problem = "begun with other judges: scripted, now scripted, second; give another --out"
        with pytest.raises(InputError, match=problem):
            await run_suite(made, out, judges=two, resume=resume)
    rows = (tmp_path / "rows.jsonl").read_text("utf-8").replace("question 3", "question 33")
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match="begun with other samples"):
        await run(made, out, Ledger())


async def test_the_budget_ends_a_run_that_can_go_on(tmp_path: Path) -> None:
    made, out = suite(tmp_path, "in_flight: 1\n"), tmp_path / "run"

    class Poor(Ledger):
        def _reply(self, request: Request, draw: int) -> Reply:
            if self.total >= 10:
                return OverBudgetError("budget of 10 calls is spent")
            return super()._reply(request, draw)

    poor = Poor()
    result = await run(made, out, poor)
    assert result.over_budget
    assert 0 < summary(out)["n"] < N
    rich = Ledger()
    result = await run(made, out, rich, resume=True)
    assert not result.over_budget
    assert summary(out)["n"] == N
    assert poor.total + rich.total == N * K


@pytest.mark.parametrize("model", ["openai/m", "api:openai/m", "litellm:openai/m"])
async def test_a_budget_holds_whatever_scheme_a_model_names(
    tmp_path: Path,
    model: str,
    openai_server: ServerFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = openai_server(lambda _call, _choice: "Scores: \\boxed{3, 9}")
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    suite(tmp_path, "budget: {calls: 3}\nin_flight: 1\n")
    path = tmp_path / "suite.yaml"
    path.write_text(path.read_text("utf-8").replace("fake:x", model), encoding="utf-8")
    made = load_suite(path)
    result = await run_suite(made, tmp_path / "run")
    assert result.over_budget
    assert len(server.ledger.calls) == 3


async def test_thresholds(tmp_path: Path) -> None:
    extra = "thresholds: {accuracy: '>= 0.9', unscored: '<= 10%', ties: '< 1%', roc_auc: '> 0'}\n"
    made = suite(tmp_path, extra)
    failing = Ledger(fail=lambda _, request: "question 3" in request.messages[-1].text)
    result = await run(made, tmp_path / "run", failing)
    assert result.broken == (
        "judge 'scripted': roc_auc does not exist for this data; the suite asks for > 0",
    )
    failing = Ledger(fail=lambda *_: True)
    result = await run(made, tmp_path / "all-failed", failing)
    assert "accuracy does not exist" in " ".join(result.broken)
    assert "unscored is 1; the suite asks for <= 0.1" in " ".join(result.broken)
    assert result.unscored == N


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "thresholds: {ties: '< 0.01'}\n", "thresholds: {ties: '< 0.02'}\n", id="changed"
        ),
        pytest.param("", "thresholds: {ties: '< 0.02'}\n", id="added"),
        pytest.param("thresholds: {ties: '< 0.01'}\n", "", id="taken-out"),
    ],
)
@pytest.mark.parametrize("failing", [False, True], ids=["finished", "unfinished"])
async def test_the_stored_suite_is_that_of_the_summary(
    tmp_path: Path, before: str, after: str, *, failing: bool
) -> None:
    out = tmp_path / "run"
    await run(suite(tmp_path, before), out, Ledger(fail=lambda *_: failing))
    await run(suite(tmp_path, after), out, Ledger(), resume=failing)
    stored = json.loads((out / "suite.json").read_text("utf-8")).get("thresholds", {})
    told = {one["figure"]: one["asked"] for one in summary(out).get("thresholds", ())}
    assert stored == told == ({"ties": "< 0.02"} if after else {})


async def test_several_judges_and_a_panel(tmp_path: Path) -> None:
    text = """\
name: many
data: {path: rows.jsonl}
judges:
  - {name: a, model: 'fake:Scores: \\boxed{7, 3}', orders: fixed}
  - {name: b, model: 'fake:Scores: \\boxed{6, 4}', orders: fixed, k: 2}
  - {name: both, members: [a, b]}
"""
    suite(tmp_path)
    (tmp_path / "many.yaml").write_text(text, encoding="utf-8")
    made = load_suite(tmp_path / "many.yaml")
    result = await run_suite(made, tmp_path / "run")
    assert list(result.summaries) == ["a", "b", "both"]
    assert summary(tmp_path / "run")["judges"]["both"]["accuracy"] == 1.0
    with RunStore(tmp_path / "run") as store:
        assert len(list(store.verdicts(2))) == N


def test_the_plan_counts_requests_and_tokens(tmp_path: Path) -> None:
    (plan,) = plan_suite(suite(tmp_path))
    assert (plan.samples, plan.votes, plan.requests) == (N, N * K, N * 2)
    assert plan.tokens_in > N * 2 * 300
    assert plan.tokens_out == N * K * 2048
    assert plan.cost is None


@pytest.mark.parametrize("data", ["{path: rows.jsonl, subsets: [none]}", "{samples: []}"])
async def test_an_empty_suite_is_told_before_anything_is_written(tmp_path: Path, data: str) -> None:
    path = suite(tmp_path).path
    text = f"name: mine\ndata: {data}\njudges: {{model: 'fake:x'}}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"no samples; its data has none|no sample is of subset"):
        await run_suite(load_suite(path), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="no sample"):
        plan_suite(load_suite(path))


async def test_cancelling_a_run_closes_everything(tmp_path: Path) -> None:
    async def slow() -> str:
        await asyncio.sleep(60)
        return ""

    judge = Judge(FakeBackend(lambda *_: slow()), k=1)
    task = asyncio.create_task(run_suite(suite(tmp_path), tmp_path / "run", judges=[judge]))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    RunStore(tmp_path / "run", write=True).close()  # the lock is free again


def _without_time(found: dict[str, Any]) -> str:
    return json.dumps({k: v for k, v in found.items() if k not in ("usage", "judges")})
