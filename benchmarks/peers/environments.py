"""An environment for each peer, made once by pip and kept in build/bench-envs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).parents[2] / "build" / "bench-envs"
HEAVY = ("torch", "tensorflow", "jax", "vllm", "sglang", "ray", "nvidia-cublas-cu12")
"""Packages that no client of an API needs, and that bring gigabytes: no release of them fits."""


class NotInstalledError(Exception):
    """No environment could be made; says why."""


def environment(
    name: str, requirements: Sequence[str], *, cache: Path = CACHE, seconds: float = 1800.0
) -> Path:
    """The Python of an environment with these requirements, made now if it is not there.

    Args:
        name: of the peer.
        requirements: as pip takes them.
        cache: the folder of all environments.
        seconds: after which an installation is given up.

    Raises:
        NotInstalledError: pip failed, took too long, or a package of `HEAVY` is needed.
    """
    key = "\n".join([sys.version, *requirements, *HEAVY])
    folder = cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
    python, made = folder / "bin" / "python", folder / "made"
    if made.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)  # of an installation that was interrupted
    folder.mkdir(parents=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{package}<0\n" for package in HEAVY), "utf-8")
    try:
        # Without a pip of its own: this one installs into it. Bytecode is compiled when a client
        # first runs, of what it imports alone: libraries bring thousands of modules it does not.
        _call([sys.executable, "-m", "venv", "--without-pip", str(folder)], seconds)
        _call(
            [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-input",
             "--no-compile", "--progress-bar", "off", "--constraint", str(constraints),
             *requirements],
            seconds,
        )  # fmt: skip
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    made.touch()
    return python


def megabytes(python: Path) -> int:
    """Size on disk of the packages of an environment, without bytecode."""
    files = (path for path in (python.parent.parent / "lib").rglob("*") if path.is_file())
    return round(sum(file.stat().st_size for file in files if file.suffix != ".pyc") / 1e6)


def _call(command: list[str], seconds: float) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotInstalledError(f"not installed within {seconds:g} s") from None
    if done.returncode:
        raise NotInstalledError(_reason(done.stdout + done.stderr))


def _reason(text: str) -> str:
    """What pip said, in a line: the package of `HEAVY` that is needed, or its last error."""
    for line in text.splitlines():
        for package in HEAVY:
            if f"depends on {package}" in line:
                return f"needs {package}, which is refused for its size: {line.strip()}"
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")]
    lines = errors or [line for line in text.splitlines() if line.strip()] or ["pip said nothing"]
    return " ".join(lines[-1].split())[:200]
