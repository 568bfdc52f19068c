"""The judge file of a folder, or of a repository of the Hub with the folders that it names."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from deemster.backends.judge_file import CONFIG_NAME, JudgeFile, inside, judge_file_in
from deemster.errors import InputError
from deemster.extras import missing

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z")
"""OWNER/NAME of the Hub."""


def find_judge_file(path: str) -> tuple[Path, JudgeFile] | None:
    """The judge file of a folder or repository, and the folder that it lies in.

    Of a repository that has one, what the file names is fetched too; weights beside the file are
    left to the backend.

    Args:
        path: what stands after `hf:`.

    Raises:
        InputError: the file is not in the layout, or what it names is not there, cannot be
            fetched, or is a link that leads out of the folder.
    """
    folder = Path(path).expanduser()
    if folder.exists():
        found = judge_file_in(folder) if folder.is_dir() else None
    elif REPOSITORY.match(path) and not missing("local"):
        fetched = _fetched(path)
        if fetched is None:
            return None
        folder, found = fetched
    else:
        return None
    if found is None:
        return None
    for named in (found.model, found.template, found.meta_rm):
        if named is not None:
            inside(folder, named)
    return folder, found


def _fetched(repository: str) -> tuple[Path, JudgeFile] | None:
    """The folder of the cache with the judge file of a repository, and the file."""
    import httpx  # noqa: PLC0415 - as the next
    from huggingface_hub import hf_hub_download, snapshot_download  # noqa: PLC0415 - slow to import
    from huggingface_hub.constants import is_offline_mode  # noqa: PLC0415
    from huggingface_hub.errors import (  # noqa: PLC0415
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        folder = Path(hf_hub_download(repository, CONFIG_NAME)).parent
    except (RemoteEntryNotFoundError, RepositoryNotFoundError):
        return None  # it has none; or nobody may read the repository, which the backend says
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, httpx.HTTPError):
        if not is_offline_mode():
            sys.stderr.write(
                f"deemster: the Hub cannot be asked whether {repository!r} has a {CONFIG_NAME}; "
                "its own settings, if any, are not used\n"
            )
        return None
    found = JudgeFile.read(inside(folder, CONFIG_NAME), name=f"{repository}/{CONFIG_NAME}")
    wanted = [
        pattern
        for named in (found.template, found.meta_rm, None if found.model == "." else found.model)
        if named is not None
        for pattern in (named, f"{named}/*.json", f"{named}/*.safetensors", f"{named}/*.jinja",
                        f"{named}/*.txt", f"{named}/*.model")
    ]  # fmt: skip
    if wanted:
        try:
            snapshot_download(repository, revision=folder.name, allow_patterns=wanted)
        except (HfHubHTTPError, OSError, httpx.HTTPError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"cannot fetch what {repository}/{CONFIG_NAME} names: {reason}"
            ) from error
    return folder, found
