"""Sampling the model being trained from a server, which must serve that very model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from deemster.backends.base import Trust
from deemster.backends.served_models import ServedModel, served_models
from deemster.errors import InputError
from deemster.training.sections import ServerSection


class Trained(NamedTuple):
    """A model of a run."""

    name: str
    """The stage that trained it, or `base`."""
    path: str
    """Folder or repository."""


def check_served(server: ServerSection, model: Trained, *, trust: Trust) -> None:
    """Refuse a server that serves another model.

    A name with `{stage}` or `{model}` in it says itself which model it is; of another name the
    server must tell whose weights it has. What was loaded into the server's memory before the
    stage was trained again cannot be told from what is there now.

    Args:
        server: as the recipe describes it.
        model: that is to be sampled from.
        trust: whether the recipe is the user's own, which decides where keys go.

    Raises:
        InputError: no server answers, or it serves something else; the line says how to start it.
    """
    wanted = server.served_name(model.name, model.path)
    command = shlex.join(["vllm", "serve", model.path])
    if wanted != model.path:
        command += f" --served-model-name {shlex.quote(wanted)}"
    remedy = f"start it with: {command}, and give --resume"
    try:
        url, listed = served_models(server.model, api_base=server.api_base, trust=trust)
    except InputError as error:
        raise InputError(f"model.sampling: {error}; {remedy}") from error
    found = next((one for one in listed if one.id == wanted), None)
    if found is None:
        names = ", ".join(repr(one.id) for one in listed) or "nothing"
        raise InputError(
            f"model.sampling: {url} has {names}, not {wanted!r}, the model of {model.name!r}; "
            f"{remedy}"
        )
    if not (server.says_which or _same(found.root or found.id, model.path)):
        raise InputError(_another(found, url, model, remedy))
    if found.root not in (None, found.id) and _is_another(found, model.path):
        raise InputError(_another(found, url, model, remedy))


def _another(found: ServedModel, url: str, model: Trained, remedy: str) -> str:
    if found.root in (None, found.id):
        return (
            f"model.sampling: {url} does not tell which model {found.id!r} is; put {{stage}} into "
            f"the name, as in 'judge-{{stage}}', and serve {model.name!r} as 'judge-{model.name}'"
        )
    return (
        f"model.sampling: {found.id!r} at {url} is {found.root!r}, not {model.path!r}, the model "
        f"of {model.name!r}; {remedy}"
    )


def _same(one: str, other: str) -> bool:
    return one == other or Path(one).expanduser().resolve() == Path(other).resolve()


def _is_another(found: ServedModel, path: str) -> bool:
    """Whether the weights are in a folder of this machine that is not the model's.

    The server may be on another machine, where paths are its own.
    """
    root = found.root or ""
    return Path(root).expanduser().is_dir() and not _same(root, path)


__all__ = ["Trained", "check_served"]
