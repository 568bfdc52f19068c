"""Text from outside reaches the terminal without what would steer it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.text import Text
from tests.support.command_line import deemster

from deemster.cli.render import Terminal
from deemster.cli.terminal import harmless
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
