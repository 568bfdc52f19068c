"""Reading a suite file: YAML with line numbers in its errors, and the samples it names.

`${NAME}` in a scalar is replaced by an environment variable, and nowhere else are variables read.
The suite as written, with the names in place of the values, is what a run keeps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ValidationError

from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.suites.spec import DataSpec, SuiteSpec

_MAX_BYTES = 8 * 2**20
_MAX_NODES = 200_000
_SECRET = re.compile(r"api_?key|token|secret|passw|authorization|credential", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Suite:
    """A suite file, read and checked."""

    spec: SuiteSpec
    """With the variables' values."""
    written: dict[str, Any]
    """As written, names of variables in place of values: safe to store."""
    path: Path

    def samples(self) -> Iterator[Sample]:
        """All samples, with ids that are unique in the suite, in the order of the file.

        Raises:
            InputError: a data file or line cannot be read.
        """
        seen: set[str] = set()
        for number, data in enumerate(self.spec.data):
            for sample in _chosen(data, self.path, self.spec.seed):
                name = sample.id
                if name in seen:
                    name = f"{number}:{name}"
                if name in seen:
                    raise InputError(f"sample id {sample.id!r} occurs twice in {self.path.name}")
                seen.add(name)
                yield sample if name == sample.id else sample.model_copy(update={"id": name})


def load_suite(path: str | Path, *, environment: Mapping[str, str] | None = None) -> Suite:
    """Read and check a suite file.

    Args:
        path: the YAML file.
        environment: where `${NAME}` is looked up; None is the process's environment.

    Raises:
        InputError: it cannot be read or says something that is not allowed. The text names file,
            line, key, value and what is allowed.
    """
    path = Path(path)
    text = _read(path)
    node, written = _parse(text, path)
    if not isinstance(written, dict):
        raise InputError(f"{path}: expected a mapping with name, data and judges")
    environment = os.environ if environment is None else environment
    filled = _fill(written, node, path, environment)
    try:
        spec = SuiteSpec.model_validate(filled)
    except ValidationError as error:
        raise InputError(_told(error, node, path)) from error
    return Suite(spec, _without_secrets(written), path)


def _without_secrets(value: Any, key: str = "") -> Any:  # noqa: ANN401 - any YAML value
    """The suite as it may be stored: a secret written out, against all advice, is left out."""
    if isinstance(value, dict):
        return {name: _without_secrets(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item, key) for item in value]
    if isinstance(value, str) and _SECRET.search(key) and not _VARIABLE.fullmatch(value):
        return "(not stored)"
    return value


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB; put samples in a file")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read suite {str(path)!r}: {error}") from error


def _parse(text: str, path: Path) -> tuple[yaml.Node | None, Any]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _check_size(node, path)
        return node, yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise InputError(f"{path}{line}: not YAML: {error.problem or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error


def _check_size(root: yaml.Node, path: Path) -> None:
    """Count nodes as if aliases were written out: a few lines can otherwise mean gigabytes."""
    count = 0
    stack = [root]
    while stack:
        node = stack.pop()
        count += 1
        if count > _MAX_NODES:
            raise InputError(f"{path}: more than {_MAX_NODES} values; put samples in a file")
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key, value in node.value:
                stack += [key, value]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                raise InputError(f"{path}:{node.start_mark.line + 1}: key {twice!r} occurs twice")
        elif isinstance(node, yaml.SequenceNode):
            stack += node.value


def _fill(value: Any, node: yaml.Node | None, path: Path, environment: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Replace `${NAME}` in strings."""
    if isinstance(value, dict):
        return {k: _fill(v, _child(node, k), path, environment) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(v, _child(node, i), path, environment) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise InputError(
                f"{path}:{_line(node)}: the environment variable {match[1]!r} is not set"
            )
        return environment[match[1]]

    return _VARIABLE.sub(found, value)


def _child(node: yaml.Node | None, key: object) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == str(key):
                return value if isinstance(value, yaml.Node) else None
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        child = node.value[key]
        return child if isinstance(child, yaml.Node) else None
    return None


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else node.start_mark.line + 1


def _told(error: ValidationError, root: yaml.Node | None, path: Path) -> str:
    """The first problem, with the line it stands in."""
    first = error.errors()[0]
    node, key = root, []
    for part in first["loc"]:
        child = _child(node, part)
        if child is None and isinstance(node, yaml.MappingNode) and part == 0:
            continue  # one mapping where a list of them is meant
        if child is None and isinstance(part, str) and not isinstance(node, yaml.MappingNode):
            break  # the name of a union member, not a key
        key.append(str(part))
        if child is None:
            break
        node = child
    where = ".".join(key)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        line = _key_line(root, first["loc"])
        allowed = ", ".join(_allowed(first["loc"]))
        return f"{path}:{line}: unknown key {where!r}; allowed: {allowed}"
    if first["type"] == "missing":
        return f"{path}:{_line(node)}: {where} is missing"
    value = first["input"]
    shown = "" if isinstance(value, dict | list | tuple) else f", got {value!r:.80}"
    return f"{path}:{_line(node)}: {where}: {message}{shown}" if where else f"{path}: {message}"


def _key_line(root: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    node = root
    for part in loc[:-1]:
        node = _child(node, part) or node
    if isinstance(node, yaml.MappingNode):
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == str(loc[-1]):
                return name.start_mark.line + 1
    return _line(node)


def _allowed(loc: tuple[int | str, ...]) -> list[str]:
    from deemster.suites.spec import BudgetSpec, JudgeSpec  # noqa: PLC0415

    models: dict[str, type[BaseModel]] = {
        "data": DataSpec,
        "judges": JudgeSpec,
        "budget": BudgetSpec,
    }
    model = models.get(str(loc[0]), SuiteSpec) if len(loc) > 1 else SuiteSpec
    return list(model.model_fields)


def _chosen(data: DataSpec, suite: Path, seed: int) -> Iterable[Sample]:
    """The samples of one source after its filters, in their order there."""
    wanted = (sample for sample in _source(data, suite) if _wanted(data, sample))
    if data.limit is None:
        return wanted
    kept = list(wanted)
    if data.limit >= len(kept):
        return kept
    drawn = np.random.default_rng([seed, len(kept)]).choice(len(kept), data.limit, replace=False)
    return [kept[i] for i in sorted(drawn)]


def _source(data: DataSpec, suite: Path) -> Iterator[Sample]:
    path = None if data.path is None else suite.parent / Path(data.path).expanduser()
    if data.benchmark is not None:
        from deemster.benchmarks import open_benchmark  # noqa: PLC0415 - only where it is used

        if path is not None and not path.exists():
            raise InputError(f"{suite}: data path {data.path!r} does not exist")
        yield from open_benchmark(data.benchmark).load(path, split=data.split)
    elif path is not None:
        from deemster.suites.jsonl import read_samples  # noqa: PLC0415

        yield from read_samples(path)
    else:
        for number, row in enumerate(data.samples or ()):
            sample = Sample.parse(row, where=f"{suite}: data.samples.{number}")
            yield sample if sample.id else sample.model_copy(update={"id": str(number)})


def _wanted(data: DataSpec, sample: Sample) -> bool:
    n = len(sample.responses)
    return (
        (data.subsets is None or sample.subset in data.subsets)
        and n >= data.min_responses
        and (data.max_responses is None or n <= data.max_responses)
    )
