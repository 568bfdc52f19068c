"""`deemster.json`: how the model in a folder judges, so that the folder is a judge by itself.

The file comes with weights that somebody else may have made, so it can say little: no address, no
key, no code, and no file outside of its own folder.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator

from deemster.errors import InputError
from deemster.files import exists
from deemster.json_text import read_json
from deemster.schemas import first_problem
from deemster.schemas.model_facts import ModelFacts

CONFIG_NAME = "deemster.json"
VERSION = 1
_LIMIT = 64 * 2**10
_SNAPSHOT = re.compile(r"models--[^/]+/snapshots/[^/]+\Z")
_PLAIN_PART = re.compile(r"[\w.@+ -]+\Z")


def _inside(path: str) -> str:
    """A relative path that cannot leave the folder it starts from."""
    parts = PurePosixPath(path).parts
    plain = all(_PLAIN_PART.match(part) and part != ".." for part in parts)
    if path != "." and not (parts and plain):
        raise ValueError(
            f"{path!r} must be a file or folder inside the folder of {CONFIG_NAME}, as 'meta' or "
            "'rl/model': no '..', no address, not absolute"
        )
    return path


Inside = Annotated[str, Field(max_length=200), AfterValidator(_inside)]
"""A relative path with `/`, at or below the folder of the file."""
_Text = Annotated[str, Field(max_length=200)]
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=100)]
_Base = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", max_length=200),
]
_Plain = str | int | float | bool | None


class JudgeFile(ModelFacts):
    """What a `deemster.json` says. What is None or empty is left to the defaults of `Judge`."""

    version: Literal[1] = 1
    """Of this layout."""
    name: _Text = ""
    dialect: Annotated[str, StringConstraints(pattern=r"^([a-z0-9][\w-]*(:[a-z][\w-]*)?)?$")] = ""
    """Prompt and parser, by name."""
    licence: _Text = ""
    paper: _Text = ""
    meta_template: Literal["", "deepseek-grm"] = ""
    model: Inside = "."
    """Folder of the weights."""
    base: _Base | None = None
    """What the weights were made from: OWNER/NAME of the Hub, a name of `deemster models fetch`,
    or `smol`. The weights of an adapter lie over it."""
    template: Inside | None = None
    """A Jinja prompt with the dialect's slots."""
    template_args: Annotated[dict[_Word, _Plain], Field(max_length=20)] = Field(
        default_factory=dict
    )
    """Further variables of the chat template."""
    calculator: Annotated[bool, Field(strict=True)] | None = None
    """Whether sums that it writes are worked out for it, where the backend can (`hf:`)."""
    principles: Literal["self", "ahead"] | None = None
    """Who writes them when; see `Judge`."""
    k: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    """Votes to draw."""
    temperature: Annotated[float, Field(strict=True, ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(strict=True, ge=1)] | None = None
    orders: Literal["balanced", "random", "fixed"] | None = None
    """In which orders responses are shown."""
    aggregator: Annotated[str, Field(max_length=1000)] | None = None
    """How votes become rewards, e.g. `topk(4) >> sum`."""
    meta_rm: Inside | None = None
    """Folder of the model that rates the votes."""

    @field_validator("temperature", "top_p", mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return float(given) if type(given) is int else given

    @classmethod
    def read(cls, path: Path, *, name: str | None = None) -> JudgeFile:
        """Read a file.

        Args:
            path: of the file.
            name: what errors call it; default: the path.

        Raises:
            InputError: it is not in the layout; one line says which field.
        """
        where = name or str(path)
        given = read_json(path, what="judge file", limit=_LIMIT)
        if not isinstance(given, dict):
            raise InputError(f"{where!r} is not a JSON object; see docs/howto/publish-a-judge.md")
        version = given.get("version")
        if type(version) is int and version > VERSION:
            raise InputError(
                f"{where!r} has version {version}, this deemster reads version {VERSION}: pip "
                "install --upgrade deemster"
            )
        if type(version) is not int:
            raise InputError(f'{where!r} has no version number; write "version": {VERSION} into it')
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InputError(f"{where!r}: {_explained(error)}") from error

    def text(self) -> str:
        """The file's text, without the fields that say nothing."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({"version": self.version, **said}, indent=2, ensure_ascii=False) + "\n"

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        (folder / CONFIG_NAME).write_text(self.text(), encoding="utf-8")


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        field = str(first["loc"][-1])
        return (
            f"unknown field {field!r}; allowed: {', '.join(sorted(JudgeFile.model_fields))} "
            "(a judge file names no address, key or code)"
        )
    return first_problem(error)


def judge_file_in(folder: Path) -> JudgeFile | None:
    """The file of a folder; None if there is none.

    Raises:
        InputError: it is not in the layout, or is a link that leads out of the folder.
    """
    path = folder / CONFIG_NAME
    if not exists(path) and not path.is_symlink():
        return None
    return JudgeFile.read(inside(folder, CONFIG_NAME))


def inside(folder: Path, path: str) -> Path:
    """A file or folder that the judge file of `folder` names, with all that is in it.

    Links may not lead out of the folder; those of the Hub's cache lead to where its files are.

    Raises:
        InputError: it is not there, or leads out.
    """
    root = folder.resolve()
    if _SNAPSHOT.search(root.as_posix()):
        root = root.parents[1]
    found = folder / path
    if not exists(found):
        raise InputError(f"{str(folder / CONFIG_NAME)!r} names {path!r}, which is not there")
    if path == ".":
        return folder
    for one in (found, *(found.rglob("*") if found.is_dir() else ())):
        if not one.resolve().is_relative_to(root):
            raise InputError(
                f"{str(one)!r} is a link that leads out of {str(folder)!r}, which a judge file may "
                "not name; put the file itself there"
            )
    return found


__all__ = ["CONFIG_NAME", "VERSION", "Inside", "JudgeFile", "inside", "judge_file_in"]
