"""The command line, a thin layer over the packages: results on stdout, the rest on stderr."""

from deemster.cli.app import main

__all__ = ["main"]
