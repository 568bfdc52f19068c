"""Secrets in what outlives a command: files of batches, replaced rows, logs beside a database."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.canaries import PROVIDER_KEYS, canary, leaks
from tests.support.command_line import Done, deemster

from deemster import redaction, sqlite_file
from deemster.aggregators import Sum
from deemster.backends import Request
from deemster.backends.cassette import Cassette
from deemster.judges import decide
from deemster.schemas import Completion, JudgeInfo, Judgment, Message, Sample, Sampling
from deemster.suites.store import RunStore
from deemster.testing import BatchServer, Call

CLEAR, ODD = canary("CLEAR"), "canary'.\"\\ü/ ?"
ALL = [CLEAR, ODD, *(canary(name) for name in (*PROVIDER_KEYS, "PART"))]
VERDICT = (
    "Specific Criteria:\n1. Truth (weight: 100%%): x\n\nAnalysis:\n- Response 1: y\n"
    "- Response 2: z\n\nScores: \\boxed{4, %d}"
)
OPTIONS = (
    "{api_base: 'URL?token=${PART}', api_key: '${PART}', extra: {extra_headers: {X-A: CLEAR}, "
    "user: '${PART}', extra_body: {a: ['x${ODD}']}}}"
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(redaction, "_written", {})
    monkeypatch.setattr(redaction, "_hidden", {})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in (*PROVIDER_KEYS, "PART"):
        monkeypatch.setenv(name, canary(name))
    monkeypatch.setenv("ODD", ODD)


def echo(call: Call, _choice: int) -> str:
    """All that the request said, and a verdict."""
    digit = zlib.crc32(json.dumps(call.body).encode()) % 6
    return f"you sent {json.dumps(call.body)} and {call.body['user']}\n{VERDICT % digit}"


def lost_once(_id: str, times: int) -> Any:
    """The first batch loses every request."""
    return "answered" if times else "dropped"


def requests(server: BatchServer) -> list[bytes]:
    """The files that were submitted."""
    return [content for name, content in server.files.items() if name.startswith("file-")]


class Talkative(BatchServer):
    """Says what it was sent in errors and as the reason why a batch failed, too."""

    def _answer_line(self, request: dict[str, Any], *more: Any) -> None:
        super()._answer_line(request, *more)
        for line in more[2]:
            body = (line["response"] or {}).get("body")
            if body:
                body["error"]["message"] = f"{request} {ODD} {canary('PART')}"


def suite(folder: Path, url: str, samples: int = 2) -> Path:
    rows = [
        {"query": f"q{i}", "responses": ["a", "b"], "ground_truth": [i % 2, 1 - i % 2]}
        for i in range(samples)
    ]
    options = OPTIONS.replace("URL", url).replace("CLEAR", CLEAR)
    path = folder / "suite.yaml"
    path.write_text(
        f"name: s\ndata: {{samples: {json.dumps(rows)}}}\n"
        f"judges: [{{name: j, model: openai/j, k: 2, options: {options}}}]\n",
        "utf-8",
    )
    return path


def command(path: Path, out: Path) -> list[str]:
    return ["run", str(path), "--out", str(out), "--trust-suite", "--batch", "--batch-wait", "0.1"]


def test_batches_that_are_waited_for(tmp_path: Path) -> None:
    """Ended by Ctrl-C between submission and answer, the requests lie in a file: without secrets.

    What was submitted has them, and so has what the process that goes on submits of that file.
    """
    with BatchServer(echo, looks=10**6, fates=lost_once) as server:
        path, out = suite(tmp_path, server.url), tmp_path / "out"
        out.mkdir()
        run = command(path, out / "run")
        process = subprocess.Popen(
            [sys.executable, "-m", "deemster", *run],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
        )  # fmt: skip
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "looking again" in line:
                break
        process.send_signal(signal.SIGINT)
        stdout, rest = process.communicate(timeout=20)
        done = [Done(process.returncode, stdout, said + rest)]
        assert process.returncode == 130
        assert (out / "run" / "batches.sqlite").exists()
        assert not leaks(out, done, "", ALL)
        server.looks = 0
        for batch in server.batches.values():
            batch.looks = 0
        done.append(deemster(*run, "--resume"))
        assert done[1].returncode == 0, done[1].stderr
        assert not leaks(out, done, "", ALL)
        first, second = server.files["file-0"], next(reversed(requests(server)))
        assert sorted(first.splitlines()) == sorted(second.splitlines())
        bodies = [json.loads(line)["body"] for line in second.splitlines()]
        assert {body["user"] for body in bodies} == {canary("PART")}
        assert {body["extra_body"]["a"][0] for body in bodies} == {f"x{ODD}"}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"fates": lambda *_: "400"}, id="each-refused"),
        pytest.param(
            {"refused": f"no: {ODD}, {canary('PART')}"},
            id="refused-as-a-whole",
            marks=pytest.mark.slow,
        ),
        pytest.param({"lost_answers": 1}, id="made-in-silence", marks=pytest.mark.slow),
        pytest.param({"fates": lambda *_: "dropped"}, id="lost", marks=pytest.mark.slow),
    ],
)
def test_batches_that_fail(tmp_path: Path, options: dict[str, Any]) -> None:
    """What the provider says of them has no secret in it, on the screen or in a file."""
    with Talkative(echo, looks=0, **options) as server:
        out = tmp_path / "out"
        out.mkdir()
        run = command(suite(tmp_path, server.url), out / "run")
        done = [deemster(*run), deemster(*run, "--resume")]
    assert [one.returncode for one in done] != [0, 0] or "lost_answers" in options
    assert not leaks(out, done, "", ALL)


@pytest.fixture
def careless_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """As most builds of SQLite are: what is deleted stays in the file until it is overwritten."""
    connect = sqlite_file._connect

    def careless(*args: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*args, **options)
        db.execute("PRAGMA secure_delete = OFF")
        return db

    monkeypatch.setattr(sqlite_file, "_connect", careless)


def texts(size: int) -> tuple[str, str]:
    """What is written first, and what replaces it: shorter, so that it overwrites little."""
    return canary("PART") + "x, y; " * size, "z"


def replace_votes(folder: Path, first: str, second: str) -> None:
    with RunStore(folder / "run", write=True) as store:
        info = JudgeInfo(name="j", model="m", aggregator="sum()", k=1)
        store.set_judges([info])
        store.add_samples([Sample(query="q", responses=["a", "b"])])
        for text in (first, second):
            vote = Judgment(scores=(1.0, 2.0), order=(0, 1), raw=text)
            store.put(0, 0, decide([vote], n=2, k=1, reducer=Sum(), info=info))


def replace_facts(folder: Path, first: str, second: str) -> None:
    with RunStore(folder / "run", write=True) as store:
        for text in (first, second):
            store.set_value("note", text)


def replace_completions(folder: Path, first: str, second: str) -> None:
    request = Request(messages=(Message(role="user", content="q"),), sampling=Sampling())
    with Cassette(folder / "cassette.sqlite") as cassette:
        for text in (first, second):
            cassette.put(request, "m", {0: Completion(text=text)}, replace=True)


@pytest.mark.usefixtures("careless_sqlite")
@pytest.mark.parametrize("size", [1, 20_000], ids=["on-a-page", "over-many-pages"])
@pytest.mark.parametrize("replace", [replace_votes, replace_facts, replace_completions])
def test_what_is_replaced_is_gone(
    tmp_path: Path, replace: Callable[[Path, str, str], None], size: int
) -> None:
    replace(tmp_path, *texts(size))
    assert not leaks(tmp_path, [], "", ALL)


def test_the_search_finds_what_is_compressed_and_what_was_deleted(tmp_path: Path) -> None:
    file = tmp_path / "any.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("CREATE TABLE any (body BLOB)")
        for text in (f"gone {CLEAR}", f"kept {ODD}"):
            db.execute("INSERT INTO any VALUES (?)", [zlib.compress(text.encode(), 1)])
        db.execute("DELETE FROM any WHERE rowid = 1")
        db.commit()
    found = leaks(tmp_path, [], "", ALL)
    assert [where.partition(":")[0] for where in found] == [
        "rows of any.sqlite", "compressed in any.sqlite", "compressed in any.sqlite",
    ]  # fmt: skip


@pytest.mark.slow
def test_everything_that_is_made_of_a_run(tmp_path: Path) -> None:
    with BatchServer(echo) as server:
        out, labels = tmp_path / "out", tmp_path / "labels.jsonl"
        out.mkdir()
        path = suite(tmp_path, server.url, samples=60)
        run, copy = str(out / "run"), str(out / "copy")
        labels.write_text("".join(f'{{"id": "{i}", "label": {i % 2}}}\n' for i in range(60)))
        done = [
            deemster("run", str(path), "--out", run, "--trust-suite"),
            deemster("run", str(path), "--out", copy, "--trust-suite", "--set", "seed=1"),
        ]
        done += [
            deemster(*arguments)
            for arguments in (
                (
                    "calibrate",
                    run,
                    "--labels",
                    str(labels),
                    "--first",
                    "0",
                    "--out",
                    str(out / "calibration.json"),
                    "--diagram",
                    str(out / "diagram.svg"),
                ),
                ("panel", run, copy, "--out", str(out / "panel"), "--weights", str(out / "w.json")),
                ("diagnose", run, copy),
                (
                    "gate",
                    run,
                    copy,
                    "--junit",
                    str(out / "gate.xml"),
                    "--summary",
                    str(out / "gate.md"),
                ),
                ("plan", "--judge", run, "--effect", "20%"),
                ("cascade", "fit", run, copy, "--out", str(out / "cascade.json"), "--samples", "3"),
                ("principles", "mine", run, "--bank", str(out / "bank.sqlite")),
                ("rescore", run, "--aggregator", "median", "--out", str(out / "again")),
                ("report", run, "--out", str(out / "report.html")),
                ("export", run, "--table", "samples", "--out", str(out / "samples.jsonl")),
                ("push", run, "--to", str(out / "pushed")),
            )
        ]
    assert [(one.returncode, one.stderr) for one in done if one.returncode not in (0, 3)] == []
    assert not leaks(out, done, "", ALL)
