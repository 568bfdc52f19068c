"""Planted secrets, and the search for them in every byte that was written or printed."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from tests.support.command_line import Done

PROVIDER_KEYS = (
    "OPENAI_API_KEY", "HOSTED_VLLM_API_KEY", "DEEPINFRA_API_KEY", "ANTHROPIC_API_KEY",
    "AZURE_API_KEY", "OLLAMA_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MISTRAL_API_KEY",
)  # fmt: skip
_SQLITE = b"SQLite format 3\0"
_ZLIB = (b"x\x01", b"x\x9c", b"x\xda")
"""How a stream begins: quickest, usual and smallest."""


def canary(name: str) -> str:
    """A secret that looks like no key and is in no dictionary."""
    return f"canary.{zlib.crc32(name.encode()):08x}.{name.lower()}"


def forms(secret: str) -> tuple[str, ...]:
    """What it may look like where it leaks."""
    login = base64.b64encode(f"user:{secret}".encode()).decode()
    quoted = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    alone = base64.b64encode(secret.encode()).decode().rstrip("=")
    every = (secret, quote(secret, safe=""), login, alone, *quoted, repr(secret)[1:-1])
    return tuple(dict.fromkeys(every))


def leaks(folder: Path, done: Sequence[Done], log: str, secrets: Sequence[str]) -> list[str]:
    """Where a secret is found: in a file of the folder, in what was printed, in the log."""
    texts = [(f"stdout of {i}", one.stdout) for i, one in enumerate(done)]
    texts += [(f"stderr of {i}", one.stderr) for i, one in enumerate(done)]
    texts += [("log", log), *written(folder)]
    return [
        f"{where}: …{text[max(0, text.index(form) - 200) : text.index(form) + 60]}"
        for where, text in texts
        for secret in secrets
        for form in forms(secret)
        if form in text
    ]


def written(folder: Path) -> Iterator[tuple[str, str]]:
    """Everything that stands in a folder: names, bytes, and what is compressed in them.

    Of an SQLite file also what no table holds any more: free pages, and logs that are left.
    """
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        yield f"the name {name}", name
        if not file.is_file():
            continue
        content = file.read_bytes()
        yield name, content.decode(errors="replace")
        if content.startswith(_SQLITE):
            yield f"rows of {name}", "\n".join(_cells(file))
        if content.startswith(_SQLITE) or name.endswith(("-wal", "-journal")):
            yield f"compressed in {name}", "\n".join(_inflated(content))


def _cells(file: Path) -> Iterator[str]:
    """Every value of every table; longer ones are spread over pages that need not be neighbours."""
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in db.execute(f"SELECT * FROM {table}"):
                for value in row:
                    if isinstance(value, bytes):
                        yield "\n".join(_inflated(value))
                    yield str(value)


def _inflated(content: bytes) -> Iterator[str]:
    """What zlib reads wherever a stream begins, as far as it goes."""
    for start in _ZLIB:
        at = content.find(start)
        while at >= 0:
            stream = zlib.decompressobj()
            found = bytearray()
            try:
                for place in range(at, len(content), 64):
                    found += stream.decompress(content[place : place + 64])
                    if stream.eof:
                        break
            except zlib.error:
                pass
            if found:
                yield found.decode(errors="replace")
            at = content.find(start, at + 1)
