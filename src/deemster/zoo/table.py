"""The table of released models, and which of its rows a model string means.

A wrong match asks a model in a language it does not speak, which is worse than none. So only the
owner and the name together decide, never a name alone, and never what a local folder says of the
model that it was trained from: a judge that somebody trained further is not the released one.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import Field

from deemster.errors import InputError
from deemster.schemas.model_facts import ModelFacts

_CACHED = re.compile(r"(?:^|/)models--(?P<owner>[^/]+?)--(?P<name>[^/]+)/snapshots/[^/]+/?\Z")
_TAG = re.compile(r":[\w.-]+\Z")


SystemTurn = Literal["keep", "merge", "empty"]
"""What becomes of a system turn before a scalar model reads the chat."""


class ZooEntry(ModelFacts):
    """A released model, or several of one family."""

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    """Hugging Face ids, `owner/name`; `*` stands for any part of a name."""
    kind: Literal["generative", "scalar"] = "generative"
    """Whether it writes its verdict, or is a head with numbers (judge type `scalar`)."""
    judge: Literal["scalar", "pairwise", "meta_rm"] = "scalar"
    """Of a model with numbers: the judge type, or the argument, that takes it."""
    head: str = ""
    """Of a model with numbers: what makes them."""
    opens: Literal["hf", "own code", "no"] = "hf"
    """Of a model with numbers: `hf` opens `hf:OWNER/NAME` as it is; `own code` opens it where
    `remote_code` names it, too."""
    opening: str = ""
    """What else is to be known about opening it, or why it does not open."""
    system: SystemTurn = "keep"
    """Of a scalar model: `keep` its system turns, `merge` them into the first user turn, or put an
    `empty` one before."""
    other_dialects: tuple[str, ...] = ()
    """What else it was trained on."""
    responses: str
    """How many responses it judges in one completion."""
    scale: str
    """Its scores."""
    sampling: str = ""
    """How its makers sample from it, where known: temperature, thinking."""
    size: str
    """Number of parameters."""
    prompt: str
    """Where its makers publish the prompt."""
    prompt_hash: str | None = None
    """`digest_of` the known official text; None where nobody has checked."""
    checked: str = "outputs written to its grammar; docs/zoo.md has the counts"
    """What was tried here. Of judges that write it is counted in the tests, not told."""
    unchecked: str = "weights"
    """What was not."""


@cache
def zoo_entries() -> tuple[ZooEntry, ...]:
    """All rows of the table, by name."""
    text = resources.files("deemster.zoo").joinpath("zoo.yaml").read_text(encoding="utf-8")
    entries = [
        ZooEntry.model_validate(
            {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        )
        for row in yaml.safe_load(text)
    ]
    return tuple(sorted(entries, key=lambda entry: entry.name.lower()))


def find_name(name: str) -> ZooEntry:
    """The row with a name, or of a model.

    Raises:
        InputError: there is none.
    """
    for entry in zoo_entries():
        if entry.name.lower() == name.strip().lower():
            return entry
    found = find_model(name)
    if found is None:
        names = ", ".join(entry.name for entry in zoo_entries())
        raise InputError(f"no model {name!r} in the zoo; give owner/name, or one of: {names}")
    return found


def find_model(model: str) -> ZooEntry | None:
    """The row that a model string means, or None.

    Read are `owner/name`, alone or after a scheme and a provider (`hf:`, `hosted_vllm/`,
    `openai/`, `ollama_chat/hf.co/`), with a tag or without, and a folder of the Hugging Face
    cache. Upper and lower case do not matter.
    """
    cached = _CACHED.search(model)
    if cached:
        ident = f"{cached['owner']}/{cached['name']}"
    else:
        scheme, colon, rest = model.partition(":")
        path = rest if colon and "/" not in scheme else model
        parts = _TAG.sub("", path.strip("/")).split("/")
        if len(parts) < 2:
            return None
        ident = "/".join(parts[-2:])
    ident = ident.lower()
    for entry in zoo_entries():
        if any(fnmatchcase(ident, pattern.lower()) for pattern in entry.models):
            return entry
    return None
