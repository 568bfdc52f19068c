"""JSON read strictly: one document, no duplicate keys, no NaN; prose around it does not matter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NoReturn

from deemster.errors import AmbiguousError, ParseError
from deemster.prompts.normal_form import fold

_SPACE = " \t\n\r"
_MOST_DOCUMENTS = 8
_DEEPEST = 32
_TOO_DEEP = "the JSON is nested too deeply"


def read_object(text: str, key: str) -> Any:  # noqa: ANN401 - any JSON value
    r"""The one JSON document with `key` in a text: the text itself, or an object in its prose.

    The key must be written out. Prompts respell it in responses, so that an object that gets it
    by an escape (`"\u0073cores"`) is an echo of one. Objects without the key do not matter.

    Raises:
        ParseError: there is none, or it is cut or broken.
        AmbiguousError: there are different ones, or something else that may be one.
    """
    written = f'"{key}"'
    if written not in text:
        raise ParseError(f'no key "{key}" in the completion; expected a JSON object')
    try:
        return read_json(text)
    except ParseError as error:
        found = _objects_in_prose(text, key)
        if not found:
            raise
        documents = [document for _, _, document in found]
        if len(found) > _MOST_DOCUMENTS or any(other != documents[0] for other in documents):
            raise AmbiguousError(f"{len(documents)} JSON objects that differ") from None
        for use in re.finditer(rf"{written}[ \t\r\n]{{0,200}}:", text):
            if not any(use.start() in range(start, end) for start, end, _ in found):
                raise AmbiguousError(
                    f"a JSON object, but also {written} at character {use.start()}: {error}"
                ) from None
        return documents[0]


def unfolded(text: str, key: str) -> Mapping[str, Any]:
    """The fields of the object with `key` as the judge wrote them, to take reasons from.

    Empty where folding changes nothing, or the text is an object in its folded form alone.
    """
    try:
        found = {} if text.isascii() else read_object(text, key)
    except ParseError:
        return {}
    return found if isinstance(found, dict) else {}


def own_words(said: str, written: object) -> str:
    """A text of the folded object in the judge's own characters, where it is the same text.

    Args:
        said: as the folded object has it.
        written: what stands there in the object of `unfolded`.
    """
    return written if isinstance(written, str) and fold(written) == said else said


_OBJECT = re.compile(r"\{(?=[ \t\r\n]{0,200}\")")
# An element of a list or the value of a key is part of something else, which is broken.
_PART = re.compile(r"(?:\[|[]}\"0-9][ \t\r\n]*+,|\"[ \t\r\n]*+:)[ \t\r\n]*+\Z")
_PART_REACH = 100
_MOST_STARTS = 64


def _objects_in_prose(text: str, key: str) -> list[tuple[int, int, Any]]:
    """Start, end and value of the whole objects with the key.

    Raises:
        ParseError: an object has a key twice, NaN or Infinity, or is nested too deeply.
    """
    found: list[tuple[int, int, Any]] = []
    end = 0
    for start in islice((match.start() for match in _OBJECT.finditer(text)), _MOST_STARTS):
        if start < end:
            continue
        try:
            document, end = _decoded(text, start)
        except json.JSONDecodeError:
            continue
        part = _PART.search(text[:start][-_PART_REACH:])
        if key in document and f'"{key}"' in text[start:end] and not part:
            found.append((start, end, document))
    return found


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The one JSON document that the text is; a Markdown fence around it does not matter.

    The same document may stand there several times. Lone surrogates in strings, which no file
    could take, become U+FFFD.

    Raises:
        ParseError: it is not JSON, has a key twice, NaN or Infinity, or is not alone.
        AmbiguousError: it holds different documents.
    """
    text = _unfenced(text.strip(_SPACE))
    documents: list[Any] = []
    rest = text
    try:
        while rest and len(documents) < _MOST_DOCUMENTS:
            document, end = _decoded(rest, 0)
            documents.append(document)
            rest = rest[end:].lstrip(_SPACE)
    except json.JSONDecodeError as error:
        what = "text after the JSON document" if documents else "not JSON"
        at = len(text) - len(rest) + error.pos
        raise ParseError(f"{what}: {error.msg} at character {at}") from None
    if not documents:
        raise ParseError("the completion is empty; expected JSON")
    if rest or any(other != documents[0] for other in documents):
        raise AmbiguousError(f"{len(documents)} or more JSON documents that differ")
    return documents[0]


_FENCED = re.compile(r"```[ ]?[\w+.-]{0,20}[ \t\r]*+\n(.*)```", re.DOTALL)


def _unfenced(text: str) -> str:
    fenced = _FENCED.fullmatch(text)
    return fenced[1].strip(_SPACE) if fenced else text


def _decoded(text: str, start: int) -> tuple[Any, int]:
    """The document that begins there, and where it ends.

    Raises:
        json.JSONDecodeError: there is none.
        ParseError: it has a key twice, NaN or Infinity, or is nested too deeply.
    """
    try:
        document, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ParseError(_TOO_DEEP) from None
    except (json.JSONDecodeError, ParseError):
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise ParseError(f"not JSON: {str(error)[:120]}") from None
    if _too_deep(document):
        raise ParseError(_TOO_DEEP)
    return document, end


def _too_deep(document: object) -> bool:
    """Whether it is nested so deeply that to compare or to show it could overflow."""
    layer = [document]
    for _ in range(_DEEPEST):
        layer = [item for value in layer for item in _items(value)]
    return any(isinstance(value, dict | list) for value in layer)


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


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


# Not strict about control characters: judges write line breaks into strings as they are.
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, strict=False)
