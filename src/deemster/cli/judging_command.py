"""Commands with groups of options; those of a judge are made from the settings of `Judge`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import typer
from typer.core import TyperCommand

from deemster.cli.options import JUDGE_PANEL, MODEL_HELP, SHARED, JudgeOptions, Options

_FLAGS = {"model": ("--model", "-m"), "k": ("-k", "--k")}
"""Flags of judge settings that differ from their names."""


def add_judging_command(
    app: typer.Typer,
    name: str,
    command: Callable[..., int],
    *,
    leave_out: Collection[str] = (),
    more: Mapping[str, Callable[[], Options]] | None = None,
) -> None:
    """Register a command with the options of a judge, which it gets as its argument `judge`.

    The options are the fields of `GrmSpec`. They are read when the command is used: that takes
    imports which the help of the whole program does not need.

    Args:
        app: where it is registered.
        name: what users type.
        command: the function; its other arguments are options of its own.
        leave_out: settings of a judge that the command does not use.
        more: makes further options, by the argument that gets their values as a mapping.
    """

    class JudgingCommand(TyperCommand):
        _complete = False

        def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - typer's own click
            if not self._complete:
                self._complete = True
                whole = typer.Typer(add_completion=False)
                judge = {
                    key: one
                    for key, one in {**_judge_options(), **SHARED}.items()
                    if key not in leave_out
                }
                groups = {argument: make() for argument, make in (more or {}).items()}
                whole.command()(with_options(command, {**groups, "judge": judge}))
                found = typer.main.get_command(whole)
                self.params, self.callback = found.params, found.callback
            return super().get_params(ctx)

    @app.command(name, cls=JudgingCommand, help=command.__doc__)
    def _stub() -> None:
        pass


def with_options(command: Callable[..., int], groups: Mapping[str, Options]) -> Callable[..., int]:
    """The command with an argument for each option of a group in place of the group's.

    The command gets the group's values as a mapping, those of `judge` as `JudgeOptions`.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.name not in groups]

    @functools.wraps(command)
    def run(context: typer.Context, **given: Any) -> int:  # noqa: ANN401 - typer's values
        mine = {
            argument: {key: given.pop(key) for key in options}
            for argument, options in groups.items()
        }
        if "judge" not in mine:
            return command(**given, **mine)
        chosen = {key for key in mine["judge"] if not _is_default(context, key)}
        return command(**given, **{**mine, "judge": JudgeOptions(mine["judge"], chosen)})

    added = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for options in groups.values()
        for key, (kind, default) in options.items()
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    mine = [context, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own)]
    run.__signature__ = signature.replace(parameters=mine + added)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in mine + added}
    del run.__wrapped__
    return run


def _is_default(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is None or source.name.startswith("DEFAULT")


def _judge_options() -> Options:
    """An annotated type and a default for each setting of a `Judge` that fits an option."""
    from deemster.judges.grm import GrmSpec

    made: Options = {}
    annotated: Any = Annotated  # built at run time, beyond what type checkers follow
    for name, field in GrmSpec.model_fields.items():
        kind = _plain(field.annotation)
        if kind is None or name in ("type", "name", "tool"):
            continue
        default = None if field.is_required() else field.default
        text = MODEL_HELP if name == "model" else " ".join((field.description or "").split())
        option = typer.Option(
            *_FLAGS.get(name, ()), rich_help_panel=JUDGE_PANEL, help=text.replace("`", "")
        )
        made[name] = (annotated[kind | None if default is None else kind, option], default)
    return made


def _plain(annotation: Any) -> type | None:  # noqa: ANN401 - any type form
    """The type of the option for a setting; None if only a file can give the setting."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if annotation in (int, float, str):
        return cast("type", annotation)
    if get_origin(annotation) is Literal:
        return str
    if get_origin(annotation) in (Union, UnionType):
        return next((kind for one in get_args(annotation) if (kind := _plain(one))), None)
    return None
