"""What is published: files by the names that they get, checked before they leave the machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deemster.errors import InputError
from deemster.redaction import known_secrets

_TEXTS = (".json", ".jsonl", ".jinja", ".md", ".txt", ".html", ".yaml", ".j2")
_CHUNK = 2**20


@dataclass(frozen=True)
class Bundle:
    """Files to publish.

    Attributes:
        kind: of repository.
        files: by their names there, which have `/`: a file of this machine, or the content.
        left_out: names of files beside them that are not published.
    """

    kind: Literal["model", "dataset"]
    files: Mapping[str, Path | bytes]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What to know before it is published."""

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes, by name."""
        return {
            name: len(one) if isinstance(one, bytes) else one.stat().st_size
            for name, one in sorted(self.files.items())
        }

    def check(self) -> None:
        """Look for secrets in all texts.

        Raises:
            InputError: a key of the environment, or one that this program has read, is in one.
        """
        secrets = {
            secret.encode(errors="surrogateescape"): shown
            for secret, shown in known_secrets().items()
        }
        longest = max(map(len, secrets), default=0)
        for name, content in self.files.items():
            if not name.endswith(_TEXTS):
                continue
            for part in _parts(content, longest):
                found = next((shown for secret, shown in secrets.items() if secret in part), None)
                if found is not None:
                    raise InputError(
                        f"{name!r} has the secret {found} in it, so nothing is published; take it "
                        "out of the file"
                    )

    def places(self) -> tuple[str, ...]:
        """Names of texts in which folders of this machine are named: the home folder, say."""
        homes = {str(Path.home()), os.environ.get("HOME", "")} - {"", "/", "/root"}
        wanted = [home.encode() for home in sorted(homes | {str(Path.cwd())} - {"/"})]
        return tuple(
            name
            for name, content in sorted(self.files.items())
            if name.endswith(_TEXTS)
            and any(home in part for part in _parts(content, 4096) for home in wanted)
        )

    def write(self, folder: Path) -> None:
        """Write it into a folder that is new or empty.

        Raises:
            InputError: something is in the folder, or it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise InputError(f"{str(folder)!r} is not empty; give a new folder")
            for name, content in self.files.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    target.write_bytes(content)
                else:
                    shutil.copyfile(content, target)
        except OSError as error:
            raise InputError(f"cannot write {str(folder)!r}: {error.strerror or error}") from error


def as_json(value: object) -> bytes:
    """A JSON file."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def without_places(value: object) -> object:
    """A JSON value whose paths of this machine are their last part alone."""
    if isinstance(value, Mapping):
        return {key: without_places(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(item) for item in value]
    if isinstance(value, str) and value.startswith(("/", "~", "../", "./", "hf:/", "hf:~")):
        return Path(value).name
    return value


def _parts(content: Path | bytes, overlap: int) -> Iterator[bytes]:
    """A content in parts that share their ends, so that nothing is cut in two unseen."""
    if isinstance(content, bytes):
        yield content
        return
    before = b""
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield before + chunk
            before = chunk[-overlap:] if overlap else b""
