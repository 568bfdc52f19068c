"""What is optional: the package's extras, and the line that says what to install.

Code that needs an extra calls `need` before it imports anything of it. The core (judging over
APIs, suites, reports, import, rescore) needs none. docs/installing.md has the table for users.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from deemster.errors import InputError

_LOCAL = ("torch", "transformers", "safetensors", "llguidance")

EXTRAS: dict[str, tuple[str, ...]] = {
    "local": _LOCAL,
    "train": (*_LOCAL, "accelerate", "datasets", "peft", "trl"),
    "quantization": (*_LOCAL, "torchao", "compressed_tensors"),
    "math": ("math_verify",),
    "parquet": ("pyarrow",),
    "datasets": ("datasets", "pyarrow"),
    "otel": ("opentelemetry",),
    "serve": ("fastapi", "starlette", "uvicorn"),
    "mcp": ("mcp",),
    "vllm": (*_LOCAL, "vllm"),
    "ray": ("ray",),
}
"""The modules that each extra brings; pyproject.toml has the packages and their versions."""


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed. Imports none of them."""
    return [module for module in EXTRAS[extra] if not _is_installed(module)]


def need(extra: str, what: str, *, otherwise: str = "") -> None:
    """Check that an extra is installed.

    Args:
        extra: one of `EXTRAS`.
        what: what needs it, as the message's subject: `model 'hf:…'`.
        otherwise: what to do instead of installing it, if anything: `give …`.

    Raises:
        InputError: a module of it is missing; the one line names the extra.
    """
    if absent := missing(extra):
        raise InputError(
            f"{what} needs {', '.join(absent)}: pip install 'deemster[{extra}]'"
            + (f", or {otherwise}" if otherwise else "")
        )


def need_package(package: str, what: str, *, otherwise: str = "") -> None:
    """The same for a package that no extra brings; its name is that of its module, up to hyphens.

    Raises:
        InputError: it is not installed.
    """
    if not _is_installed(package.replace("-", "_")):
        raise InputError(
            f"{what} needs {package}: pip install {package}"
            + (f", or {otherwise}" if otherwise else "")
        )


def _is_installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return find_spec(module) is not None
    except ImportError:  # an import hook refuses it
        return False
