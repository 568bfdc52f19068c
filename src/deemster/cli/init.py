"""`deemster init`: a small suite to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deemster.cli.terminal import say, tell
from deemster.errors import InputError

_STARTER = ("suite.yaml", "pairs.jsonl")


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; made if missing.")] = Path(),
) -> None:
    """Write a small suite and its data, with a comment for every setting; nothing is replaced."""
    from importlib.resources import files

    source = files("deemster.cli") / "starter"
    texts = {name: (source / name).read_text("utf-8") for name in _STARTER}
    # Editors check the suite against it and complete its keys.
    texts["suite.schema.json"] = (files("deemster.suites") / "suite.schema.json").read_text("utf-8")
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise InputError(f"{str(folder / there[0])!r} is there already; give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {str(folder)!r}: {error.strerror}") from error
    suite = folder / _STARTER[0]
    tell(f"{', '.join(texts)} written to {folder}; next:")
    say(f"deemster run {suite} --dry-run\ndeemster run {suite}\ndeemster report runs/starter")
