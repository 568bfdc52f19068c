"""What README.md and docs/judging.md show runs when it is pasted.

The blocks of a page are run in order and share their names. Models behind an API are a server on
loopback. A block that cannot run offline has a comment before it in the page that says why.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest
from tests.conftest import ServerFactory
from tests.support.openai_server import Call
from tests.support.tiny_nano import needs_model

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/judging.md")
NOT_RUN = {"README.md": 1, "docs/judging.md": 0}
"""Blocks that a comment takes out: a new one must be meant."""
_BLOCK = re.compile(
    r"(?:<!-- not run by the tests: (?P<reason>[^\n]+) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SERVED = {"anthropic/": "openai/"}
"""The server on loopback speaks one protocol, so it stands in for the other providers too."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    reason: str
    """Why it is not run; empty if it is."""


def blocks(page: str, language: str) -> list[Block]:
    text = (ROOT / page).read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, match.start("text")) + 1, language, match["text"],
              match["reason"] or "")
        for match in _BLOCK.finditer(text)
        if match["language"] == language
    ]  # fmt: skip


def compiled(block: Block) -> CodeType:
    source = "\n" * (block.line - 1) + block.text
    for provider, stand_in in _SERVED.items():
        source = source.replace(f'"{provider}', f'"{stand_in}')
    code = compile(source, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(code, CodeType)
    return code


def judgment(_call: Call, _choice: int) -> str:
    return (
        "Specific criteria:\n1. Correctness (Weight: 100%): is it right?\n"
        "Analysis:\n- Response 1: wrong.\n- Response 2: right.\nScores: \\boxed{3, 9}"
    )


@pytest.fixture
def served(openai_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """API models answer from loopback; files are looked for, and made, in an empty folder."""
    server = openai_server(judgment)
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("DEEMSTER_MODEL", raising=False)
    monkeypatch.chdir(tmp_path)


@needs_model
@pytest.mark.parametrize("page", PAGES)
async def test_python_blocks_run(page: str, served: None) -> None:
    shown = blocks(page, "python")
    run = [block for block in shown if not block.reason]
    assert len(shown) - len(run) == NOT_RUN[page]
    names: dict[str, Any] = {"__name__": "pasted"}
    for block in run:
        result = eval(compiled(block), names)
        if inspect.iscoroutine(result):
            await result
    assert len(run) >= 3
    # What the last verdict came to: an answer that could not be read would not stop a block.
    assert names["verdict"].n_valid == names["verdict"].k
    assert names["verdict"].rewards is not None


@needs_model
@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page, "bash")],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_command_lines_run(block: Block, served: None) -> None:
    command = f'set -e\ndeemster() {{ "{sys.executable}" -m deemster "$@"; }}\n{block.text}'
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "verdict" in done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(list(_BLOCK.finditer(text)))


def test_a_block_that_does_not_run_fails() -> None:
    block = Block("page.md", 7, "python", "judge.score(query)\n", "")
    with pytest.raises(NameError, match="judge"):
        eval(compiled(block), {})
