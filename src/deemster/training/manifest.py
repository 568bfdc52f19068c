"""The inputs and settings of a stage: `manifest.json` in its folder.

It is written when a stage begins and again when it is complete. Everything that a stage depends on
is hashed, so that a stage with other inputs is neither continued nor taken for finished.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import Field, JsonValue, ValidationError

from deemster._version import __version__
from deemster.errors import InputError
from deemster.files import exists, open_regular, read_text
from deemster.judges.checked_json import with_checksum, without_checksum
from deemster.schemas import Record, first_problem
from deemster.suites.summaries import write_text

FILE = "manifest.json"
CHECKPOINTS = "checkpoints"
"""Folder of a stage that may be removed once the stage is complete."""
_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "numpy", "pydantic")


class Manifest(Record):
    """Record of one stage."""

    stage: str
    complete: bool = False
    engine: str
    seed: int
    settings: dict[str, JsonValue]
    """The parts of the recipe that the stage depends on."""
    recipe: str
    """SHA-256 of `settings`."""
    inputs: dict[str, str]
    """SHA-256 by name: data, local base model, manifests of earlier stages."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the folder's files, by relative path, once complete."""
    versions: dict[str, str | None]
    """Python and the packages that influence figures; None if not installed."""
    device: str
    started: str
    """UTC, ISO 8601; of the first attempt."""
    finished: str | None = None
    attempts: int = 1
    """How often it was begun or continued."""
    figures: dict[str, JsonValue] = Field(default_factory=dict)
    """The result of the stage."""

    def write(self, folder: Path) -> None:
        """Replace the folder's manifest in one step."""
        write_text(folder / FILE, [with_checksum(self)])


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a stage's folder; None if the stage was never begun.

    Raises:
        InputError: there is one, but it cannot be read.
    """
    path = folder / FILE
    try:
        if not exists(path):
            return None
        return Manifest.model_validate_json(without_checksum(read_text(path)))
    except (InputError, ValidationError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else error
        raise InputError(
            f"cannot read {str(path)!r}: {reason}; remove the folder to train the stage again"
        ) from error


def hash_json(value: JsonValue) -> str:
    """SHA-256 over a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a stage's (or model's) folder, by relative path.

    Left out are the manifest itself, checkpoints, hidden files and SQLite's side files.
    """
    return {str(path.relative_to(folder).as_posix()): hash_file(path) for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        side = path.name.endswith(("-wal", "-shm"))
        if path.is_file() and not (hidden or side or parts[0] == CHECKPOINTS or parts == (FILE,)):
            yield path


def changed_output(folder: Path, outputs: Mapping[str, str]) -> str | None:
    """Name of the first file of a complete stage that is missing or changed, or None."""
    for name, digest in outputs.items():
        path = folder / name
        if not path.is_file() or hash_file(path) != digest:
            return name
    return None


def versions() -> dict[str, str | None]:
    """Versions of the packages that influence figures."""
    found: dict[str, str | None] = {
        "deemster": __version__,
        "python": platform.python_version(),
    }
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def device() -> str:
    """The accelerators torch sees, or the processor."""
    import torch  # noqa: PLC0415 - heavy

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"{len(names)} x {names[0]}"
    if torch.backends.mps.is_available():
        return "mps"
    return f"cpu, {torch.get_num_threads()} threads"
