"""The parts of the reference that are made from the code: `python docs/site_reference.py NAME`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer.main
from pydantic import BaseModel

import deemster
from deemster.cli.app import app
from deemster.cli.judges import values_of
from deemster.cli.statuses import BAD_INPUT, STATUSES, STOPPED
from deemster.errors import DeemsterError
from deemster.suites.spec import BudgetSpec, DataSpec, SuiteSpec


def commands() -> str:
    """Every command with its arguments and options."""
    root = typer.main.get_command(app)
    return "\n".join(_command("deemster", root, parent=None))


def _command(name: str, command: Any, parent: Any) -> Iterator[str]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    inner = getattr(command, "commands", {})
    if parent is not None and (not inner or command.params):
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        yield f"## {context.command_path}\n"
        yield f"{inspect.cleandoc(command.help or '')}\n\n```text\n{usage}\n```\n"
        rows = [_option(one, context) for one in command.get_params(context)]
        yield _table(
            ("option", "value", "meaning"), [row for row in rows if "`--help`" not in row[0]]
        )
    for inner_name, one in inner.items():
        yield from _command(inner_name, one, context)


def _option(parameter: Any, context: Any) -> tuple[str, str, str]:
    names, meaning = parameter.get_help_record(context)
    names, _, kind = names.partition(" <")
    return ", ".join(f"`{name}`" for name in names.split(", ")), kind.removesuffix(">"), meaning


def statuses() -> str:
    """What every exit status means."""
    return _table(("status", "when"), [(str(int(one)), one.when) for one in STATUSES])


def exceptions() -> str:
    """Every exception that deemster raises on purpose, as a tree."""
    for module in pkgutil.walk_packages(deemster.__path__, "deemster."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # of a tool that is not installed
            if (error.name or "").partition(".")[0] == "deemster":
                raise
    rows = [
        (f"{'&emsp;' * depth}`{one.__name__}`", _first_line(one), *_consequence(one))
        for one, depth in _tree(DeemsterError)
    ]
    return _table(("exception", "raised when", "failure status", "exit status"), rows)


def _tree(root: type[Exception], depth: int = 0) -> Iterator[tuple[type[Exception], int]]:
    yield root, depth
    for one in root.__subclasses__():
        yield from _tree(one, depth + 1)


def _first_line(thing: type) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _consequence(error: type[Exception]) -> tuple[str, str]:
    """The status of the failure it becomes, and of a command that it ends."""
    failure = getattr(error, "status", None)
    if failure is not None:
        return f"`{failure}`", ""
    stopped = any(one.__name__ == "StageError" for one in error.__mro__)
    return "", str(int(STOPPED if stopped else BAD_INPUT))


def suite() -> str:
    """The keys of a suite file."""
    parts = [
        _keys("The suite", SuiteSpec),
        _keys("`data`", DataSpec),
        _keys("`budget`", BudgetSpec),
    ]
    return "\n".join(parts)


def _keys(title: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    properties: Mapping[str, dict[str, Any]] = schema["properties"]
    rows = [
        (
            f"`{key}`",
            values_of(one).replace("any", "mapping"),
            _default(model, key),
            one.get("description", ""),
        )
        for key, one in properties.items()
    ]
    return f"## {title}\n\n{_first_line(model)}\n\n" + _table(
        ("key", "values", "default", "meaning"), rows
    )


def _default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    if field.is_required():
        return "(required)"
    default = field.get_default(call_default_factory=True)
    return "" if default is None or default in ((), {}, "") else f"`{default}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return (
        "\n".join(
            "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |"
            for line in lines
        )
        + "\n"
    )


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "exceptions": exceptions,
    "statuses": statuses,
    "suite": suite,
}

if __name__ == "__main__":
    print(PARTS[sys.argv[1]]())
