"""JSON of what was fitted, with a checksum: verdicts and gates rely on every figure in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ValidationError

from deemster.errors import InputError
from deemster.files import read_text
from deemster.json_text import parse_json
from deemster.schemas import Record, first_problem

_FIELD = "checksum"


class Fitted(Record):
    """What was learned from data, and is kept in a file."""

    what: ClassVar[str] = ""
    """What errors call it, beside the file's name."""

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        Path(path).write_text(with_checksum(self), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: it cannot be read, is something else, or was changed.
        """
        text = read_text(path, what=cls.what)
        try:
            return cls.model_validate_json(without_checksum(text))
        except ValidationError as error:
            kind = f"not a {cls.what}: " if cls.what else ""
            raise InputError(f"{str(path)!r}: {kind}{first_problem(error)}") from error
        except InputError as error:
            raise InputError(f"{str(path)!r}: {error}") from error


def with_checksum(record: BaseModel) -> str:
    """A record as indented JSON, with the checksum as its last field."""
    fields = record.model_dump(mode="json")
    fields[_FIELD] = _checksum(fields)
    text = json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n"


def without_checksum(text: str) -> str:
    """The JSON of the record alone; what has no checksum is of an earlier version, or by hand.

    Raises:
        InputError: it was changed.
    """
    try:
        fields = parse_json(text, "it")
    except InputError:
        return text  # whoever makes a record of it says why not
    if not isinstance(fields, dict) or _FIELD not in fields:
        return text
    if fields.pop(_FIELD) != _checksum(fields):
        raise InputError("it is damaged, or was changed after it was written; fit it again")
    return json.dumps(fields)


def _checksum(fields: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]
