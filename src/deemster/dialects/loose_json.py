"""JSON verdicts of models that break their JSON in the prose before the verdict."""

from __future__ import annotations

import json
import re
from typing import Any

from deemster.dialects.base import settle
from deemster.dialects.strict_json import read_object
from deemster.errors import AmbiguousError, ParseError


def read_fields(text: str, key: str) -> dict[str, Any]:
    r"""The object with `key`, or the value of `key` alone where the object is no JSON.

    Reasons with quotes and LaTeX in them (`"the \alpha is "wrong""`) break the object. Its key is
    then read by itself: it must have the same value wherever it stands, and the text must end
    where an object does, so that it was not cut.

    Raises:
        ParseError: there is none.
        AmbiguousError: there are different ones.
    """
    try:
        document = read_object(text, key)
    except AmbiguousError:
        raise
    except ParseError as error:
        if "{" not in text or not text.rstrip("`* \n\t").endswith("}"):
            raise
        use = rf"\"{re.escape(key)}\"[ \t\r\n]{{0,40}}:[ \t\r\n]{{0,40}}([^,}}\n]{{0,60}})"
        return {key: settle(re.findall(use, text), _value, missing=str(error))}
    if not isinstance(document, dict) or key not in document:
        raise ParseError(f'expected a JSON object with the key "{key}"')
    return document


def _value(said: str) -> str | int | float | bool:
    try:
        value = json.loads(said.strip())
    except ValueError:
        value = None
    if not isinstance(value, str | int | float):
        raise ParseError(f"{said[:40]!r} is not a value")
    return value
