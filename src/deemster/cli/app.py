"""Entry point: collects the commands and turns errors into exit statuses (`statuses`)."""

from __future__ import annotations

import atexit
import errno
import functools
import gc
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from deemster._version import __version__
from deemster.cli import (
    calibrate,
    cascade,
    compare,
    data,
    decision,
    diagnose,
    doctor,
    engines,
    gate,
    init,
    judges,
    models,
    panel,
    plan,
    principles,
    probe,
    push,
    report,
    run,
    runs,
    score,
    serve,
    train,
    zoo,
)
from deemster.cli.interrupts import heed_sigterm, leave
from deemster.cli.judging_command import add_judging_command, with_options
from deemster.cli.statuses import BAD_INPUT, DONE, INTERRUPTED
from deemster.cli.terminal import say, tell, write_anything
from deemster.errors import DeemsterError

# typer may bring a click of its own; its errors are recognised by their common base.
_USAGE_ERROR: type[Exception] = next(
    one
    for one in typer.BadParameter.__mro__
    if issubclass(one, Exception) and one.__name__ == "ClickException"
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk without room, where a command itself does not say so: of stdout, say."""

app = typer.Typer(
    name="deemster",
    help="LLM judges that write their principles, draw k votes and say how sure they are.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
add_judging_command(app, "score", score.score)
add_judging_command(app, "serve", serve.serve, more={"server": serve.server_options})
app.add_typer(data.app, name="data")
app.command("init")(init.init)
app.command("run")(with_options(run.run, {"engine": engines.OPTIONS}))
app.command("import")(runs.import_traces)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("gate")(gate.gate)
app.command("diagnose")(diagnose.diagnose)
app.command("panel")(panel.panel)
app.command("plan")(plan.plan)
app.command("rescore")(runs.rescore)
app.command("export")(runs.export)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(cascade.app, name="cascade")
app.add_typer(principles.app, name="principles")
app.add_typer(train.app, name="train")
add_judging_command(app, "probe", probe.probe, leave_out=probe.NO_PART)
app.command("push")(push.push)
app.add_typer(judges.app, name="judges")
app.add_typer(models.app, name="models")
app.add_typer(zoo.app, name="zoo")
app.add_typer(decision.app, name="decision")
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        say(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version_flag: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and exit."""
    # What the last garbage collection would take apart (LiteLLM: a second and more) ends with the
    # process; everything that has to be closed is closed by then.
    atexit.register(gc.freeze)
    heed_sigterm()
    write_anything()
    try:
        status = _command()(standalone_mode=False)
    except _USAGE_ERROR as error:
        _fail(_message(error))
        sys.exit(BAD_INPUT)
    except DeemsterError as error:
        _fail(str(error))
        sys.exit(BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = "" if error.filename is None else f" {str(error.filename)!r}"
        _fail(f"cannot write{where}: {error.strerror}; make room and give the command again")
        _drop_output()
        sys.exit(BAD_INPUT)
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        # The reader of stdout went away (`| head`), which click ends with 1: nothing was wrong.
        _drop_output()
        sys.exit(DONE)
    if status == INTERRUPTED:
        leave(lambda: _fail("interrupted"))
    sys.exit(status if isinstance(status, int) else DONE)


def _drop_output() -> None:
    """What stdout still holds goes nowhere: Python would try to write it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@functools.cache
def _command() -> Callable[..., object]:
    """All commands, built once: that takes longer than many a call of `main` in a program."""
    return typer.main.get_command(app)


def _message(error: Exception) -> str:
    """What was wrong with the usage, naming the option."""
    message = getattr(error, "format_message", lambda: str(error))()
    return message or "usage error; see --help"


def _fail(message: str) -> None:
    tell("deemster: " + " ".join(message.split()))
