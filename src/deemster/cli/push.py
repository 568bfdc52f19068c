"""`deemster push`: publish a trained judge or a run."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.terminal import say, tell
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.publishing import Bundle


def push(
    source: Annotated[
        Path, typer.Argument(help="A run of deemster train or deemster run, or a model's folder.")
    ],
    repository: Annotated[
        str | None, typer.Argument(metavar="[REPO]", help="OWNER/NAME on the Hub.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the same files into this new folder instead.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published; send nothing.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public. Default: private.")
    ] = False,
    revision: Annotated[str | None, typer.Option(help="Branch; made if it is not there.")] = None,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "Upload by deemster",
    base: Annotated[
        str | None,
        typer.Option(help="What the model was made from, OWNER/NAME, if its files do not say it."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Of the weights, as the Hub spells it: apache-2.0.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Publish a trained judge (a model repository) or a suite's run (a data set).

    A judge is published with its meta RM, settings (deemster.json) and card, so that
    `deemster score --model hf:REPO` judges by itself; a run with its report, figures and votes.
    No keys and no pickles; --dry-run shows every file.
    """
    from deemster.publishing import model_bundle, run_bundle, upload
    from deemster.publishing.hub import check_repository
    from deemster.suites.run_folder import holds_run

    if repository is None and to is None and not dry_run:
        raise InputError("REPO is missing; give OWNER/NAME, or --to FOLDER")
    if repository is not None:
        check_repository(repository)
    with TemporaryDirectory(prefix="deemster-push-") as folder:
        if holds_run(source):
            for option, value in (("--base", base), ("--licence", licence)):
                if value is not None:
                    raise InputError(f"{option} {value!r} goes with a model, not with a run")
            bundle = run_bundle(source, scratch=Path(folder))
        else:
            where = repository or (None if to is None else str(to))
            bundle = model_bundle(source, where=where, base=base, licence=licence)
        bundle.check()
        _show(bundle, repository or str(to or ""), as_json=as_json)
        if dry_run:
            return 0
        if to is not None:
            bundle.write(to)
            tell(f"written to {to}")
            if repository is None:
                return 0
        done = upload(bundle, str(repository), public=public, revision=revision, message=message)
        say(done)
    return 0


def _show(bundle: Bundle, where: str, *, as_json: bool) -> None:
    """Every file with its size, on stderr unless asked for as JSON."""
    sizes = bundle.sizes
    notes = list(bundle.notes)
    if places := bundle.places():
        notes.append(f"folders of this machine are named in {', '.join(places)}")
    if as_json:
        told = {"kind": bundle.kind, "files": sizes, "left_out": bundle.left_out, "notes": notes}
        typer.echo(json.dumps(told))
        return
    for name, size in sizes.items():
        tell(f"{size:>14,}  {name}")
    total = sum(sizes.values())
    tell(f"{total:>14,}  bytes in {len(sizes)} files: {bundle.kind} {where}".rstrip())
    if bundle.left_out:
        tell(f"left out: {', '.join(bundle.left_out)}")
    for note in notes:
        tell(f"note: {note}")
