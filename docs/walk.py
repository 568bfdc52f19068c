"""The newcomer's walk: every command of docs/tutorial.md, word for word, in a fresh environment.

    python docs/walk.py          # or: make walk

The tracked files of this checkout are copied to an empty folder, which is also the newcomer's home.
There the blocks of the tutorial are run in order, each in a shell that goes on where the last one
ended, from the installation on. It ends at the first block that does not do what the page says.
Needs Python, git, bash and a package index.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(
    r"(?P<comments>(?:<!-- [^\n]+ -->\n)*)"
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"\n]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_STATUS = re.compile(r"<!-- status: (\d+) -->")
_SKIPPED = re.compile(r"<!-- not run by the tests: (?!.*make walk)")
"""Blocks that need a key and the like. The tests skip the installation; the walk does not."""
_SHELL = """set -e
if [ -f "$HOME/.walk" ]; then . "$HOME/.walk"; fi
trap 'export -p > "$HOME/.walk"; printf "cd %q\\n" "$PWD" >> "$HOME/.walk"' EXIT
"""


class Step(NamedTuple):
    """A block of the page."""

    line: int
    text: str
    title: str
    """The file it is saved as; empty for commands."""
    status: int


def steps(page: str) -> list[Step]:
    """The commands and files of a page, in order."""
    return [
        Step(
            page.count("\n", 0, match.start("text")) + 1,
            match["text"],
            match["title"] or "",
            int(status[1]) if (status := _STATUS.search(match["comments"])) else 0,
        )
        for match in _BLOCK.finditer(page)
        if (match["title"] or match["language"] == "bash")
        and not _SKIPPED.search(match["comments"])
    ]


def walk(home: Path, clone: Path) -> None:
    """Do all steps.

    Args:
        home: an empty folder.
        clone: a folder in it, with the project's files; where the newcomer begins.

    Raises:
        SystemExit: a step ended with another status than the page says.
    """
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "DEEMSTER_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    env |= {"HOME": str(home), "PWD": str(clone), "COLUMNS": "80"}
    here = clone
    for step in steps(PAGE.read_text("utf-8")):
        if step.title:
            (here / step.title).write_text(step.text, encoding="utf-8")
            continue
        print(f"--- {PAGE.name}:{step.line}\n{step.text}", end="", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", _SHELL + step.text],
            cwd=clone,
            env=env,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        print(f"--- status {done.returncode}, {time.monotonic() - began:.1f} s", flush=True)
        if done.returncode != step.status:
            sys.exit(
                f"{PAGE.name}:{step.line}: status {done.returncode}, the page says {step.status}"
            )
        last = (home / ".walk").read_text("utf-8").splitlines()[-1]
        here = Path(shlex.split(last)[1])


def main() -> None:
    """Walk in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="walk") as made:
        home = Path(made)
        clone = home / "deemster"
        clone.mkdir()
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(
            ["tar", "--create", "--null", "--files-from=-", "--file", home / "files.tar"],
            cwd=ROOT, input=names.stdout, check=True,
        )  # fmt: skip
        subprocess.run(["tar", "--extract", "--file", home / "files.tar"], cwd=clone, check=True)
        walk(home, clone)
    print("walked to the end")


if __name__ == "__main__":
    main()
