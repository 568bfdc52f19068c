"""YAML from outside: plain values only, each with its line, and limits before anything is built."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from deemster.errors import InputError
from deemster.files import decoded

Lines = dict[tuple[str | int, ...], int]
"""Path to a value (`("principles", 0, "weight")`) and its line, from 1."""

MAX_DEPTH = 100
_TOO_DEEP = "exceeded maximum nesting depth"
"""What libyaml says from PyYAML 6.0.4 on, before it has said all that stands in the text."""
_NO_COLON = "could not find expected ':'"
_HINTS = {
    _NO_COLON: "write 'key: value', with a space behind the colon",
    "did not find expected key": "indent it like the lines that it belongs to",
    "did not find expected '-' indicator": "indent it like the lines that it belongs to",
    "mapping values are not allowed in this context": "put a text with ': ' in quotes, or indent "
    "the line like those that it belongs to",
}
"""What to do about what libyaml says."""
_LONGEST_NUMBER = 400
"""Characters: no finite float is longer, and Python's time grows with the square."""
_LONGEST_KEY = 15
"""Characters of a key that is a number: longer ones can be chosen so that Python puts all of them
in one place of a mapping, and its time grows with the square."""
_SHOWN = 60
_SCIENTIFIC = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)e[-+]?[0-9]{1,4}", re.IGNORECASE)

# The C parser where PyYAML was built with it: ten times as fast.
_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = {
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "timestamp", "seq", "map", "merge")
}
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_SPELLED = {*_NUMBERS, *(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "timestamp"))}
"""What can be written in several ways."""


class Limits(NamedTuple):
    """How much is read of one kind of file."""

    size: int
    """Bytes of text."""
    values: int
    """Values and keys; as many values once aliases are written out."""
    remedy: str = ""
    """What the errors add."""


SUITE = Limits(4 * 2**20, 50_000, "; put samples in a file of their own")
RUBRIC = Limits(256 * 2**10, 20_000)
SETTING = Limits(64 * 2**10, 1_000)
"""A value of a command line or inside a text."""


class _Loader(_Base):  # type: ignore[misc, valid-type]  # a class chosen at run time
    """Tells the line of a scalar that is not what its tag says."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401
        try:
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            kind = node.tag.rpartition(":")[2]
            problem = f"{_short(node.value)} is no {kind}; put it in quotes if it is text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def read_yaml(data: bytes | str, where: str, limits: Limits) -> tuple[Any, Lines]:
    """Parse one YAML document of plain values: texts, numbers, booleans, dates, lists, mappings.

    Time and memory are linear in the text.

    Args:
        data: the text; bytes are UTF-8.
        where: what errors call it; its line follows after a colon.
        limits: how large it may be.

    Returns:
        The value and the lines of all values in it. What an alias stands for has the line of
        its anchor.

    Raises:
        InputError: it is not YAML, not plain values, names a key twice (`yes` and `true` are one),
            or is over a limit.
    """
    if len(data) > limits.size:
        size = f"{limits.size >> 10} KiB" if limits.size < 2**20 else f"{limits.size >> 20} MiB"
        raise InputError(f"{where} is larger than {size}, the most that is read{limits.remedy}")
    text = decoded(data, where) if isinstance(data, bytes) else data
    bad = yaml.SafeLoader.NON_PRINTABLE.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        raise InputError(f"{where}:{line}: not YAML: the character {bad[0]!r} is not allowed")
    loader = None
    try:
        _check_events(text, where, limits)
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: Lines = {}
        if node is None:
            return None, lines
        _walk(node, (), lines, where, limits)
        _check_keys(node, loader, where)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.problem == _NO_COLON:  # noticed only on the next line
            mark = error.context_mark or mark
        last = text.count("\n") + 1  # the end of the text is marked as a line more
        place = where if mark is None else f"{where}:{min(mark.line + 1, last)}"
        problem = " ".join(str(error.problem or error.context).split())
        if problem == _TOO_DEEP:
            raise InputError(f"{place}: nested more than {MAX_DEPTH} deep") from error
        begun = "" if mark is None else text.split("\n")[min(mark.line, last - 1)]
        tab = "\t" in begun[: len(begun) - len(begun.lstrip())]
        hint = "the line begins with a tab; indent by spaces" if tab else _HINTS.get(problem)
        problem = _cut(problem, 200) + (f"; {hint}" if hint else "")
        raise InputError(f"{place}: not YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{where}: not YAML: {str(error).splitlines()[0]}") from error
    finally:
        if loader is not None:
            loader.dispose()


def read_setting(text: str, where: str) -> Any:  # noqa: ANN401 - any YAML value
    """A value inside a text. `1e-5` is a number there; YAML takes it for text, without a point.

    Args:
        text: the value.
        where: what errors call it.

    Raises:
        InputError: as `read_yaml`.
    """
    return _with_numbers(read_yaml(text, where, SETTING)[0])


def _with_numbers(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value


def line_of(lines: Lines, path: Sequence[str | int]) -> int | None:
    """The line of a value, or of the nearest thing around it that has one."""
    path = tuple(path)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _check_events(text: str, where: str, limits: Limits) -> None:
    """Look at the parser's events, which take no memory: composing nodes would recurse."""
    depth = values = 0
    for event in yaml.parse(text, _Base):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError(f"{where}:{line}: nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        if values > limits.values:
            raise _too_many(where, line, limits)


def _walk(
    node: yaml.Node, path: tuple[str | int, ...], lines: Lines, where: str, limits: Limits
) -> None:
    """Note the line of a value and all in it, aliases written out."""
    line = lines[path] = node.start_mark.line + 1
    if len(path) > MAX_DEPTH:  # an alias may contain itself
        raise InputError(f"{where}:{line}: nested more than {MAX_DEPTH} deep")
    if len(lines) > limits.values:
        raise _too_many(where, line, limits)
    _check(node, where)
    if isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*path, i), lines, where, limits)
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{where}:{line}: a key must be a text, not a list or a mapping")
            inner = (*path, key.value)
            if inner in lines:
                raise InputError(f"{where}:{line}: the key {_short(key.value)} occurs twice")
            _check(key, where)
            if key.tag in _NUMBERS and len(key.value) > _LONGEST_KEY:
                raise InputError(
                    f"{where}:{line}: the key {_short(key.value)} is a number of more than "
                    f"{_LONGEST_KEY} characters; put it in quotes"
                )
            _walk(child, inner, lines, where, limits)
            lines[inner] = line


def _check_keys(node: yaml.Node, loader: _Loader, where: str) -> None:
    """Refuse keys of a mapping that are one to Python, though written differently."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[object, str] = {}
        for key, child in node.value:
            if key.tag in _SPELLED:
                first = seen.setdefault(loader.construct_object(key), key.value)
                if first != key.value:
                    raise InputError(
                        f"{where}:{key.start_mark.line + 1}: the key {_short(key.value)} is the "
                        f"same as {_short(first)}; put it in quotes if it is text"
                    )
            _check_keys(child, loader, where)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _check_keys(child, loader, where)


def _check(node: yaml.Node, where: str) -> None:
    line = node.start_mark.line + 1
    if node.tag not in _PLAIN:
        raise InputError(
            f"{where}:{line}: not YAML of plain values: the tag {_short(node.tag)} is not read; "
            "leave it out, or put text in quotes"
        )
    if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
        raise InputError(
            f"{where}:{line}: a number of {len(node.value):,} characters; at "
            f"most {_LONGEST_NUMBER} are read; put it in quotes if it is text"
        )


def _too_many(where: str, line: int, limits: Limits) -> InputError:
    return InputError(f"{where}:{line}: more than {limits.values:,} values{limits.remedy}")


def _short(value: object) -> str:
    return _cut(repr(value), _SHOWN)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


__all__ = ["RUBRIC", "SETTING", "SUITE", "Limits", "Lines", "line_of", "read_setting", "read_yaml"]
