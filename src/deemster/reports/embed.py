"""Data inside an HTML page: escaped JSON for what is needed at once, compressed blocks for texts.

Nothing here can end its script element: JSON has no `<`, and base64 has none either.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any, Self

_IN_MEMORY = 8_000_000
"""Bytes of packed blocks that are kept in memory."""
_UNSAFE = str.maketrans(
    {c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}  # the last two end lines in old JavaScript
)


def escaped_json(value: object) -> str:
    """JSON that is safe inside a script element; parses back to the same value."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_UNSAFE)


@dataclass
class Blocks:
    """Records packed into blocks of `size`, each base64 of zlib-compressed JSON.

    A browser unpacks a block when one of its records is opened, so a page with a hundred megabytes
    of judgments opens as fast as its index. Blocks beyond a few megabytes wait in a temporary file.
    Use as a context manager.
    """

    size: int = 40
    count: int = 0
    _open: list[Any] = field(default_factory=list)
    _file: SpooledTemporaryFile[bytes] = field(
        default_factory=lambda: SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - see __exit__
    )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, record: object) -> int:
        """Append a record; returns its number."""
        self._open.append(record)
        self.count += 1
        if len(self._open) == self.size:
            self._flush()
        return self.count - 1

    def packed(self) -> Iterator[str]:
        """All blocks in order."""
        if self._open:
            self._flush()
        self._file.seek(0)
        for line in self._file:
            yield line[:-1].decode("ascii")

    def _flush(self) -> None:
        text = json.dumps(self._open, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._file.write(base64.b64encode(zlib.compress(text.encode(), 6)) + b"\n")
        self._open = []
