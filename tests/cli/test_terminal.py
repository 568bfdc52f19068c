"""Text from outside reaches the terminal without what would steer it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.text import Text
from tests.support.command_line import deemster

from deemster.backends import FakeBackend
from deemster.cli.render import Terminal
from deemster.cli.terminal import write_anything
from deemster.integrations.asserting import explain
from deemster.judges import Judge
from deemster.judges.settings import announce
from deemster.shown import harmless
from deemster.testing import OpenAIServer, Raw

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\u202egnp.exe\u2066\x7f"


def test_what_stays_and_what_goes() -> None:
    assert harmless(f"a{STEERING}b") == "a[2J]0;owned31mgnp.exeb"
    for text in ("plain", "a\tb\nc", "👩\u200d🔬 ❤️", "سلام\u200f!", "é\u0301"):
        assert harmless(text) == text


def test_a_console_keeps_its_own_codes() -> None:
    out = io.StringIO()
    console = Terminal(file=out, force_terminal=True, color_system="standard", width=60)
    console.print(Text(STEERING, style="bold"))
    assert out.getvalue() == "\x1b[1m[2J]0;owned31mgnp.exe\x1b[0m\n"


@pytest.mark.parametrize("status", [200, 400])
def test_neither_responses_nor_servers_steer_the_terminal(
    openai_server: Callable[..., OpenAIServer], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    said = f"{STEERING}\nScores: \\boxed{{7, 3}}"
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": said},
        "finish_reason": "stop",
    }
    body = (
        {"choices": [choice]} if status == 200 else {"error": {"message": said, "code": STEERING}}
    )
    server = openai_server(raw=lambda _: Raw(body, status))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-12345678")
    where = ["--model", "openai/j", "--api-base", server.url]
    done = deemster("score", "-q", STEERING, "-r", STEERING, "-r", "b", *where)
    assert "gnp.exe" in done.stdout, done
    for text in (done.stdout, done.stderr):
        assert harmless(text) == text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "shift_jis"])
def test_what_the_terminal_cannot_show_is_escaped_and_json_stays_json(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    text = "é 答 😀 half \ud83d, byte \udcff"
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr("sys.stdout", out)
    write_anything()
    out.write(json.dumps(text, ensure_ascii=False))
    out.seek(0)
    assert json.loads(out.read()) == text


def test_what_a_test_and_a_notice_say_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    said = f"Analysis: {STEERING}\nScores: \\boxed{{7}}"
    verdict = Judge(FakeBackend(said), k=1).score_sync("q", ["a"])
    told = explain("too low", verdict, {"response": STEERING})
    announce(f"deemster: {STEERING}\nall passed")
    for text in (told, capsys.readouterr().err):
        assert "gnp.exe" in text
        assert harmless(text) == text
    assert "\nall" not in text


FOLDER = f"a{STEERING}|**b**<img src=x>`c`\n# Passed".replace("/", "")


def test_names_of_files_steer_nothing(tmp_path: Path) -> None:
    """Nor do they in what a continuous-integration job or the Hub shows as Markdown."""
    named = f"{FOLDER}\udcff"  # a byte that is no UTF-8
    folder = tmp_path / named
    folder.mkdir()
    row = {"query": "q", "responses": ["a", "b"], "ground_truth": [1, 0], "subset": FOLDER}
    rows = [row | {"id": f"{i}{FOLDER} @org/team http://h www.h"} for i in range(3)]
    (folder / f"{FOLDER}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    judge = {"name": "j", "model": "fake:Scores: \\boxed{7, 4} <img src=x> **b**"}
    suite = {"name": FOLDER, "data": {"path": f"{FOLDER}.jsonl"}, "judges": [judge]}
    path, run, gate = folder / "s.yaml", str(folder / named), tmp_path / "gate.md"
    path.write_text(json.dumps(suite), "utf-8")
    done = [
        deemster("run", str(path), "--out", run),
        deemster("report", run, "--title", FOLDER),
        deemster("gate", run, run, "--summary", str(gate), "--junit", str(folder / "gate.xml")),
        deemster("compare", run, run),
        deemster("export", run, "--out", str(folder / "votes.jsonl")),
        deemster("rescore", run, "--aggregator", "mean", "--out", str(folder / "again")),
        deemster("push", run, "--to", str(tmp_path / f"pushed{named}")),
        deemster("report", str(folder / "none")),
        deemster("run", str(folder / f"{FOLDER}.jsonl")),
    ]
    assert [one.returncode for one in done] == [0, 0, 3, 0, 0, 0, 0, 2, 2], done
    for one in done:
        for text in (one.stdout, one.stderr):
            assert harmless(text) == text
        assert not any(line.startswith("# Passed") for line in one.stderr.splitlines())
    card = (tmp_path / f"pushed{named}" / "README.md").read_text("utf-8").partition("\n---\n")[2]
    tests = (folder / "gate.xml").read_text("utf-8")
    assert harmless(tests) == tests
    for text in (gate.read_text("utf-8"), card):
        assert harmless(text) == text
        assert not re.search(r"(?<!\\)<img|(?<!\\)\*\*b|^# Passed", text, re.MULTILINE)
        assert not re.search(r"@\w|://h|www\.", text)
