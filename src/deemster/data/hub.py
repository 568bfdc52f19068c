"""Rows of data sets of the `datasets` library (an optional extra): saved ones, and by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deemster.data.row import Row, plain_values
from deemster.errors import InputError
from deemster.extras import need
from deemster.files import exists

_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)


def dataset_rows(
    name: str, *, split: str | None = None, config: str | None = None, base: Path | None = None
) -> Iterator[Row]:
    """The rows of a data set: a folder that the library saved, or `owner/name` on the hub.

    Args:
        name: the folder or the name.
        split: which part; None is `train`, or the whole where there are no parts.
        config: which configuration, where one from the hub has several.
        base: what relative folders start from; None is the working directory.

    Raises:
        InputError: the library is not installed, or the data set or the split cannot be read.
    """
    folder = (base or Path()) / Path(name).expanduser()
    if not folder.is_dir():
        yield from hub_rows(name, split=split or "train", config=config)
        return
    need("datasets", f"dataset {name!r}")
    from datasets import DatasetDict, load_from_disk  # noqa: PLC0415 - an optional extra

    try:
        loaded = load_from_disk(str(folder))
    except (OSError, ValueError, LookupError) as error:  # an empty one is an IndexError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{str(folder)!r} is not a saved dataset, or holds no rows: {reason}"
        ) from error
    if isinstance(loaded, DatasetDict):
        part = split or "train"
        if part not in loaded:
            known = ", ".join(map(str, loaded))
            raise InputError(f"no split {part!r} in {str(folder)!r}; splits there: {known}")
        loaded = loaded[part]
    elif split is not None:
        raise InputError(f"{str(folder)!r} has no splits; leave split out")
    for number, values in enumerate(loaded, start=1):
        yield Row(plain_values(values), f"{folder} row {number}", folder, number)


def is_dataset(source: Path) -> bool:
    """Whether a path is a folder that the library saved, or can only be a name on the hub."""
    if source.is_dir():
        return (source / "dataset_info.json").exists() or (source / "dataset_dict.json").exists()
    return not exists(source) and is_hub_name(str(source)) and not source.suffix


def is_hub_name(source: str) -> bool:
    """Whether a text is `owner/name`."""
    owner, slash, rest = source.partition("/")
    plain = all(part and not part.startswith((".", "~")) for part in (owner, rest))
    return bool(slash) and plain and "/" not in rest and "\\" not in source


def hub_rows(
    name: str, *, split: str, config: str | None = None, file: str | None = None
) -> Iterator[Row]:
    """Stream the rows of one split.

    Args:
        name: `owner/name` of the data set.
        split: which split.
        config: which configuration, where it has several.
        file: one JSON file of the data set to read instead, for those whose splits are only
            known to their own script (scripts are never run).

    Raises:
        InputError: the library is not installed, or the data set cannot be loaded; the text
            gives the remedy.
    """
    if not _NAME.fullmatch(name):  # the library would take a URL, too
        raise InputError(f"{name!r} is no folder and no data set; give a path or 'owner/name'")
    need("datasets", f"loading {name!r} by name", otherwise="give the path of a local copy")
    from datasets import load_dataset  # noqa: PLC0415 - an optional extra

    what = f"{name} ({config})" if config else name
    path = Path(name) / (config or "") / split
    if file is None:
        where, options = name, {"name": config, "split": split}
    else:
        where, options = "json", {"data_files": f"hf://datasets/{name}/{file}", "split": "train"}
    number = 0
    try:
        # Streaming: a limit of ten rows reads ten rows.
        for number, values in enumerate(load_dataset(where, streaming=True, **options), start=1):
            yield Row(plain_values(values), f"{what} split {split} row {number}", path, number)
    except Exception as error:
        # Whatever the library or the HTTP client under it raises: the set is open, and not all
        # are OSError (httpx.ConnectError is not).
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"cannot load {what} split {split!r} after {number} rows: {reason[:200]}; "
            "check the name and the network, or give the path of a local copy"
        ) from error
    if number == 0:
        raise InputError(f"{what} split {split!r} has no rows")


__all__ = ["dataset_rows", "hub_rows", "is_dataset", "is_hub_name"]
