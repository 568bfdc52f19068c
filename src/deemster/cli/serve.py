"""`deemster serve`: judges over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deemster.cli import options as opt
from deemster.cli.statuses import DONE, INTERRUPTED
from deemster.cli.terminal import tell
from deemster.errors import InputError
from deemster.extras import need

if TYPE_CHECKING:
    from deemster.backends import Backend
    from deemster.judges import BaseJudge, JudgeSpec
    from deemster.serve import ServerSettings
    from deemster.suites.building import SuiteJudges

_OVER_HTTP = frozenset(
    {"host", "port", "keys", "public", "body_timeout", "group_size", "group_wait", "log_texts"}
)
"""Settings that mean nothing on stdin and stdout."""
_KEYS_HELP = (
    "YAML file of bearer keys: 'name: KEY', or 'name: {key: KEY, per_minute: 600, in_flight: 32}'."
)


def serve(
    suite: Annotated[
        Path | None,
        typer.Argument(help="A suite: its judges are served by their names, its data is not read."),
    ] = None,
    mcp: Annotated[
        bool,
        typer.Option(
            "--mcp", help="Serve an agent on stdin and stdout (Model Context Protocol), not HTTP."
        ),
    ] = False,
    seed: opt.Seed = 0,
    *,
    server: Mapping[str, Any],
    judge: opt.JudgeOptions,
) -> int:
    """Serve judges over HTTP: rewards for trainers, an OpenAI-compatible judge, a page.

    Open http://127.0.0.1:8000/ for the page, or post to /v1/score:

    curl http://127.0.0.1:8000/v1/score -H 'Content-Type: application/json'
    -d '{"query": "What is 2+2?", "responses": ["4", "5"]}'

    The log goes to stderr, a line of JSON for each request. SIGTERM and Ctrl-C answer what was
    accepted, then end; a second one ends at once. docs/serving.md has the routes of trainers,
    docs/howto/agents.md --mcp.
    """
    if mcp:
        _refuse_http(server)
    need("mcp" if mcp else "serve", "deemster serve --mcp" if mcp else "deemster serve")
    settings = _settings(server)
    built, specs = _judges(suite, judge, seed)
    return asyncio.run((_serve_mcp if mcp else _serve)(built, specs, settings))


def server_options() -> opt.Options:
    """An annotated type and a default for each field of `ServerSettings`."""
    from deemster.serve.settings import ServerSettings

    made: opt.Options = {}
    annotated: Any = Annotated  # built at run time, beyond what type checkers follow
    for name, field in ServerSettings.model_fields.items():
        panel = "The server" if name in ("host", "port", "keys", "public", "log_texts") else "Load"
        text = _KEYS_HELP if name == "keys" else " ".join((field.description or "").split())
        flag = f"--{name.replace('_', '-')}"
        option = typer.Option(flag, rich_help_panel=panel, help=text)
        kind = Path | None if name == "keys" else type(field.default)
        made[name] = (annotated[kind, option], None if name == "keys" else field.default)
    return made


def _refuse_http(server: Mapping[str, Any]) -> None:
    for name, (_, default) in server_options().items():
        if name in _OVER_HTTP and server[name] != default:
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{option} {str(server[name])!r} is for HTTP and does not go with --mcp"
            )


def _settings(server: Mapping[str, Any]) -> ServerSettings:
    from pydantic import ValidationError

    from deemster.schemas import first_problem
    from deemster.serve import ServerSettings
    from deemster.serve.settings import read_keys

    keys = () if server["keys"] is None else read_keys(server["keys"])
    try:
        settings = ServerSettings.model_validate({**server, "keys": keys})
    except ValidationError as error:
        name, colon, problem = first_problem(error).partition(": ")
        option = f"--{name.replace('_', '-')}" if colon else name.replace("_", "-")
        raise InputError(f"{option}{colon}{problem}") from error
    settings.check_reach()
    return settings


def _judges(
    suite: Path | None, judge: opt.JudgeOptions, seed: int
) -> tuple[SuiteJudges, dict[str, JudgeSpec]]:
    """The judges, and the specs that they were built from, by the names that requests give."""
    from dataclasses import replace

    from deemster.suites.building import build_judges
    from deemster.suites.loading import load_suite

    if suite is None:
        built = judge.build(seed=seed)
        made, spec = judge.described(seed=seed)
        return replace(built, site=made), {built.judges[0].name: spec}
    judge.refuse_settings("a suite; write it there")
    if judge.given["judge_text"] is not None:
        raise InputError(f"give a suite ({str(suite)!r}) or --judge, not both")
    read = load_suite(suite, trust=bool(judge.given["trust_suite"]))
    built = build_judges(read.spec, folder=suite.parent, trust=read.trust)
    return built, {spec.label: spec for spec in read.spec.expanded()}


def _varying(built: SuiteJudges, specs: dict[str, JudgeSpec]) -> Callable[[str, int], BaseJudge]:
    """Makes the judge of a name with another k; it asks the same models, opened once."""
    served = {judge.name: judge for judge in built.judges}

    def vary(name: str, k: int) -> BaseJudge:
        from pydantic import ValidationError

        from deemster.schemas import first_problem

        spec = specs[name]
        if "k" not in type(spec).model_fields:
            raise InputError(f"judge {name!r} is of type {spec.type!r}, which has no k of its own")
        try:
            other = type(spec).model_validate(spec.model_dump(exclude_unset=True) | {"k": k})
        except ValidationError as error:
            raise InputError(f"judge {name!r} with k={k}: {first_problem(error)}") from error
        made = built.site.judge(other)
        made.name = name
        _share_models(served[name], made)
        return made

    return vary


def _share_models(judge: BaseJudge, other: BaseJudge) -> None:
    """Let another judge of the same spec use this one's models, and so its limits and weights."""
    from deemster.judges import Judge

    backends: list[Backend] = []

    def seen(backend: Backend) -> Backend:
        backends.append(backend)
        return backend

    judge.wrap_backends(seen)
    in_order = iter(backends)
    other.wrap_backends(lambda _: next(in_order))
    if isinstance(judge, Judge) and isinstance(other, Judge):
        other.meta_rm, other.tool = judge.meta_rm, judge.tool


async def _serve(built: SuiteJudges, specs: dict[str, JudgeSpec], settings: ServerSettings) -> int:
    from deemster.serve import create_app
    from deemster.serve.running import bind
    from deemster.serve.running import serve as run

    judges = _checked(built)
    app = create_app(judges, settings, vary=_varying(built, specs))
    _log_to_stderr()
    listening = bind(settings)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host

    def started() -> None:
        names = ", ".join(judges)
        tell(f"deemster: serving {names} at http://{shown}:{port}")

    async with built:
        answered = await run(app, settings, listening, started=started)
    if not answered:
        tell("deemster: stopped at once; not everything accepted is answered")
        return INTERRUPTED
    tell("deemster: stopped; everything that was accepted is answered")
    return DONE


async def _serve_mcp(
    built: SuiteJudges, specs: dict[str, JudgeSpec], settings: ServerSettings
) -> int:
    from deemster.serve.mcp_server import serve_mcp

    judges = _checked(built)
    _log_to_stderr()

    def started() -> None:
        tell(f"deemster: serving {', '.join(judges)} to an agent on stdin")

    async with built:
        await serve_mcp(judges, settings, vary=_varying(built, specs), started=started)
    return 0


def _checked(built: SuiteJudges) -> dict[str, BaseJudge]:
    """The judges by name, each of which can be asked as far as can be told without a call."""
    from deemster.backends import checked

    for judge in built.judges:
        judge.wrap_backends(checked)  # a missing key is one line now, not an error a request
    return {judge.name: judge for judge in built.judges}


class _JsonLines(logging.Formatter):
    """What is no line of JSON yet becomes one, a traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        text = record.getMessage()
        if record.exc_info is None and text.startswith("{"):
            return text
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": text.strip(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _is_no_end(record: logging.LogRecord) -> bool:
    """What a second signal cut off is in the log as a request; uvicorn makes it an error, too."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    handler.addFilter(_is_no_end)
    for name, level in (("deemster.serve", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
