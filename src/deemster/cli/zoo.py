"""`deemster zoo`: released judges and reward models, and how they are asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.terminal import say

if TYPE_CHECKING:
    from deemster.zoo import ZooEntry

app = typer.Typer(
    no_args_is_help=True,
    help="Released judges and reward models: dialect, scale, licence, what was checked.",
)
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_models(as_json: _Json = False) -> int:
    """Show every released model that is known.

    A model string that names one (hf:OWNER/NAME, hosted_vllm/OWNER/NAME, …) picks its dialect;
    --dialect names another.
    """
    from deemster.zoo import zoo_entries

    if as_json:
        for entry in zoo_entries():
            typer.echo(entry.model_dump_json())
        return 0
    from deemster.cli.render import show_table

    show_table(
        "",
        ("name", "models", "dialect", "responses", "scale", "licence"),
        [
            (
                entry.name,
                " ".join(entry.models),
                entry.dialect or _taken(entry),
                entry.responses,
                entry.scale,
                entry.licence,
            )
            for entry in zoo_entries()
        ],
    )
    return 0


def _taken(entry: ZooEntry) -> str:
    """What takes a model with numbers, and whether it opens."""
    how = "meta_rm" if entry.judge == "meta_rm" else f"judge type {entry.judge}"
    return {"hf": f"({how})", "own code": f"({how}, own code)", "no": "(does not open)"}[
        entry.opens
    ]


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="Its name in the list, or OWNER/NAME.")],
    as_json: _Json = False,
) -> int:
    """Show all that is known of one model."""
    from deemster.zoo import find_name

    entry = find_name(name)
    shown = entry.model_dump(mode="json") | {"forgery": _forgery(entry.dialect)}
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return 0
    numbers = ("judge", "head", "opens", "opening", "system")
    for field, value in shown.items():
        if field in (numbers if entry.kind == "generative" else ("dialect", "other_dialects")):
            continue
        text = ", ".join(value) if isinstance(value, list) else value
        say(f"{field.replace('_', ' ')}: {'unknown' if text in (None, '') else text}")
    return 0


def _forgery(dialect: str) -> str:
    """Whether a response can dictate the verdict."""
    from deemster.dialects import DIALECTS

    if not dialect:
        return "writes no verdict"
    why = DIALECTS.get(dialect).forgeable
    if not why:
        return "prompts respell verdicts in responses"
    return f"possible: {why}; a response can dictate the verdict of a judge that quotes it"
