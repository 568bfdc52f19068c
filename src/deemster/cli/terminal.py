"""What commands say to people, see `shown`; JSON for programs goes out as it is."""

from __future__ import annotations

import typer

from deemster.shown import harmless, one_line


def say(text: object) -> None:
    """Print what a command found."""
    typer.echo(harmless(str(text)))


def tell(text: object) -> None:
    """Print one line to stderr: what a command did, or what is wrong."""
    typer.echo(one_line(str(text)), err=True)
