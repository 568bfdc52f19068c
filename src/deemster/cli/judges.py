"""`deemster judges`: the types of judges and their settings, made from the specs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="The types of judges that suites can name.")


@app.command("list")
def list_judges(
    as_json: Annotated[bool, typer.Option("--json", help="JSON Schemas, by type.")] = False,
) -> int:
    """Show every type with its settings, their defaults and what they mean."""
    from deemster.judges.registry import JUDGES

    if as_json:
        typer.echo(
            json.dumps({name: JUDGES.get(name).model_json_schema() for name in JUDGES.names()})
        )
        return 0
    from deemster.cli.render import console, show_table

    out = console()
    for name in JUDGES.names():
        out.print(f"[bold]{name}[/]: {summary_of(name)}")
        show_table("", ("setting", "values", "default", "meaning"), settings_of(name))
    return 0


def summary_of(name: str) -> str:
    """A type's description, in one sentence."""
    from deemster.judges.registry import JUDGES

    return (JUDGES.get(name).__doc__ or "").strip().splitlines()[0]


def settings_of(name: str) -> list[tuple[str, str, str, str]]:
    """Name, values, default and meaning of every setting of a type."""
    from deemster.judges.registry import JUDGES

    fields = JUDGES.get(name).model_fields
    properties = JUDGES.get(name).model_json_schema()["properties"]
    rows = []
    for key, schema in properties.items():
        if key == "type":
            continue
        default = "(required)" if fields[key].is_required() else json.dumps(schema.get("default"))
        meaning = " ".join(schema.get("description", "").split()).replace("`", "")
        rows.append((key, values_of(schema), "" if default == "null" else default, meaning))
    return rows


def values_of(schema: dict[str, Any]) -> str:
    """The values a setting may have, in a few words."""
    if "anyOf" in schema:
        kinds = [values_of(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("title") == "Judge":
        return "judge"
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {values_of(schema.get('items', {}))}" if "items" in schema else "list"
    words = {"integer": "whole number", "string": "text", "object": "mapping", "boolean": "yes/no"}
    limits = [
        f"{sign} {schema[key]:g}"
        for key, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="))
        if key in schema
    ]
    return " ".join([words.get(kind, kind or "any"), *limits])
