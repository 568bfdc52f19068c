"""Runs through a batch API: the same verdicts as online, whatever becomes of the batches."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ServerFactory

from deemster.backends.batches import BatchLimits
from deemster.errors import InputError, UnusableModelError
from deemster.judges import Judge
from deemster.judges.case import Case
from deemster.judges.decide import unscored
from deemster.schemas import Verdict
from deemster.suites.batching import BatchEngine
from deemster.suites.engines import BATCHES
from deemster.suites.loading import load_suite
from deemster.suites.planning import plan_suite
from deemster.suites.runner import RunResult, run_suite
from deemster.suites.store import RunStore
from deemster.testing import BatchServer, Call
from deemster.testing.batches import Fate, Fates

N, K = 6, 4
LIMITS = BatchLimits(first_look=0.01, longest_wait=0.02)
OPTIONS = 'options: {api_base: "URL", api_key: none, prices: {tokens_in: 1, tokens_out: 2}}'
PLAIN = f"{{model: openai/scripted, k: 4, {OPTIONS}}}"
ADA = f"{{name: ada, model: openai/scripted, k: 2, {OPTIONS}}}"
BOB = f"{{name: bob, model: openai/scripted, k: 2, temperature: 0.7, {OPTIONS}}}"
KINDS = {
    "one-step": PLAIN,
    "json": f"{{model: openai/scripted, k: 2, dialect: json, {OPTIONS}}}",
    "panel": f"[{ADA}, {BOB}, {{name: both, type: panel, members: [ada, bob]}}]",
    "debate": f"[{ADA}, {BOB}, {{name: both, type: debate, members: [ada, bob], rounds: 2}}]",
    "cascade": f"[{ADA}, {BOB}, {{name: c, type: cascade, members: [ada, bob], thresholds: 0.9}}]",
    "adaptive": f"{{model: openai/scripted, k: 8, stop: 'decided:0.9', {OPTIONS}}}",
    "principles-first": f"{{model: openai/scripted, k: 2, principles: ahead, {OPTIONS}}}",
}


def noisy(call: Call, choice: int) -> str:
    """A judge whose text depends on the draw alone: on the prompt, the seed and the choice."""
    drawn_by = [call.body.get(name) for name in ("messages", "temperature", "seed")]
    seed = f"{drawn_by}|{choice}"
    drawn = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
    if "response_format" in call.body:
        a, b = drawn % 10 + 1, drawn // 10 % 10 + 1
        return json.dumps({"critiques": ["so", "so"], "scores": [a, b]})
    return f"Scores: \\boxed{{{drawn % 10 + 1}, {drawn // 10 % 10 + 1}}}"


@pytest.fixture
def batch_server() -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(BatchServer(noisy, **options))


def write(folder: Path, url: str, judges: str = PLAIN, more: str = "") -> Path:
    rows = [
        {"id": f"q{i}", "query": f"question {i}", "responses": ["right", "wrong"],
         "ground_truth": [1, 0]}
        for i in range(N)
    ]  # fmt: skip
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    path = folder / "suite.yaml"
    path.write_text(
        f"name: mine\ndata: {{path: rows.jsonl}}\njudges: {judges.replace('URL', url)}\n{more}",
        encoding="utf-8",
    )
    return path


async def run(path: Path, out: Path, *, batch: bool = True, **options: Any) -> RunResult:
    lines: list[str] = options.pop("lines", [])
    limits = options.pop("limits", LIMITS)
    engine = BatchEngine(limits=limits, report=lines.append) if batch else None
    return await run_suite(load_suite(path, trust=True), out, engine=engine, **options)


def told(out: Path) -> list[list[str]]:
    """By judge, everything about its verdicts but the seconds."""
    with RunStore(out) as store:
        return [
            [_timeless(verdict) for _, verdict in store.verdicts(j)]
            for j in range(len(store.judges()))
        ]


def _timeless(verdict: Verdict) -> str:
    return json.dumps(_clean(verdict.model_dump(mode="json")))


def _clean(value: Any) -> Any:
    """Without seconds; sums of money may be rounded otherwise, as they are added in any order."""
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if "seconds" not in k}
    if isinstance(value, float):
        return round(value, 9)
    return [_clean(one) for one in value] if isinstance(value, list) else value


def figures(out: Path) -> Any:
    return _clean(json.loads((out / "summary.json").read_text("utf-8")))


SLOW = pytest.mark.slow  # what others show too, in another form


@pytest.mark.parametrize(
    "kind",
    [
        "one-step",
        "json",
        pytest.param("panel", marks=SLOW),
        "debate",
        pytest.param("cascade", marks=SLOW),
        "adaptive",
        pytest.param("principles-first", marks=SLOW),
    ],
)
async def test_a_run_in_batches_gives_what_a_run_online_gives(
    kind: str, tmp_path: Path, batch_server: Any
) -> None:
    path = write(tmp_path, batch_server().url, KINDS[kind])
    await run(path, tmp_path / "online", batch=False)
    lines: list[str] = []
    await run(path, tmp_path / "batch", lines=lines)
    assert told(tmp_path / "batch") == told(tmp_path / "online")
    assert figures(tmp_path / "batch") == figures(tmp_path / "online")
    assert lines
    assert not list((tmp_path / "batch").glob(f"{BATCHES}*"))


def every_third(fate: Fate, times: int) -> Fates:
    """Requests whose id says so meet a fate in their first `times` batches."""
    return lambda name, before: fate if int(name, 16) % 3 == 0 and before < times else "answered"


@pytest.mark.parametrize(
    "fate",
    [
        pytest.param("twice", marks=SLOW),
        "dropped",
        pytest.param("expired", marks=SLOW),
        pytest.param("500", marks=SLOW),
    ],
)
async def test_what_a_batch_lost_goes_into_the_next(
    fate: Fate, tmp_path: Path, batch_server: Any
) -> None:
    server = batch_server(fates=every_third(fate, times=2))
    path = write(tmp_path, server.url)
    await run(path, tmp_path / "online", batch=False)
    await run(path, tmp_path / "batch")
    assert told(tmp_path / "batch") == told(tmp_path / "online")
    most = 1 if fate == "twice" else 3
    assert Counter(server.submitted.values()) == {
        times: sum((int(name, 16) % 3 == 0) == (times == most) or most == 1
                   for name in server.submitted)
        for times in {1, most}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fate", "status", "reason"),
    [
        pytest.param("dropped", "api_error", "gave no line for it", id="dropped"),
        pytest.param("expired", "timeout", "the batch is expired", id="expired", marks=SLOW),
        pytest.param("400", "api_error", "HTTP 400: unknown field", id="refused"),
    ],
)
async def test_what_no_batch_answers_is_a_failure_and_is_asked_again_on_resume(
    fate: Fate, status: str, reason: str, tmp_path: Path, batch_server: Any
) -> None:
    server = batch_server(fates=every_third(fate, times=99))
    path, out = write(tmp_path, server.url), tmp_path / "batch"
    result = await run(path, out)
    unlucky = sum(int(name, 16) % 3 == 0 for name in server.submitted)
    with RunStore(out) as store:
        lost = [one for _, verdict in store.verdicts(0) for one in verdict.failures]
    if fate != "400":  # what is refused is asked again in another form, which may have luck
        assert 0 < len(lost) == unlucky * K // per_request(server)
    assert {one.status for one in lost} <= {status}
    assert all(reason in one.message for one in lost)
    tries = 1 if fate == "400" else LIMITS.tries
    assert max(server.submitted.values()) == tries
    assert result.spent["openai/scripted"].cost is not None
    server.fates = lambda _name, _times: "answered"
    await run(path, out, resume=True)
    await run(path, tmp_path / "online", batch=False)
    assert told(out) == told(tmp_path / "online")


def per_request(server: BatchServer) -> int:
    """Draws of one request, which all have the same number here."""
    sent = server.files[server.batches["batch-0"].file].splitlines()
    (n,) = {int(json.loads(raw)["body"].get("n", 1)) for raw in sent}
    return K // n


class Killed(BaseException):
    """Ends a run as nothing that it catches."""


@pytest.mark.parametrize(
    "word",
    [
        "is submitted",
        pytest.param("verdicts need", marks=SLOW),
        pytest.param("looking again", marks=SLOW),
        pytest.param("is completed", marks=SLOW),
    ],
)
async def test_a_run_that_is_killed_submits_nothing_twice(
    word: str, tmp_path: Path, batch_server: Any
) -> None:
    server = batch_server()
    path, out = write(tmp_path, server.url, KINDS["debate"]), tmp_path / "batch"

    def kill(line: str) -> None:
        if word in line:
            raise Killed

    kills = 0
    while True:
        engine = BatchEngine(limits=LIMITS, report=kill if kills < 3 else lambda _: None)
        try:
            await run_suite(load_suite(path, trust=True), out, engine=engine, resume=True)
        except Killed:
            kills += 1
        else:
            break
    assert kills
    assert set(server.submitted.values()) == {1}
    await run(path, tmp_path / "online", batch=False)
    assert told(out) == told(tmp_path / "online")
    assert figures(out)["spent"] == figures(tmp_path / "online")["spent"]


async def test_a_batch_whose_making_was_not_confirmed_is_found(
    tmp_path: Path, batch_server: Any
) -> None:
    server = batch_server(lost_answers=1)
    path = write(tmp_path, server.url)
    await run(path, tmp_path / "batch")
    assert len(server.batches) == 1
    assert set(server.submitted.values()) == {1}


async def test_batches_are_as_large_as_allowed(tmp_path: Path, batch_server: Any) -> None:
    server = batch_server()
    path = write(tmp_path, server.url)
    limits = BatchLimits(requests=5, first_look=0.01, longest_wait=0.02)
    await run(path, tmp_path / "requests", limits=limits)
    sizes = [len(server.files[one.file].splitlines()) for one in server.batches.values()]
    assert sizes == [5, 5, 2]
    limits = BatchLimits(megabytes=0.004, first_look=0.01, longest_wait=0.02)
    server.batches.clear()
    await run(path, tmp_path / "bytes", limits=limits)
    assert len(server.batches) > 2
    assert all(len(server.files[one.file]) <= 4000 for one in server.batches.values())
    assert told(tmp_path / "bytes") == told(tmp_path / "requests")


async def test_a_budget_holds_across_a_batch(tmp_path: Path, batch_server: Any) -> None:
    server = batch_server()
    path, out = write(tmp_path, server.url, more="budget: {calls: 5}\n"), tmp_path / "batch"
    result = await run(path, out)
    assert result.over_budget
    assert sum(server.submitted.values()) == 5
    path = write(tmp_path, server.url)
    assert not (await run(path, out, resume=True)).over_budget
    assert set(server.submitted.values()) == {1}


@pytest.mark.parametrize(
    ("options", "judges", "reason"),
    [
        pytest.param({"refused": "quota"}, PLAIN, "was refused: refused: quota", id="refused"),
        pytest.param({"refused": "token limit"}, PLAIN, "make batches smaller", id="too-large"),
        pytest.param({}, "{model: 'fake:x'}", "no model of this suite is behind", id="no-api"),
    ],
)
async def test_what_cannot_be_run_in_batches_says_why(
    options: dict[str, str], judges: str, reason: str, tmp_path: Path, batch_server: Any
) -> None:
    path, out = write(tmp_path, batch_server(**options).url, judges), tmp_path / "batch"
    with pytest.raises(InputError, match=reason):
        await run(path, out)
    await run(path, out, batch=False, resume=True)  # nothing was bought


async def test_a_run_with_batches_under_way_is_continued_only_with_them(
    tmp_path: Path, batch_server: Any
) -> None:
    def kill(line: str) -> None:
        if "looking again" in line:
            raise Killed

    path, out = write(tmp_path, batch_server().url), tmp_path / "batch"
    with pytest.raises(Killed):
        await run_suite(
            load_suite(path, trust=True), out, engine=BatchEngine(limits=LIMITS, report=kill)
        )
    with pytest.raises(InputError, match="has batches under way; give --batch to go on"):
        await run(path, out, batch=False, resume=True)
    await run(path, out, resume=True)


async def test_a_server_without_batches_is_named(
    tmp_path: Path, openai_server: ServerFactory
) -> None:
    path = write(tmp_path, openai_server().url)
    with pytest.raises(UnusableModelError, match=r"has no batch API \(HTTP 404 for /files\)"):
        await run(path, tmp_path / "batch")


async def test_a_judge_that_goes_on_without_an_answer_is_refused(
    tmp_path: Path, batch_server: Any
) -> None:
    class Stubborn(Judge):
        async def _judge(self, case: Case) -> Verdict:
            try:
                return await super()._judge(case)
            except asyncio.CancelledError:
                return unscored(InputError("no matter"), k=1, info=self.info)

    server = batch_server()
    judge = Stubborn("openai/scripted", api_base=server.url, api_key="none")
    path = write(tmp_path, server.url)
    async with judge:
        with pytest.raises(InputError, match="goes on without an answer"):
            await run(path, tmp_path / "batch", judges=[judge])


@SLOW
@pytest.mark.parametrize(
    ("model", "share"),
    [
        pytest.param("openai/gpt-5-mini", 0.5, id="listed"),
        pytest.param("openai/gpt-3.5-turbo-16k", None, id="no-price-of-batches"),
        pytest.param("openai/scripted", None, id="not-listed"),
    ],
)
def test_a_plan_has_the_price_of_batches(model: str, share: float | None, tmp_path: Path) -> None:
    path = write(tmp_path, "http://127.0.0.1:1/v1", f"{{model: {model}, k: 4}}")
    suite = load_suite(path)
    (online,), (batch,) = plan_suite(suite), plan_suite(suite, batch=True)
    assert (batch.requests, batch.tokens_in) == (online.requests, online.tokens_in)
    if share is None:
        assert batch.cost is None
    else:
        assert online.cost is not None
        assert batch.cost == pytest.approx(share * online.cost)


@SLOW
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_through_litellm_as_over_http(tmp_path: Path, batch_server: Any) -> None:
    server = batch_server(looks=0, fates=every_third("expired", times=1))
    path = write(tmp_path, server.url)
    await run(path, tmp_path / "http")
    text = path.read_text("utf-8").replace("openai/scripted", "litellm:openai/scripted")
    path.write_text(text, encoding="utf-8")
    await run(path, tmp_path / "litellm")

    def scores(out: Path) -> list[Any]:
        with RunStore(out) as store:
            return [[vote.scores for vote in one.judgments] for _, one in store.verdicts(0)]

    assert scores(tmp_path / "litellm") == scores(tmp_path / "http")
    assert sum(server.submitted.values()) > len(server.submitted)
    gc.collect()  # LiteLLM makes a client for each of its batch calls, and closes none


@SLOW
def test_a_process_that_is_killed_submits_nothing_twice(tmp_path: Path, batch_server: Any) -> None:
    server = batch_server(looks=3, lost_answers=1, fates=every_third("dropped", times=1))
    path, out = write(tmp_path, server.url, KINDS["debate"]), tmp_path / "batch"
    drawn, kills = random.Random(7), 0
    command = [sys.executable, "-m", "deemster", "run", str(path), "--trust-suite", "--batch"]
    while True:
        process = subprocess.Popen(
            [*command, "--batch-wait", "0.3", "--resume", "--out", str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        lines = drawn.randrange(1, 7) if kills < 5 else 10**6
        said = [line for line, _ in zip(process.stderr, range(lines), strict=False)]
        if len(said) < lines:
            break
        time.sleep(drawn.uniform(0, 0.4))
        process.kill()
        process.wait()
        process.stderr.close()
        kills += 1
    assert process.wait() == 0, said
    process.stderr.close()
    assert kills
    twice = {name for name, times in server.submitted.items() if times == 2}
    assert twice == {name for name in server.submitted if int(name, 16) % 3 == 0}
    assert set(server.submitted.values()) == {1, 2}
    asyncio.run(run(path, tmp_path / "online", batch=False))
    assert told(out) == told(tmp_path / "online")
