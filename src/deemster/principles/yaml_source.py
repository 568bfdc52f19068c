"""YAML read with its line numbers, and with limits: rubrics may come from strangers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from deemster.errors import InputError

MAX_BYTES = 256 * 1024
MAX_ALIASES = 20
"""A document of nested aliases grows exponentially; this many cannot grow far."""
MAX_DEPTH = 20
MAX_VALUES = 20_000
"""Values and keys after aliases are expanded."""

Line = int
# The C parser where PyYAML was built with it: ten times as fast.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Lines = dict[tuple[str | int, ...], Line]
"""Path to a value (`("principles", 0, "weight")`) and its line, from 1."""


def read_yaml(data: bytes, where: str) -> tuple[Any, Lines]:
    """Parse one YAML document of plain values.

    Args:
        data: UTF-8 bytes.
        where: what error texts call the source.

    Raises:
        InputError: it is not YAML, not plain values, names a key twice, or is over a limit.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{where}: {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 text (byte {error.start})") from error
    try:
        _check_limits(text, where)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines: Lines = {}
            if node is None:
                return None, lines
            _walk(node, (), lines, where)
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except InputError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{where}{line}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{where}: {str(error).splitlines()[0]}") from error
    except (ValueError, OverflowError) as error:  # a date such as 2026-99-99
        raise InputError(f"{where}: {error}") from error


def line_of(lines: Lines, path: Sequence[str | int]) -> Line | None:
    """The line of a value, or of the nearest thing around it that has one."""
    path = tuple(path)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _check_limits(text: str, where: str) -> None:
    """Look at the parser's events, which take no memory, before anything is built from them."""
    aliases = depth = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MAX_ALIASES:
                raise InputError(f"{where} line {line}: more than {MAX_ALIASES} aliases (*name)")
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError(f"{where} line {line}: nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _walk(node: yaml.Node, path: tuple[str | int, ...], lines: Lines, where: str) -> None:
    lines[path] = node.start_mark.line + 1
    if len(path) > MAX_DEPTH:  # an alias may contain itself
        raise InputError(f"{where} line {lines[path]}: nested more than {MAX_DEPTH} deep")
    if len(lines) > MAX_VALUES:
        raise InputError(f"{where} line {lines[path]}: more than {MAX_VALUES} values")
    if isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*path, i), lines, where)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, child in node.value:
            name = str(key.value)
            line = key.start_mark.line + 1
            if name in seen:
                raise InputError(f"{where} line {line}: the key {name!r} occurs twice")
            seen.add(name)
            _walk(child, (*path, name), lines, where)
            lines[*path, name] = line
