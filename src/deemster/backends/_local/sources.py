"""What may stand after `hf:`, made into what transformers reads.

- a folder or repository of transformers: taken as it is;
- a GGUF file (`FILE.gguf`, `DIR#file.gguf`, `OWNER/REPOSITORY#file.gguf`, or a folder with one such
  file and no config.json): dequantised once, into a folder of the cache;
- an adapter of PEFT (a folder or repository with adapter_config.json): read over its base. A folder
  that has the weights of a whole model, too, is taken for that model, into which it was merged.

Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path, PurePath
from typing import NamedTuple

from deemster.backends._local.model_cache import kept
from deemster.backends.base import SMOL
from deemster.backends.judge_file import judge_file_in
from deemster.backends.model_fetch import FETCHABLE, fetched
from deemster.backends.shipped import smol_part
from deemster.errors import InputError
from deemster.extras import need_package
from deemster.json_text import read_json

logger = logging.getLogger(__name__)

ADAPTER_CONFIG = "adapter_config.json"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_INDEX_BYTES = 2**26
"""A mixture of 384 experts in 61 layers has about 16 MB of names."""


class Source(NamedTuple):
    """Where a model's weights are."""

    base: str
    """A folder or repository of transformers, with safetensors weights."""
    adapter: str | None = None
    """A folder or repository of an adapter that goes over it."""

    @property
    def tokenizer(self) -> str:
        """Where its tokenizer is: an adapter may bring one with tokens of its own."""
        own = self.adapter is not None and (Path(self.adapter) / "tokenizer_config.json").is_file()
        return self.adapter if own and self.adapter is not None else self.base


def check_path(path: str, *, weights: bool = True) -> str:
    """The path without `~`; what is on this machine is looked into, so that mistakes show at once.

    Args:
        path: what may stand after `hf:`.
        weights: whether a folder must have weights, not a configuration alone.

    Raises:
        InputError: it is empty, does not exist, or holds no model that can be read.
    """
    if not path.strip():
        raise InputError("the model path is empty; give 'hf:FOLDER' or 'hf:OWNER/REPOSITORY'")
    place, mark, file = path.partition("#")
    folder = Path(place).expanduser()
    if not folder.exists():
        if place.startswith(("/", "./", "../", "~")) or place.endswith(".gguf"):
            kind = "file" if place.endswith(".gguf") else "folder"
            raise InputError(
                f"model {kind} {place!r} does not exist; give a folder or a repository"
            )
        return path
    if gguf_in(path) is not None:
        return f"{folder}{mark}{file}"
    if _is_adapter(folder):
        _checked_base(folder)
        return str(folder)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{path!r} holds no model: config.json is missing (or {ADAPTER_CONFIG} of an adapter, "
            "or a .gguf file)"
        )
    if weights and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{path!r} has no safetensors weights; other formats are not loaded because they "
            "can run code: save the model with safe_serialization=True"
        )
    return str(folder)


def gguf_in(path: str) -> tuple[str, str] | None:
    """Folder (or repository) and name of the GGUF file that a path names; None if it names none.

    Raises:
        InputError: the folder has several and none is named, or lacks the one that is.
    """
    place, mark, file = path.partition("#")
    at = Path(place).expanduser()
    if mark:
        if not file.endswith(".gguf"):
            raise InputError(f"{path!r}: after '#' stands the name of a .gguf file, got {file!r}")
        if at.is_dir() and not (at / file).is_file():
            raise InputError(f"{place!r} has no file {file!r}; it has {_listed(_ggufs(at))}")
        return (str(at) if at.is_dir() else place), file
    if at.is_file():
        if at.suffix != ".gguf":
            raise InputError(f"{path!r} is a file, but no .gguf; give a folder or a .gguf file")
        return str(at.parent), at.name
    if not at.is_dir() or (at / "config.json").is_file() or (at / ADAPTER_CONFIG).is_file():
        return None
    found = _ggufs(at)
    if len(found) > 1:
        raise InputError(
            f"{path!r} has several .gguf files, {_listed(found)}; say which: {path}#{found[0]}"
        )
    return (str(at), found[0]) if found else None


def _ggufs(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.gguf"))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "") if names else "no .gguf file"


def source_of(path: str) -> Source:
    """Where the weights of a model are; a GGUF file is dequantised into the cache by this.

    Raises:
        InputError: a file, an adapter's base or a package is missing, or an index of the weights
            names files outside of its folder.
        OSError, ValueError, KeyError: whatever transformers raises about a GGUF file.
    """
    gguf = gguf_in(path)
    if gguf is not None:
        return Source(_dequantised(*gguf))
    at = Path(path).expanduser()
    if at.is_dir():
        _check_shards(at)
        if _is_adapter(at):
            return Source(whole(_checked_base(at)), str(at))
        if not (at / ADAPTER_CONFIG).is_file():
            return Source(str(at))
        logger.warning(
            "deemster: %r holds a whole model and an adapter, which is taken to be merged in "
            "already; if it is not, put it into a folder of its own",
            str(at),
        )
        return Source(_alone(at))
    from transformers.utils.peft_utils import find_adapter_config_file  # noqa: PLC0415 - heavy

    config = find_adapter_config_file(path)
    if config is None:
        return Source(path)
    return Source(whole(_base_of(Path(config), path)), path)


def _check_shards(folder: Path) -> None:
    """See to it that the weights lie in the folder: transformers opens what an index names.

    It does so from folders only (CVE-2026-75104), and config.json may name an index further down.

    Raises:
        InputError: a file is named that lies elsewhere, or an index cannot be read.
    """
    indexes = sorted(folder.glob("*.index.json"))
    config = folder / "config.json"
    fields = read_json(config) if config.is_file() else None
    named = str(fields.get("transformers_weights")) if isinstance(fields, dict) else ""
    if named.endswith(".index.json"):
        _check_inside(named, config, folder)
        indexes.append(folder / named)
    for index in indexes:
        listed = read_json(index, limit=_INDEX_BYTES)
        placed = listed.get("weight_map") if isinstance(listed, dict) else None
        for name in set(map(str, placed.values())) if isinstance(placed, dict) else ():
            _check_inside(name, index, folder)


def _check_inside(name: str, by: Path, folder: Path) -> None:
    if PurePath(name).is_absolute() or ".." in re.split(r"[/\\]", name):
        raise InputError(
            f"{str(by)!r} names the weights {name!r}, which are not in {str(folder)!r}; put the "
            "file there, and its name alone into the index"
        )


def whole(path: str) -> str:
    """A folder or repository that holds the whole model, as training needs it.

    Trainers read the weights more than once (the reference policy, the merging of adapters), so
    an adapter over its base becomes a model in the cache.

    Raises:
        InputError, OSError, ValueError, KeyError: see `source_of`.
    """
    source = source_of(path)
    if source.adapter is None:
        return source.base
    folder = Path(source.adapter)
    files = [folder / _ADAPTER_WEIGHTS, folder / ADAPTER_CONFIG] if folder.is_dir() else []

    def make(out: Path) -> None:
        from deemster.backends._local.conversion import save_merged  # noqa: PLC0415 - loads torch

        save_merged(source, out)

    return kept(folder.name, make, origin=path, files=files, key=source.base)


def _is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no whole model beside it."""
    return (folder / ADAPTER_CONFIG).is_file() and not any(folder.glob("model*.safetensors"))


def _alone(folder: Path) -> str:
    """A folder of the cache with links to a whole model's files, without the adapter beside them.

    transformers would put the adapter over weights that have it in them already.
    """
    files = sorted(file for file in folder.iterdir() if file.is_file())
    files = [file for file in files if not file.name.startswith("adapter_")]

    def make(out: Path) -> None:
        for file in files:
            (out / file.name).symlink_to(file.resolve())

    return kept(folder.resolve().name, make, origin=str(folder), files=files, key="alone")


def _checked_base(folder: Path) -> str:
    """The base of the adapter in a folder.

    Raises:
        InputError: the adapter or its base cannot be read.
    """
    need_package("peft", f"the adapter {str(folder)!r}", otherwise="give the merged model")
    if not (folder / _ADAPTER_WEIGHTS).is_file():
        raise InputError(
            f"adapter {str(folder)!r} has no {_ADAPTER_WEIGHTS}; other formats are not loaded "
            "because they can run code: save the adapter with safe_serialization=True"
        )
    return _base_of(folder / ADAPTER_CONFIG, str(folder))


def _base_of(config: Path, adapter: str) -> str:
    """The base that a deemster.json beside the adapter names, else the adapter_config.json.

    Relative paths of the latter start at its folder, too.

    Raises:
        InputError: it names none, or one that does not exist.
    """
    judge = judge_file_in(config.parent)
    if judge is not None and judge.base is not None:
        return _named_base(judge.base, adapter)
    fields = read_json(config)
    base = fields.get("base_model_name_or_path") if isinstance(fields, dict) else None
    if not isinstance(base, str) or not base.strip():
        raise InputError(
            f"adapter {adapter!r} does not name its base; write base_model_name_or_path into its "
            f"{ADAPTER_CONFIG}"
        )
    place = Path(base.partition("#")[0]).expanduser()
    for folder in (place, config.parent / place):
        if folder.resolve() == config.parent.resolve():
            raise InputError(
                f"adapter {adapter!r} names itself as its base; write the base's folder or "
                f"repository into its {ADAPTER_CONFIG}"
            )
        if folder.exists():
            return str(folder) + base[len(base.partition("#")[0]) :]
    if base.startswith(("/", "./", "../", "~")) or base.count("/") > 1:
        raise InputError(
            f"the base {base!r} of adapter {adapter!r} does not exist; put it there, or change "
            f"base_model_name_or_path in its {ADAPTER_CONFIG}"
        )
    here = fetched(base)
    return base if here is None else str(here)


def _named_base(base: str, adapter: str) -> str:
    """A base by the name in a deemster.json: a repository, a model that was fetched, or `smol`.

    Raises:
        InputError: it is not on this machine.
    """
    if base == SMOL:
        return str(smol_part())
    here = fetched(base)
    if here is not None:
        return str(here)
    if "/" in base:
        return base
    remedy = f"deemster models fetch {base}" if base in FETCHABLE else "give the merged model"
    raise InputError(
        f"adapter {adapter!r} lies over {base!r}, which is not in the model cache: {remedy}"
    )


def _dequantised(place: str, file: str) -> str:
    """Folder of the cache with a GGUF file's model in safetensors."""
    what = f"model 'hf:{place}#{file}'"
    files = [Path(place) / file] if Path(place).is_dir() else []
    for package in ("gguf", "accelerate"):
        need_package(package, what, otherwise="give a folder with safetensors weights")

    def make(out: Path) -> None:
        from deemster.backends._local.conversion import dequantise  # noqa: PLC0415 - loads torch

        dequantise(place, file, out)

    return kept(Path(file).stem, make, origin=f"{place}#{file}", files=files)
