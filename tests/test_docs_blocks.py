"""Every fenced block of README.md and of the pages in `docs` runs when it is pasted.

CONTRIBUTING.md says how pages mark their blocks.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.answering import answer
from tests.support.doc_blocks import (
    LANGUAGES,
    REASONS,
    ROOT,
    Block,
    Session,
    blocks,
    check_usage,
    command_lines,
)
from tests.support.fork_server import command_line
from tests.support.tiny_nano import needs_model

from deemster.testing import BatchServer

PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
]
_SLOW = "<!-- slow -->"
_KEYS = ("OPENAI", "ANTHROPIC", "GEMINI", "MISTRAL", "GROQ", "OPENROUTER", "DEEPSEEK")


def marked(page: str) -> object:
    slow = _SLOW in (ROOT / page).read_text("utf-8")
    return pytest.param(page, id=page, marks=[pytest.mark.slow] if slow else [])


@pytest.fixture
def server() -> Iterator[BatchServer]:
    """Stands in for all providers."""
    with BatchServer(answer, looks=0) as started:
        yield started


@pytest.fixture(scope="module")
def deemster() -> Iterator[str]:
    with command_line() as words:
        yield words


@pytest.fixture
def session(
    server: BatchServer, deemster: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Session]:
    """A folder that holds what the root of a clone has for users; API models on loopback."""
    for name in list(os.environ):
        if name.endswith("_BASE_URL") or name == "DEEMSTER_MODEL":
            monkeypatch.delenv(name)
    for key in _KEYS:
        monkeypatch.setenv(f"{key}_API_KEY", "key")
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    folder = tmp_path / "page"
    folder.mkdir()
    for name in ("examples", "recipes", "suites"):
        shutil.copytree(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield Session(folder, tmp_path / "shell", deemster)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@needs_model
@pytest.mark.parametrize("page", [marked(page) for page in PAGES if blocks(page)])
async def test_blocks_run(page: str, session: Session) -> None:
    for block in blocks(page):
        try:
            await session.take(block)
        except BaseException as error:
            error.add_note(f"in the block at {block.where}")
            raise


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_marked_as_they_should(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    found = blocks(page)
    assert text.count("\n```") + text.startswith("```") == 2 * len(found), "a fence is not read"
    assert [(one.where, one.language) for one in found if one.language not in LANGUAGES] == []
    reasons = [one for one in found if one.reason and not one.reason.startswith(REASONS)]
    assert [(one.where, one.reason) for one in reasons] == []


PYTHON = "judge.score(query)\n"


@pytest.mark.parametrize(
    ("language", "text", "error"),
    [
        pytest.param("python", PYTHON, NameError, id="python"),
        pytest.param("bash", "deemster score --nope\n", AssertionError, id="bash"),
        pytest.param("bash", "false\ntrue\n", AssertionError, id="bash, not the last line"),
        pytest.param("console", "$ echo two\none\n", AssertionError, id="console"),
        pytest.param("yaml", "judges: {k: 0}\n", ValueError, id="suite"),
        pytest.param("yaml", "rft: {train: {learning_rate: fast}}\n", ValueError, id="recipe"),
        pytest.param("yaml", "principles: [{weight: 3}]\n", ValueError, id="rubric"),
        pytest.param("yaml", "what: this\n", AssertionError, id="some yaml"),
        pytest.param("json", "{'a': 1}\n", ValueError, id="json"),
        pytest.param("jsonl", '{"a": 1}\n{\n', ValueError, id="jsonl"),
        pytest.param("toml", "a = \n", ValueError, id="toml"),
        pytest.param("csv", "a,b\n1\n", AssertionError, id="csv"),
    ],
)
async def test_a_block_that_is_wrong_fails(
    language: str, text: str, error: type[Exception], session: Session
) -> None:
    with pytest.raises(error):
        await session.take(Block("page.md", 7, language, text))


async def test_a_page_is_one_session(session: Session) -> None:
    page = """
```python title="mine.py"
x = 6
```

```bash
export Y=7; mkdir sub; cd sub
```

```console
$ echo "$Y" in "$(basename "$PWD")"
7 in ...
```

```python
from mine import x
assert x == 6
```

<!-- status: 3 -->
```bash
exit 3
```

<!-- not run by the tests: needs a key -->
```python
raise SystemExit
```
"""
    found = blocks("page.md", page)
    assert [block.line for block in found][:2] == [3, 7]
    for block in found:
        await session.take(block)
    assert (session.folder / "mine.py").read_text("utf-8") == "x = 6\n"


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("deemster run suite.yaml --limit 3", True),
        ("deemster train recipe.yaml --resume", True),
        ("deemster cascade fit A B --level 0.8 | tee log", True),
        ("deemster --version", True),
        ("deemster run suite.yaml --limits 3", False),
        ("deemster judge x", False),
        ("cat x | deemster score --input - --jsn", False),
    ],
)
def test_the_usage_of_what_is_not_run_is_checked(line: str, right: bool) -> None:
    [words] = command_lines(line)
    if right:
        check_usage(words)
        return
    with pytest.raises(Exception, match=r"(?i)no such"):
        check_usage(words)
