"""JSON read strictly: one document, no duplicate keys, no NaN, nothing around it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from deemster.errors import AmbiguousError, ParseError

_SPACE = " \t\n\r"
_MOST_DOCUMENTS = 8
_DEEPEST = 32
_TOO_DEEP = "the JSON is nested too deeply"


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The one JSON document that the text is; a Markdown fence around it does not matter.

    The same document may stand there several times. Lone surrogates in strings, which no file
    could take, become U+FFFD.

    Raises:
        ParseError: it is not JSON, has a key twice, NaN or Infinity, or is not alone.
        AmbiguousError: it holds different documents.
    """
    text = _unfenced(text.strip(_SPACE))
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
    documents: list[Any] = []
    position = 0
    try:
        while position < len(text) and len(documents) < _MOST_DOCUMENTS:
            document, end = decoder.raw_decode(text, position)
            documents.append(document)
            position = end + (len(text[end:]) - len(text[end:].lstrip(_SPACE)))
    except RecursionError:
        raise ParseError(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        what = "text after the JSON document" if documents else "not JSON"
        raise ParseError(f"{what}: {error.msg} at character {error.pos}") from None
    except ValueError as error:  # an integer of thousands of digits
        raise ParseError(f"not JSON: {str(error)[:120]}") from None
    if not documents:
        raise ParseError("the completion is empty; expected JSON")
    if any(_too_deep(document, _DEEPEST) for document in documents):
        raise ParseError(_TOO_DEEP)
    if position < len(text) or any(other != documents[0] for other in documents):
        raise AmbiguousError(f"{len(documents)} or more JSON documents that differ")
    return documents[0]


def _unfenced(text: str) -> str:
    if not (text.startswith("```") and text.endswith("```") and len(text) > 6):
        return text
    first, newline, rest = text.partition("\n")
    if not newline or first.strip(_SPACE) not in {"```", "```json", "```JSON"}:
        return text
    return rest[:-3].strip(_SPACE)


def _too_deep(value: object, levels: int) -> bool:
    """Whether it is nested deeper than `levels`: comparing and showing it could overflow."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(
        _too_deep(item, levels - 1) for item in value if isinstance(item, dict | list)
    )


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ParseError(f"key {key[:40]!r} stands twice in one object")
        values[key] = _clean(value)
    return values


def _clean(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not a number that JSON has")
