"""Rows of a public data set by name, through the `datasets` library (an optional extra)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deemster.benchmarks.files import Row
from deemster.errors import InputError
from deemster.extras import need


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
            yield Row(dict(values), f"{what} split {split} row {number}", path, number)
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


__all__ = ["hub_rows"]
