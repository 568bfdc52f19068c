"""The cache of models that were converted or fetched: a folder each, made once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from deemster.errors import InputError

_NOTE = "origin.json"
"""Says where a cached model came from. A folder without it is not a cached model."""


_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}


class Cached(NamedTuple):
    """A model of the cache."""

    name: str
    path: Path
    origin: str
    """What it was made from."""
    bytes: int
    """Size of its files."""


def cache_folder() -> Path:
    """`$DEEMSTER_CACHE/models`; without the variable, deemster's folder in the user's cache."""
    given = os.environ.get("DEEMSTER_CACHE")
    if given:
        return Path(given).expanduser() / "models"
    user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(user).expanduser() / "deemster" / "models"


def cached_models() -> list[Cached]:
    """What is in the cache, by name."""
    return [
        Cached(folder.name, folder, _origin(folder), _size(folder))
        for folder in sorted(cache_folder().glob("*"))
        if (folder / _NOTE).is_file()
    ]


def cached(name: str) -> Path | None:
    """The folder of a model of the cache; None if it is not there."""
    folder = cache_folder() / name
    return folder if (folder / _NOTE).is_file() else None


def kept(
    name: str,
    make: Callable[[Path], None],
    *,
    origin: str,
    files: Sequence[Path] = (),
    key: str | None = "",
) -> str:
    """The folder of the cache that `make` fills, filled on the first call.

    Processes wait for each other; one that is killed leaves nothing that could be taken for a
    model.

    Args:
        name: beginning of the folder's name.
        make: gets an empty folder and fills it.
        origin: what the model is made from, for people.
        files: made from these: if their size or date changes, another folder is made.
        key: what else it depends on; None names the folder by `name` alone.

    Raises:
        InputError: the cache cannot be written.
    """
    folder = cache_folder() / name
    if key is not None:
        states = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        identity = json.dumps([origin, states, key]).encode()
        folder = folder.with_name(f"{name}-{hashlib.sha256(identity).hexdigest()[:10]}")
    if (folder / _NOTE).is_file():
        return str(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / _NOTE).is_file():
                _fill(folder, make, origin)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise InputError(
            f"cannot write the model cache {str(folder.parent)!r}: {error.strerror}; make room, "
            "or set DEEMSTER_CACHE to another folder"
        ) from error
    return str(folder)


def _fill(folder: Path, make: Callable[[Path], None], origin: str) -> None:
    fresh = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        make(fresh)
        note = json.dumps({"origin": origin}, ensure_ascii=False)
        (fresh / _NOTE).write_text(note, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _origin(folder: Path) -> str:
    try:
        return str(json.loads((folder / _NOTE).read_text(encoding="utf-8"))["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
