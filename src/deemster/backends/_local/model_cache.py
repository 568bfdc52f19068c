"""The cache of models that were converted or fetched: a folder each, made once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from deemster.errors import InputError

_NOTE = "origin.json"
"""Says where a cached model came from, and how large its files are. A folder without it, or in
which one of them is missing or of another size, is not a cached model."""


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
        Cached(folder.name, folder, str(note["origin"]), _size(folder))
        for folder in sorted(cache_folder().glob("*"))
        if (note := _note(folder)) is not None
    ]


def cached(name: str) -> Path | None:
    """The folder of a model of the cache; None if it is not there."""
    folder = cache_folder() / name
    return folder if _note(folder) is not None else None


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
    if _note(folder) is not None:
        return str(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        with FileLock(f"{folder}.lock"):
            if _note(folder) is None:
                _fill(folder, make, origin)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise _unwritable(folder, error) from error
    return str(folder)


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write the model cache {str(folder.parent)!r}: {error.strerror}; make room, "
        "or set DEEMSTER_CACHE to another folder"
    )


def _fill(folder: Path, make: Callable[[Path], None], origin: str) -> None:
    fresh = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        make(fresh)
        sizes = {file.name: file.stat().st_size for file in fresh.iterdir() if file.is_file()}
        note = json.dumps({"origin": origin, "files": sizes}, ensure_ascii=False)
        (fresh / _NOTE).write_text(note, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _note(folder: Path) -> dict[str, Any] | None:
    """What is noted of a model; None if it is not there as it was made."""
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        sizes = note.get("files", {})  # notes of older versions have none
        whole = all((folder / name).stat().st_size == sizes[name] for name in sizes)
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return note if whole and "origin" in note else None


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
