"""What a model's files say of it before it is loaded: its configuration and its tensors' names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deemster.errors import InputError
from deemster.json_text import read_json

if TYPE_CHECKING:
    import torch

_SINGLE = "model.safetensors"
_INDEX = f"{_SINGLE}.index.json"


@contextmanager
def whole_files() -> Iterator[None]:
    """Raise `ValueError` for damaged safetensors, whose own error is of no class of Python's."""
    from safetensors import SafetensorError  # noqa: PLC0415 - an extra

    try:
        yield
    except SafetensorError as error:
        raise ValueError(f"weights are damaged: {error}") from error


class Checkpoint:
    """The files of a folder or a repository. Those of a repository are fetched when needed.

    Args:
        path: a folder, or OWNER/NAME.

    Raises:
        InputError: config.json or the index of the weights is not usable JSON.
        OSError: a file is not there, or cannot be fetched.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The fields of config.json."""
        found = read_json(self._file("config.json"))
        if not isinstance(found, dict):
            raise InputError(f"{self.path!r}: config.json is not a mapping")
        return found

    @property
    def architectures(self) -> tuple[str, ...]:
        """The classes that config.json names."""
        return tuple(map(str, self.config.get("architectures") or ()))

    @cached_property
    def names(self) -> Mapping[str, str]:
        """From the name of a tensor to the name of its file."""
        from safetensors import safe_open  # noqa: PLC0415 - an extra

        folder = Path(self.path)
        if folder.is_dir():
            files = sorted(file.name for file in folder.glob("*.safetensors"))
        else:
            index = self._found(_INDEX)
            if index is not None:
                listed = read_json(index)
                placed = listed.get("weight_map") if isinstance(listed, dict) else None
                if not isinstance(placed, dict):
                    raise InputError(f"{self.path!r}: {_INDEX} has no weight_map")
                return {str(name): str(file) for name, file in placed.items()}
            files = [_SINGLE]
        placed = {}
        for file in files:
            with whole_files(), safe_open(self._file(file), "pt") as tensors:
                placed |= dict.fromkeys(tensors.keys(), file)
        return placed

    def tensors(self, prefixes: Iterable[str]) -> dict[str, torch.Tensor]:
        """The tensors whose names begin with one of `prefixes`, in float32 on the CPU."""
        from safetensors import safe_open  # noqa: PLC0415 - an extra

        starts = tuple(prefixes)
        read: dict[str, torch.Tensor] = {}
        wanted = {name: file for name, file in self.names.items() if name.startswith(starts)}
        for file in sorted(set(wanted.values())):
            with whole_files(), safe_open(self._file(file), "pt") as tensors:
                read |= {
                    name: tensors.get_tensor(name).float()
                    for name, place in wanted.items()
                    if place == file
                }
        return read

    def has(self, file: str) -> bool:
        """Whether there is a file of that name."""
        return self._found(file) is not None

    def _file(self, name: str) -> str:
        found = self._found(name)
        if found is None:
            raise OSError(f"{self.path!r} has no {name}")
        return found

    def _found(self, name: str) -> str | None:
        folder = Path(self.path)
        if folder.is_dir():
            return str(folder / name) if (folder / name).is_file() else None
        from transformers.utils import cached_file  # noqa: PLC0415 - heavy

        found: str | None = cached_file(
            self.path, name, _raise_exceptions_for_missing_entries=False
        )
        return found
