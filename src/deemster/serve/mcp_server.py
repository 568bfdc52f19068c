"""The tools for agents over the Model Context Protocol, on stdin and stdout (`serve --mcp`)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel

from deemster._version import __version__
from deemster.errors import DeemsterError
from deemster.judges.base import BaseJudge
from deemster.serve.agent_tools import (
    CompareArguments,
    Compared,
    PrinciplesArguments,
    PrinciplesFound,
    Report,
    ScoreArguments,
    Scored,
    Tools,
    bounded,
)
from deemster.serve.critique import in_words
from deemster.serve.desk import Desk, Vary
from deemster.serve.metrics import Metrics
from deemster.serve.settings import ServerSettings
from deemster.serve.stdin_lines import StdinLines

logger = logging.getLogger("deemster.serve")
_MOST_ESCAPED = 12
"""Bytes that JSON may take for one character."""
_MOST_WORDS = 20_000
"""Characters of the text of a reply; the figures come beside it."""


@dataclass(frozen=True)
class _Kind:
    title: str
    given: type[BaseModel]
    found: type[BaseModel]
    description: str


_KINDS = {
    "score": _Kind(
        "Score answers",
        ScoreArguments,
        Scored,
        description="Ask an independent judge how good 1 or more answers to a question are. Use it "
        "to check work before handing it over, or to pick the best of several answers, which are "
        "judged beside each other. Gives a reward for each (higher is better), the best, how sure "
        "the votes are (confidence, 0 to 1), the principles it judged by and a critique of each. "
        "An error means that there is no judgment: never read it as a low score.",
    ),
    "compare": _Kind(
        "Compare two answers",
        CompareArguments,
        Compared,
        description="Ask an independent judge which of two answers to the same question is better: "
        "'first', 'second' or 'tie', with rewards, confidence and critiques. An error means that "
        "there is no judgment.",
    ),
    "principles": _Kind(
        "Principles to judge by",
        PrinciplesArguments,
        PrinciplesFound,
        description="Without arguments: the rubrics that 'score' and 'compare' know by name. With "
        "'rubric': its principles in full. With 'query': principles that the judge's model writes "
        "for that question or task, to read or to pass on as 'principles'.",
    ),
}


def make_server(desk: Desk) -> Server[Any]:
    """The server of the protocol, over the judges of a desk."""
    tools = Tools(desk, most_text=desk.settings.max_body)

    async def list_tools(_context: Any, _params: Any) -> ListToolsResult:  # noqa: ANN401 - the SDK's
        return ListToolsResult(tools=[_tool(name, desk) for name in _KINDS])

    async def call_tool(context: Any, params: Any) -> CallToolResult:  # noqa: ANN401 - the SDK's
        async def report(done: int, total: int, line: str) -> None:
            await context.session.report_progress(done, total, line)

        began = time.monotonic()
        noted: dict[str, Any] = {"tool": params.name}
        try:
            return await _called(tools, params.name, params.arguments or {}, report, noted)
        except DeemsterError as error:
            noted["error"] = type(error).__name__
            return _error(" ".join(str(error).split()))
        except Exception:
            noted["error"] = "internal"
            logger.exception("tool %r failed", params.name)
            return _error("internal error; the server's log has the details")
        finally:
            _log(noted, time.monotonic() - began)

    return Server(
        "deemster",
        version=__version__,
        title="deemster",
        instructions=_instructions(desk.judges),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_mcp(
    judges: Mapping[str, BaseJudge],
    settings: ServerSettings,
    *,
    vary: Vary | None = None,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve until stdin is closed, SIGTERM or Ctrl-C. Calls under way are then cancelled.

    While it serves, what anything else writes to stdout goes to stderr.

    Args:
        judges: by the names that calls may give; the first is the default.
        settings: `in_flight`, `queue`, `deadline`, `max_k`, `max_responses` and `max_body`
            (characters of a call's arguments) hold here too.
        vary: see `create_app`.
        started: called when calls are taken.
    """
    desk = Desk(judges, settings=settings, metrics=Metrics(), vary=vary)
    server = make_server(desk)
    try:
        with StdinLines(longest=_MOST_ESCAPED * settings.max_body) as lines:
            async with stdio_server(stdin=lines) as (reading, writing):
                desk.loading.start()
                started()
                await server.run(reading, writing, server.create_initialization_options())
    finally:
        await desk.aclose()


async def _called(
    tools: Tools,
    name: str,
    given: dict[str, Any],
    report: Report,
    noted: dict[str, Any],
) -> CallToolResult:
    if name == "principles":
        found = await tools.principles(given)
        return _result(_listed(found), found)
    if name not in _KINDS:
        return _error(f"unknown tool {name!r:.80}; known: {', '.join(_KINDS)}")
    figures: Scored
    figures, verdict = await (tools.score if name == "score" else tools.compare)(given, report)
    usage = verdict.usage
    noted |= {
        "judge": figures.judge,
        "votes": figures.votes,
        "valid": figures.valid_votes,
        "tokens": usage.tokens_in + usage.tokens_out,
    }
    words = in_words(verdict, len(figures.critiques))
    warnings = "".join(f"\nwarning: {bounded(one, 500)}" for one in figures.warnings)
    return _result(words + warnings, figures)


def _result(words: str, figures: BaseModel) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=bounded(words, _MOST_WORDS))],
        structured_content=figures.model_dump(mode="json"),
    )


def _error(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _listed(found: PrinciplesFound) -> str:
    if found.rubrics:
        return "\n".join(f"{one.name}: {one.description}" for one in found.rubrics)
    return "\n".join(
        f"- {one.name} ({one.weight:.0%}): {one.description}" for one in found.principles
    )


def _tool(name: str, desk: Desk) -> Tool:
    kind = _KINDS[name]
    schema = kind.given.model_json_schema()
    schema["properties"]["judge"]["enum"] = [*desk.judges, None]
    return Tool(
        name=name,
        title=kind.title,
        description=kind.description,
        input_schema=schema,
        output_schema=kind.found.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(title=kind.title, read_only_hint=True),
    )


def _instructions(judges: Mapping[str, BaseJudge]) -> str:
    lines = [
        f"- {name}: {judge.info.model or judge.info.name}, {judge.info.k} votes"
        for name, judge in judges.items()
    ]
    return (
        "Judges of answers. Ask before you hand over work that matters, or to choose between "
        "answers. The judges, the default first:\n" + "\n".join(lines)
    )


def _log(noted: dict[str, Any], seconds: float) -> None:
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **noted}
    logger.info(json.dumps({**line, "seconds": round(seconds, 4)}))  # in ASCII, as in `traffic`
