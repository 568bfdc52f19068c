"""What a disk does to a training run, told in one line."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deemster.errors import InputError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE})
_CODE = re.compile(r"\(os error (\d+)\)")
"""How libraries in Rust write an error of the operating system."""
_TORCH_FULL = "PytorchStreamWriter failed writing"
"""torch keeps the cause to itself."""


@contextmanager
def disk_explained(folder: Path) -> Iterator[None]:
    """Raise what the disk did to `folder` as one line. What was written stays usable.

    Raises:
        InputError: the disk is full, the folder was removed, or it cannot be written to.
    """
    was_there = folder.exists()
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = _reason(error, folder, was_there=was_there)
        if reason is None:
            raise
        raise InputError(reason) from error


def _reason(error: BaseException, folder: Path, *, was_there: bool) -> str | None:
    if was_there and not folder.exists():
        return f"{str(folder)!r} was removed while it was written to; train the stage again"
    found = dict(_failures(error))
    if found.keys() & _FULL:
        free = shutil.disk_usage(_nearest(folder)).free
        return (
            f"the disk is full ({free >> 20} MiB free) while writing {str(folder)!r}; make room "
            "and resume (--resume): it continues from what was saved"
        )
    for code in sorted(found.keys() & _DENIED):
        return f"{str(found[code] or folder)!r}: {os.strerror(code)}; mend it and resume (--resume)"
    return None


def _failures(error: BaseException | None) -> Iterator[tuple[int, object]]:
    """The operating system's errors behind one, with their files as far as they are named.

    Libraries wrap them in their own, or in words.
    """
    while error is not None:
        text = str(error)
        yield from ((int(code), None) for code in _CODE.findall(text))
        if isinstance(error, OSError) and error.errno is not None:
            yield error.errno, error.filename
        elif _TORCH_FULL in text:
            yield errno.ENOSPC, None
        else:
            yield from ((code, None) for code in _FULL | _DENIED if os.strerror(code) in text)
        error = error.__cause__ or error.__context__


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


__all__ = ["disk_explained"]
