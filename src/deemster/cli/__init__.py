"""The command line: thin shells over the packages. Results on stdout, everything else on stderr."""

from deemster.cli.app import main

__all__ = ["main"]
