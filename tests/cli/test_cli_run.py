"""Suites, reports and exports from the command line."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.command_line import Done, deemster
from tests.support.small_suite import write_small_suite

from deemster.cli.run import Figures, default_directory
from deemster.testing import OpenAIServer

ServerFactory = Callable[..., OpenAIServer]

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "suites" / "quickstart.yaml")
GOOD = "name: s\ndata: {samples: [{query: q, responses: [a, b], ground_truth: [1, 0]}]}\n"
JUDGE = "judges: {model: 'fake:Scores: \\boxed{7, 3}', orders: fixed}\n"


def one_line(done: Done) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


def suite(tmp_path: Path, text: str) -> str:
    path = tmp_path / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_run_report_rescore_export(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    small = str(write_small_suite(tmp_path))
    done = deemster("run", small, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "100.00%" in done.stdout
    assert "scripted: 6 of 6 samples to judge" in done.stderr
    again = deemster("run", small, "--out", out, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["n"] == 6

    page = tmp_path / "page.html"
    done = deemster("report", out, "-o", str(page))
    assert done.returncode == 0, done.stderr
    assert "Content-Security-Policy" in page.read_text("utf-8")
    assert json.loads(page.with_suffix(".json").read_text("utf-8"))["judges"]

    done = deemster("rescore", out, "-k", "1", "--aggregator", "mean", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["judge"]["aggregator"] == "mean()"
    done = deemster("rescore", out, "--out", str(tmp_path / "again"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again" / "summary.json").exists()

    done = deemster("export", out, "--out", str(tmp_path / "votes.jsonl"))
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "votes.jsonl").read_text("utf-8").splitlines()) == 24


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    small = str(write_small_suite(tmp_path))
    done = deemster("run", small, "--dry-run", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "24" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [(), ("--batch",), ("-k", "2")], ids=["plain", "batch", "k"])
def test_a_dry_run_as_json(tmp_path: Path, options: tuple[str, ...]) -> None:
    small = str(write_small_suite(tmp_path))
    done = deemster("run", small, "--dry-run", "--json", *options)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    votes = 12 if "-k" in options else 24
    assert found["batch"] is ("--batch" in options)
    assert [(one["judge"], one["votes"], one["cost"]) for one in found["judges"]] == [
        ("scripted", votes, None)
    ]


PAID = "judges: {model: hosted_vllm/judge, options: {prices: {tokens_in: 1, tokens_out: 1}}}\n"


def test_what_cannot_be_asked_is_told_before_anything_is_written(tmp_path: Path) -> None:
    path, out = suite(tmp_path, GOOD + PAID), tmp_path / "run"
    nowhere = {"HOSTED_VLLM_API_BASE": ""}
    said = one_line(deemster("run", path, "--out", str(out), env=nowhere))
    assert "model 'hosted_vllm/judge' needs the URL of its server" in said
    assert not out.exists()
    done = deemster("run", path, "--dry-run", env=nowhere)
    assert done.returncode == 2
    assert "hosted_vllm/judge" in done.stdout  # the plan is shown all the same
    assert "needs the URL of its server" in done.stderr


def test_the_same_refusal_again_and_again_ends_a_run(
    openai_server: ServerFactory, tmp_path: Path
) -> None:
    server = openai_server(faults=lambda _: "401")
    rows = ", ".join(f"{{query: q{i}, responses: [a, b]}}" for i in range(40))
    judge = f"{{model: hosted_vllm/judge, options: {{api_base: '{server.url}', concurrency: 1}}}}"
    text = f"name: s\ndata: {{samples: [{rows}]}}\njudges: {judge}\n"
    done = deemster("run", suite(tmp_path, text), "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "HTTP 401: Incorrect API key provided" in done.stderr
    assert "nothing more is sent" in done.stderr
    assert server.ledger.hits == 3


def test_dry_run_of_the_quickstart(tiny_nano: Path) -> None:
    done = deemster("run", QUICKSTART, "--dry-run")
    assert done.returncode == 0, done.stderr
    for part in ("one vote", "meta RM", "384"):  # 12 samples, 32 votes
        assert part in done.stdout


def test_a_budget_is_for_paid_models_only(tiny_nano: Path, tmp_path: Path) -> None:
    text = GOOD + "judges: {model: nano, max_tokens: 8}\nbudget: {usd: 1}\n"
    done = deemster("run", suite(tmp_path, text), "--out", str(tmp_path / "run"))
    assert done.returncode == 3, done.stderr  # random weights write no verdict


def test_schema_is_json() -> None:
    assert json.loads(deemster("run", "--schema").stdout)["title"] == "deemster suite"


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        pytest.param("thresholds: {accuracy: '>= 0.9'}\n", 0, "", id="holds"),
        pytest.param("thresholds: {ties: '> 50%'}\n", 3, "ties is 0; the suite asks", id="broken"),
    ],
)
def test_thresholds_decide_the_exit_status(
    tmp_path: Path, text: str, status: int, said: str
) -> None:
    path = suite(tmp_path, GOOD + JUDGE + text)
    done = deemster("run", path, "--out", str(tmp_path / "run"))
    assert done.returncode == status, done.stderr
    assert said in done.stderr


def test_unscored_samples_are_status_3_unless_a_threshold_allows_them(tmp_path: Path) -> None:
    broken = GOOD + "judges: {model: 'fake:no verdict'}\n"
    done = deemster("run", suite(tmp_path, broken), "--out", str(tmp_path / "a"))
    assert done.returncode == 3
    assert "1 samples have no verdict; --resume tries them again" in done.stderr
    allowed = broken + "thresholds: {unscored: '<= 100%'}\n"
    done = deemster("run", suite(tmp_path, allowed), "--out", str(tmp_path / "b"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(GOOD + JUDGE + "colour: red\n", "unknown key 'colour'", id="key"),
        pytest.param(GOOD + JUDGE.replace("fixed", "sideways"), "judges.orders", id="type"),
        pytest.param(GOOD + JUDGE + "budget: {usd: 0}\n", "budget.usd", id="budget"),
        pytest.param("name: s\ndata: {path: none.jsonl}\n" + JUDGE, "none.jsonl", id="no-file"),
        pytest.param(
            "name: s\ndata: {benchmark: none}\n" + JUDGE, "unknown benchmark 'none'", id="benchmark"
        ),
        pytest.param(
            GOOD + "judges:\n- {name: a, members: [b]}\n- {name: b, members: [a]}\n",
            "in a circle",
            id="circle",
        ),
        pytest.param(
            GOOD + "judges: {model: 'fake:x', k: 2, k_meta: 3, meta_rm: 'fake:x'}\n",
            "k_meta must be from 1 to k=2, got 3",
            id="k-meta",
        ),
        pytest.param(
            GOOD + "judges: {model: 'vlm:x'}\n", "unknown model scheme 'vlm'", id="scheme"
        ),
    ],
)
def test_bad_suites_write_nothing(tmp_path: Path, text: str, message: str) -> None:
    path = suite(tmp_path, text)
    line = one_line(deemster("run", path, "--out", str(tmp_path / "run")))
    assert message in line
    assert not (tmp_path / "run").exists()


def test_bad_usage(tmp_path: Path) -> None:
    assert "SUITE is missing" in one_line(deemster("run"))
    assert "unknown engine 'moon'" in one_line(deemster("run", QUICKSTART, "--engine", "moon"))
    assert "no run in" in one_line(deemster("report", str(tmp_path)))
    assert "no run in" in one_line(deemster("rescore", str(tmp_path)))
    assert "must end in .html" in one_line(
        deemster("report", str(tmp_path), "-o", str(tmp_path / "page.txt"))
    )


INTERRUPTED_TWICE = """
import atexit, os, signal, sys, threading, time
from deemster.cli import app

def again(*_):
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    time.sleep(0.2)

def interrupted(**_):
    raise KeyboardInterrupt

class Last:
    __del__ = again

if sys.argv[1] == "with the modules":
    kept = Last()
elif sys.argv[1] == "at exit":
    atexit.register(again)
else:
    threading.Thread(target=lambda: (time.sleep(0.3), again(), time.sleep(30))).start()
app._command = lambda: interrupted
app.main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("moment", ["with the modules", "at exit", "while a thread is waited for"])
def test_a_second_interrupt_changes_no_status(moment: str, name: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED_TWICE, moment, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=25, check=False)
    assert (done.returncode, done.stderr) == (130, "deemster: interrupted\n")


@pytest.mark.parametrize(
    ("number", "shell"),
    [
        (signal.SIGINT, ""),
        (signal.SIGTERM, ""),
        pytest.param(signal.SIGTERM, "trap '' INT; ", id="SIGTERM to a job that ignores Ctrl-C"),
    ],
)
def test_an_interrupted_run_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals, shell: str
) -> None:
    rows = [json.dumps({"query": f"q{i}", "responses": ["a", "b"]}) for i in range(20_000)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    path = suite(tmp_path, "name: s\ndata: {path: rows.jsonl}\n" + JUDGE)
    out = tmp_path / "run"
    process = subprocess.Popen(
        ["sh", "-c", f'{shell}exec "$@"', "sh",
         sys.executable, "-m", "deemster", "run", path, "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "completions.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr


def test_ctrl_c_before_the_commands_are_there() -> None:
    program = """
import sys, types
class Importing(types.ModuleType):
    def __getattr__(self, name):
        exec("raise KeyboardInterrupt")  # Python notes it, and would end itself by SIGINT
sys.modules["deemster.cli.app"] = Importing("app")
from deemster.cli import main
main()
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=25, check=False)
    assert (done.returncode, done.stderr) == (130, "deemster: interrupted\n")


def test_a_full_disk_is_one_line_and_the_run_goes_on(tmp_path: Path) -> None:
    small, out = str(write_small_suite(tmp_path)), str(tmp_path / "run")
    whole = deemster("run", small, "--out", str(tmp_path / "whole"), "--json").stdout
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 30_000, 60_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            done = deemster("run", small, "--out", out, "--resume")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        line = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert re.search("disk|File too large|full", line), line
    done = deemster("run", small, "--out", out, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == json.loads(whole)["accuracy"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["judges", "list"], id="table"),
        pytest.param(["run", "--schema"], id="json"),
        pytest.param(["--help"], id="help"),
    ],
)
def test_output_to_a_full_disk_is_one_line(command: list[str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "deemster", *command],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    line = "deemster: cannot write: No space left on device; make room and give the command again\n"
    assert (done.returncode, done.stderr) == (2, line)


@pytest.mark.parametrize("name", ["summary.json", "suite.json", "environment.json"])
def test_a_file_of_the_run_that_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    out = tmp_path / "run"
    (out / name).mkdir(parents=True)
    done = deemster("run", suite(tmp_path, GOOD + JUDGE), "--out", str(out))
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"deemster: cannot write {str(out / name)!r}: Is a directory"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        pytest.param("my eval", "my-eval", id="blank"),
        pytest.param("a/b/../c", "a-b-..-c", id="slashes"),
        pytest.param("../up", "up", id="above"),
        pytest.param(".hidden", "hidden", id="hidden"),
        pytest.param("v1.2 (new)", "v1.2-new", id="version"),
        pytest.param("评测", "评测", id="chinese"),
    ],
)
def test_a_run_has_a_folder_of_its_own(name: str, folder: str) -> None:
    assert default_directory(name) == Path("runs") / folder


@pytest.mark.parametrize("name", ["..", ".", "???", "- -", "评" * 100])
def test_a_name_that_is_none_of_a_folder_needs_an_out(tmp_path: Path, name: str) -> None:
    path = suite(tmp_path, (GOOD + JUDGE).replace("name: s", f"name: {json.dumps(name)}"))
    assert "give --out" in one_line(deemster("run", path))


def test_compare_is_for_ci(tmp_path: Path) -> None:
    small = str(write_small_suite(tmp_path))
    good, bad = str(tmp_path / "good"), str(tmp_path / "bad")
    assert deemster("run", small, "-o", good).returncode == 0
    worse = deemster("run", small, "-o", bad, "-m", "fake:no scores", "-k", "1", "--limit", "4")
    assert worse.returncode == 3
    assert "4 votes failed (parse_error)" in worse.stdout
    done = deemster("compare", good, bad, "--judge", "scripted")
    assert done.returncode == 0, done.stderr  # four items are too few for the test
    assert "2 items only in the first" in done.stdout
    page = tmp_path / "compared.json"
    done = deemster("compare", good, bad, "--max-drop", "2%", "--json", "-o", str(page))
    assert done.returncode == 3
    assert "is worse than" in done.stderr
    assert json.loads(done.stdout) == json.loads(page.read_text("utf-8"))
    assert len(json.loads(done.stdout)["changes"]) == 4
    assert "--max-drop '2x'" in one_line(deemster("compare", good, bad, "--max-drop", "2x"))


@pytest.mark.parametrize("seconds", [0, 60])
def test_no_rate_over_a_moment(seconds: int) -> None:
    figures = Figures(time.monotonic() - seconds)
    figures.votes = 600
    assert ("votes/s" in figures.note) is (seconds > 0)
