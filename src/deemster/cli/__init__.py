"""The command line, a thin layer over the packages: results on stdout, the rest on stderr."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit.

    The commands are imported here, for which a busy machine takes seconds: Ctrl-C ends that, too,
    without a traceback.
    """
    try:
        from deemster.cli.app import main as run
    except KeyboardInterrupt:
        from deemster.cli.interrupts import leave

        leave(lambda: sys.stderr.write("deemster: interrupted\n"))
    run()
