"""Reads a Containerfile as far as this project writes one."""

from __future__ import annotations

import json
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """An instruction."""

    stage: int
    """From 0."""
    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What stands after the name: a JSON list, or words as a shell reads them."""
        command = re.sub(r"^(--\S+ +)*CMD +", "", self.rest)
        if command.startswith("["):
            return [str(word) for word in json.loads(command)]
        return shlex.split(command)


def read_steps(path: Path) -> list[Step]:
    """The instructions, continued lines joined, comments left out."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    steps: list[Step] = []
    stage = -1
    for line in filter(str.strip, text.splitlines()):
        name, _, rest = line.strip().partition(" ")
        assert re.fullmatch(r"[A-Z]+", name), line
        stage += name == "FROM"
        steps.append(Step(stage, name, " ".join(rest.split())))
    return steps


def reaches_the_build(name: str, ignore: Path) -> bool:
    """Whether `.dockerignore` lets a file or folder of the top in: the last pattern wins."""
    let_in = True
    for line in ignore.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if fnmatch(name, pattern):
                let_in = line.startswith("!")
    return let_in
