"""JSON read strictly: one document, no duplicate keys, no NaN; prose around it does not matter."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, NoReturn

from deemster.errors import AmbiguousError, ParseError

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
            if not any(start < use.start() < end for start, end, _ in found):
                raise AmbiguousError(
                    f"a JSON object, but also {written} at character {use.start()}: {error}"
                ) from None
        return documents[0]


_OBJECT = re.compile(r"\{(?=[ \t\r\n]{0,200}\")")
# An element of a list or the value of a key is part of something else, which is broken.
_PART = re.compile(r"(?:\[|[]}\"0-9][ \t\r\n]{0,40},|\"[ \t\r\n]{0,40}:)[ \t\r\n]{0,40}\Z")
_MOST_STARTS = 64


def _objects_in_prose(text: str, key: str) -> list[tuple[int, int, Any]]:
    """Start, end and value of the whole objects with the key."""
    found: list[tuple[int, int, Any]] = []
    end = 0
    for start in islice((match.start() for match in _OBJECT.finditer(text)), _MOST_STARTS):
        if start < end:
            continue
        try:
            document, stop = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError:
            continue
        except (RecursionError, ValueError):  # ours are ValueErrors, too: a key stands twice
            return []
        if _too_deep(document, _DEEPEST):
            return []
        end = stop
        part = _PART.search(text, max(0, start - 130), start)
        if key in document and f'"{key}"' in text[start:stop] and not part:
            found.append((start, stop, document))
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
    position = 0
    try:
        while position < len(text) and len(documents) < _MOST_DOCUMENTS:
            document, end = _DECODER.raw_decode(text, position)
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
    # Few brackets are quicker counted than followed.
    if text.count("{") + text.count("[") > _DEEPEST and any(
        _too_deep(document, _DEEPEST) for document in documents
    ):
        raise ParseError(_TOO_DEEP)
    if position < len(text) or any(other != documents[0] for other in documents):
        raise AmbiguousError(f"{len(documents)} or more JSON documents that differ")
    return documents[0]


def _unfenced(text: str) -> str:
    if not (text.startswith("```") and text.endswith("```")):
        return text
    first, newline, rest = text.partition("\n")
    if not newline or not re.fullmatch(r"```[ ]?[\w+.-]{0,20}", first.strip(_SPACE)):
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


# Not strict about control characters: judges write line breaks into strings as they are.
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, strict=False)
