"""Which models the package has, and where their files are. Loads none of them.

`nano` is whole (`backends.nano`). `smol` is an adapter in the package over a base that is fetched
once (`deemster models fetch smollm2`).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from deemster.backends.base import EMBEDDED, SMOL
from deemster.errors import InputError

BASE = "smollm2"
"""What `smol` lies over, as `deemster models fetch` names it."""
WEIGHTS = "adapter_model.safetensors"


def default_model() -> str:
    """`smol` if its adapter and its base are on this machine, else `nano`."""
    return SMOL if (smol_folder() / WEIGHTS).is_file() and smol_base() is not None else EMBEDDED


def package_folder(name: str) -> Path:
    """Folder of a model of the package, whether or not it is there."""
    return Path(str(resources.files("deemster"))) / "assets" / name


def smol_folder() -> Path:
    """Folder of the adapter, whether or not it is there."""
    return package_folder(SMOL)


def smol_part(name: str = ".") -> Path:
    """Path of a part of that folder: `.` for the adapter, `meta`, `domain.json`.

    Raises:
        InputError: it is not installed.
    """
    path = smol_folder() / name
    if not (path / WEIGHTS if path.suffix == "" else path).is_file():
        what = f"meta RM {SMOL!r}" if name == "meta" else f"model {SMOL!r}"
        raise InputError(
            f"{what} is not installed: {str(path)!r} is missing; reinstall deemster, or give a "
            "model, for example openai/gpt-5-mini or hf:PATH"
        )
    return path


def smol_base() -> Path | None:
    """Folder of its base in the cache; None if it was not fetched."""
    from deemster.backends.model_fetch import fetched  # noqa: PLC0415 - only where it is asked for

    return fetched(BASE)
