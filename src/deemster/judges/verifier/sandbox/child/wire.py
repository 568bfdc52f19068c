"""Plain data between the process that tests and the process that is tested.

Neither side can hand the other an object with behaviour: what arrives is `None`, booleans,
numbers, text, bytes, ranges, and lists, tuples, sets, deques and dicts of them. So a returned
value that claims to equal everything arrives as what it is, or not at all.
"""

from __future__ import annotations

import json
import os
import sys
from binascii import a2b_base64, b2a_base64
from collections import deque
from collections.abc import Callable, Iterable
from importlib import import_module
from itertools import chain
from typing import Any

LARGEST = 4 << 20
"""Bytes of one message."""


class WireError(Exception):
    """A value is not plain data, or a message is not one."""


def encode(value: object) -> Any:  # noqa: ANN401, PLR0911 - JSON; one line per type
    """The JSON form of plain data; subclasses are sent as their base type.

    Raises:
        WireError: it is not plain data.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -(2**53) < value < 2**53 else ["i", hex(value)]
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray):
        return ["y" if isinstance(value, bytes) else "a", b2a_base64(value, newline=False).decode()]
    if isinstance(value, dict):
        return ["d", *([encode(k), encode(v)] for k, v in dict.items(value))]
    for tag, kind in _CONTAINERS.items():
        if isinstance(value, kind):
            return [tag, *map(encode, kind.__iter__(value))]
    return _encode_rare(value)


def loses(value: object) -> str:
    """The name of a type that `encode` sends as its base type, in plain data; empty: there is none.

    What a test looks up in such a value may be lost: the fields of a named tuple, say.
    """
    kind = type(value)
    if kind not in _EXACT and kind.__module__ not in {"fractions", "decimal"}:
        return kind.__name__
    inner: Iterable[object] = ()
    if kind is dict:
        inner = chain.from_iterable(dict.items(value))  # type: ignore[arg-type]
    elif kind in _CONTAINERS.values():
        inner = value  # type: ignore[assignment]
    return next(filter(None, map(loses, inner)), "")


def _encode_rare(value: object) -> list[Any]:
    if isinstance(value, complex):
        return ["c", value.real, value.imag]
    if isinstance(value, range):
        return ["r", *map(encode, (value.start, value.stop, value.step))]
    if isinstance(value, deque):
        return ["q", value.maxlen, *map(encode, deque.__iter__(value))]
    # Not imported here: who has such a number has imported its module, and most code does not.
    fraction = getattr(sys.modules.get("fractions"), "Fraction", None)
    if fraction is not None and isinstance(value, fraction):
        return ["/", encode(value.numerator), encode(value.denominator)]
    decimal = getattr(sys.modules.get("decimal"), "Decimal", None)
    if decimal is not None and isinstance(value, decimal):
        return ["D", decimal.__str__(value)]
    raise WireError(f"not plain data: {type(value).__name__}")


_CONTAINERS: dict[str, type[Any]] = {"l": list, "t": tuple, "s": set, "f": frozenset}
_EXACT = {
    *(type(None), bool, int, float, str, bytes, bytearray, complex, range, dict, deque),
    *_CONTAINERS.values(),
}


def decode(data: Any) -> Any:  # noqa: ANN401 - JSON
    """What `encode` was given.

    Raises:
        WireError: it is not what `encode` returns.
    """
    if not isinstance(data, list):
        if isinstance(data, dict):
            raise WireError("malformed value")
        return data
    try:
        tag, *items = data
        if tag in _CONTAINERS:
            return _CONTAINERS[tag](map(decode, items))
        return _DECODE[tag](items)
    except (TypeError, ValueError, IndexError, KeyError, ArithmeticError) as error:
        raise WireError(f"malformed value: {error}") from error


def _imported(module: str, name: str) -> Any:  # noqa: ANN401 - a class
    return getattr(import_module(module), name)


_DECODE: dict[str, Callable[[list[Any]], Any]] = {
    "d": lambda items: {decode(key): decode(item) for key, item in items},
    "i": lambda items: int(items[0], 16),
    "c": lambda items: complex(*items),
    "r": lambda items: range(*map(decode, items)),
    "q": lambda items: deque(map(decode, items[1:]), items[0]),
    "/": lambda items: _imported("fractions", "Fraction")(*map(decode, items)),
    "D": lambda items: _imported("decimal", "Decimal")(items[0]),
    "y": lambda items: a2b_base64(items[0], strict_mode=True),
    "a": lambda items: bytearray(a2b_base64(items[0], strict_mode=True)),
}


def send(fd: int, message: object) -> None:
    """Write one message.

    Raises:
        WireError: it is longer than `LARGEST`, or too deeply nested.
        OSError: nobody reads it.
    """
    try:
        body = json.dumps(message).encode()
    except (RecursionError, ValueError) as error:
        raise WireError(f"cannot be sent: {error}") from error
    if len(body) > LARGEST:
        raise WireError(f"larger than {LARGEST >> 20} MiB")
    body = len(body).to_bytes(4, "big") + body
    while body:
        body = body[os.write(fd, body) :]


def receive(fd: int) -> Any:  # noqa: ANN401 - JSON
    """Read one message; None at the end of the stream.

    Raises:
        WireError: it is not a message.
    """
    head = _exactly(fd, 4)
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    if size > LARGEST:
        raise WireError(f"message larger than {LARGEST >> 20} MiB")
    body = _exactly(fd, size)
    if body is None:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"malformed message: {error}") from error


def _exactly(fd: int, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(fd, min(size - len(parts), 1 << 16))
        if not part:
            return None
        parts += part
    return bytes(parts)
