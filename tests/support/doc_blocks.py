"""Fenced blocks of the docs' pages: what they are, and how each is run or read.

CONTRIBUTING.md says how pages mark them.
"""

from __future__ import annotations

import ast
import csv
import doctest
import inspect
import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import typer.main
import yaml

from deemster.cli.app import app
from deemster.principles import load_rubric
from deemster.suites import load_suite
from deemster.suites.spec import SuiteSpec
from deemster.training import load_recipe
from deemster.training.trl_recipe import TrlRecipe

ROOT = Path(__file__).parents[2]
LANGUAGES = ("python", "bash", "console", "yaml", "json", "jsonl", "toml", "csv", "text")
REASONS = ("needs ", "takes ", "changes ")
"""How the reason of a block that is not run begins."""
_FENCE = re.compile(
    r"(?P<comments>(?:<!-- [^\n]+ -->\n)*)"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"\n]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"<!-- (?P<key>not run by the tests|status): (?P<value>[^\n]+) -->")
_PROVIDERS = re.compile(r"(?<![\w./-])(anthropic|gemini|mistral|groq|openrouter|deepseek)/(?=\w)")
"""The server on loopback speaks one protocol, so it stands in for the other providers too."""
_SHELL = """set -e
if [ -f {state} ]; then . {state}; fi
trap 'export -p > {state}; printf "cd %q\\n" "$PWD" >> {state}' EXIT
deemster() {{ {deemster} "$@"; }}
"""
_ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    """Of its text, from 1."""
    language: str
    text: str
    title: str = ""
    """The file it is saved as; empty if it is not."""
    reason: str = ""
    """Why it is not run; empty if it is."""
    status: int = 0
    """What its shell ends with."""

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str | None = None) -> list[Block]:
    """The blocks of a page, which is given by its path in the repository."""
    text = (ROOT / page).read_text("utf-8") if text is None else text
    found = []
    for match in _FENCE.finditer(text):
        said = {one["key"]: one["value"] for one in _COMMENT.finditer(match["comments"])}
        found.append(
            Block(
                page,
                text.count("\n", 0, match.start("text")) + 1,
                match["language"],
                match["text"],
                match["title"] or "",
                said.get("not run by the tests", ""),
                int(said.get("status", 0)),
            )
        )
    return found


class Session:
    """What the blocks of one page share: a folder, names of Python, a shell's environment."""

    def __init__(self, folder: Path, state: Path, command_line: str) -> None:
        self.folder = folder
        self.state = state
        self.command_line = command_line
        self.names: dict[str, Any] = {"__name__": "pasted"}

    @property
    def here(self) -> Path:
        """Where the shell is."""
        if not self.state.exists():
            return self.folder
        (last,) = shlex.split(self.state.read_text("utf-8").splitlines()[-1])[1:]
        return Path(last)

    async def take(self, block: Block) -> None:
        """Run a block, or read what is not run; what is wrong with it is an exception."""
        if block.reason or block.title:
            self.look(block)
            if block.title:
                path = self.here / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_served(block.text), encoding="utf-8")
        elif block.language == "python":
            result = eval(compiled(block), self.names)
            if inspect.iscoroutine(result):
                await result
        elif block.language == "bash":
            self.shell(block, block.text, status=block.status)
        elif block.language == "console":
            for command, shown, last in _commands(block.text):
                got = self.shell(block, command, status=block.status if last else 0)
                same = doctest.OutputChecker().check_output(shown, got, _ALIKE)
                assert same or not shown, f"{block.where}: {command}it shows\n{shown}but got\n{got}"
        else:
            self.look(block)

    def shell(self, block: Block, command: str, *, status: int) -> str:
        """What a command prints."""
        start = _SHELL.format(state=shlex.quote(str(self.state)), deemster=self.command_line)
        done = subprocess.run(
            ["bash", "-c", start + _served(command)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            timeout=300, check=False, cwd=self.folder, env={**os.environ, "COLUMNS": "100"},
        )  # fmt: skip
        assert done.returncode == status, f"{block.where}: {done.returncode}: {done.stdout}"
        return done.stdout

    def look(self, block: Block) -> None:
        """Read a block that is not run."""
        match block.language:
            case "python":
                compiled(block)
            case "bash" | "console":
                for line in command_lines(block.text):
                    check_usage(line)
            case "yaml" if block.reason:
                yaml.safe_load(block.text)
            case "yaml":
                read_yaml(block.text, self.folder)
            case "json":
                json.loads(block.text)
            case "jsonl":
                for row in block.text.splitlines():
                    json.loads(row)
            case "toml":
                tomllib.loads(block.text)
            case "csv":
                widths = {len(row) for row in csv.reader(block.text.splitlines())}
                assert len(widths) == 1, f"rows of {sorted(widths)} columns"


def compiled(block: Block) -> CodeType:
    source = "\n" * (block.line - 1) + _served(block.text)
    code = compile(source, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(code, CodeType)
    return code


def _served(text: str) -> str:
    return _PROVIDERS.sub("openai/", text)


def _commands(text: str) -> Iterator[tuple[str, str, bool]]:
    """Each command of a console block, what it prints there, and whether it is the last."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:], ""))
            continue
        assert found, f"a console block begins with '$ ', not with {line!r}"
        command, shown = found[-1]
        more = line.startswith("> ") and not shown
        found[-1] = (command + line[2:], shown) if more else (command, shown + line)
    for number, (command, shown) in enumerate(found, 1):
        yield command, shown, number == len(found)


def command_lines(text: str) -> Iterator[list[str]]:
    """The words after `deemster` of every call in a shell's text."""
    joined = re.sub(r"^\$ ", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    for line in joined.splitlines():
        words = shlex.split(line, comments=True)
        for number, word in enumerate(words):
            if word == "deemster" and (number == 0 or words[number - 1] in {"|", "&&", "-m"}):
                rest = words[number + 1 :]
                ends = [rest.index(end) for end in ("|", "&&", "||", ">", ";") if end in rest]
                yield rest[: min(ends, default=len(rest))]


def check_usage(words: list[str]) -> None:
    """Raise if a command line names a command or an option that deemster has not got."""
    command: Any = typer.main.get_command(app)
    while inner := getattr(command, "commands", {}):
        if words and words[0] in inner:
            command, words = inner[words[0]], words[1:]
        elif command.name == "train":
            command = inner["recipe"]
        else:
            break
    if getattr(command, "commands", {}):
        assert words[:1] in (["--help"], ["-h"], ["--version"]), f"no such command: {words}"
        return
    context = command.make_context(command.name, [], resilient_parsing=True)
    context.resilient_parsing = False
    command.make_parser(context).parse_args(args=list(words))


def read_yaml(text: str, folder: Path) -> None:
    """Read YAML as what its keys say that it is; keys that are not shown are filled in."""
    value = yaml.safe_load(text)
    keys = set(value) if isinstance(value, dict) else set()
    path = folder / ".block.yaml"
    if not keys or ("principles" in keys and "judges" not in keys):
        path.write_text(text, encoding="utf-8")
        load_rubric(path)
    elif "jobs" in keys:  # a workflow of CI
        pass
    elif keys <= set(SuiteSpec.model_fields):
        filled = {"name": "shown", "data": {"path": "data.jsonl"}, "judges": {"model": "fake:x"}}
        path.write_text(yaml.safe_dump({**filled, **value}), encoding="utf-8")
        load_suite(path)
    else:
        assert keys <= set(TrlRecipe.model_fields), f"neither suite, recipe nor rubric: {keys}"
        base = yaml.safe_load((ROOT / "recipes/rft-grpo.yaml").read_text("utf-8"))
        path.write_text(yaml.safe_dump({**base, **value}), encoding="utf-8")
        load_recipe(path)
    path.unlink(missing_ok=True)
