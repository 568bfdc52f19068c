"""What commands say to people, see `shown`; JSON for programs goes out as it is."""

from __future__ import annotations

import codecs
import io
import sys
from contextlib import suppress

import typer

from deemster.shown import harmless, one_line

_ESCAPED = "deemster.escaped"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """As JSON writes what an encoding lacks, so that a JSON text stays one."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    units = zip(codes[::2], codes[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in units), error.end


def write_anything() -> None:
    """Escape what the terminal's encoding lacks, instead of ending in the middle of the output."""
    codecs.register_error(_ESCAPED, _escape)
    for stream in (sys.stdout, sys.stderr):
        # One that was closed, or made another file meanwhile, stays as it is.
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors=_ESCAPED)


def say(text: object) -> None:
    """Print what a command found."""
    typer.echo(harmless(str(text)))


def tell(text: object) -> None:
    """Print one line to stderr: what a command did, or what is wrong."""
    typer.echo(one_line(str(text)), err=True)
