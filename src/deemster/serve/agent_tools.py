"""What an agent may ask a judge for: `score`, `compare`, `principles`. Knows no protocol."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from deemster.errors import InputError
from deemster.judges import Judge
from deemster.judges.case import Case
from deemster.principles import generate_principles, list_rubrics
from deemster.schemas import (
    Failure,
    Principle,
    Verdict,
    Vote,
    first_problem,
    normalise_weights,
)
from deemster.serve.asked import Asked, Votes, rubric_names
from deemster.serve.critique import Summary, summarised
from deemster.serve.desk import Desk
from deemster.serve.http_errors import no_verdict_error
from deemster.serve.live import Progress

Report = Callable[[int, int, str], Awaitable[None]]
"""Is told of progress: votes so far, votes in all, and a line about the last one."""
LONGEST = 6_000
"""Characters of one critique in a reply."""


class Turn(BaseModel):
    """A turn of a conversation, as in OpenAI's chat completions."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "user", "assistant", "tool"]
    content: Any = Field(None, description="Text, or a list of text and image parts.")
    tool_calls: list[dict[str, Any]] | None = Field(
        None, description='Of an assistant: [{"id", "function": {"name", "arguments"}}].'
    )
    tool_call_id: str | None = Field(None, description="Of a tool's result: the call it answers.")


def _as_list(value: Any) -> Any:  # noqa: ANN401 - validators see raw input
    """A list that a client wrote as JSON text, as some do."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


Response = str | Annotated[list[Turn], Field(min_length=1)]


class _Arguments(BaseModel):
    """What the tools that judge have in common."""

    model_config = ConfigDict(extra="forbid")

    query: str | Annotated[list[Turn], Field(min_length=1)] = Field(
        description="What was asked or what the task was: a text, or the turns of a conversation."
    )
    reference: str | None = Field(None, description="A gold answer for the judge to look at.")
    principles: Annotated[str | list[str] | None, BeforeValidator(_as_list)] = Field(
        None,
        description="What to judge by: a list of criteria ('name: description'), or the name of a "
        "rubric (see the tool 'principles'). Left out: the judge's own. For an agent's transcript "
        "'agent-path' looks at how it went about the task, 'agent-result' at what came of it.",
    )
    judge: str | None = Field(None, description="Which judge; the first if left out.")
    k: Votes = Field(None, description="Votes to draw; more are surer and cost more.")


class ScoreArguments(_Arguments):
    """Arguments of `score`."""

    responses: Annotated[list[Response], Field(min_length=1), BeforeValidator(_as_list)] = Field(
        description="1 or more answers to the query. Each is a text, or all turns of an agent, "
        "with its tool calls and their results."
    )


class CompareArguments(_Arguments):
    """Arguments of `compare`."""

    first: Response = Field(
        description="An answer: a text, or all turns of an agent, tool calls and results included."
    )
    second: Response = Field(description="The other answer.")


class PrinciplesArguments(BaseModel):
    """Arguments of `principles`."""

    model_config = ConfigDict(extra="forbid")

    rubric: str | None = Field(None, description="Name of a rubric, to see its principles.")
    query: str | None = Field(
        None, description="A question or task: the judge's model writes principles for it."
    )
    n: Annotated[int, Field(ge=1, le=20)] | None = Field(
        None, description="How many it writes; 3 to 6 if left out."
    )
    judge: str | None = Field(None, description="Whose model writes them; the first if left out.")


class Scored(Summary):
    """What a judge says about the responses. `critiques` and `rewards` are in their order."""

    judge: str
    failed_votes: tuple[str, ...]
    """Why votes have no judgment; they are no numbers and count for nothing."""


class Compared(Scored):
    """The same about two, and which is better."""

    better: Literal["first", "second", "tie"]


class RubricEntry(BaseModel):
    """A rubric that ships."""

    name: str
    description: str


class PrinciplesFound(BaseModel):
    """Rubrics to choose from, or principles."""

    rubrics: tuple[RubricEntry, ...] = ()
    principles: tuple[Principle, ...] = ()


class Tools:
    """The tools, over the judges of a desk.

    Args:
        desk: judges, and the queue before them.
        most_text: characters of one call's arguments; more is an error.
    """

    def __init__(self, desk: Desk, *, most_text: int) -> None:
        self.desk, self._most = desk, most_text

    async def score(self, given: dict[str, Any], report: Report) -> tuple[Scored, Verdict]:
        """Judge 1..n responses.

        Raises:
            InputError: the arguments cannot be judged.
            HttpError: there is no verdict; also where the queue is full or the deadline passed.
        """
        asked = _read(ScoreArguments, given)
        verdict = await self._judged(asked, asked.responses, report)
        return Scored(**_figures(verdict, len(asked.responses))), verdict

    async def compare(self, given: dict[str, Any], report: Report) -> tuple[Compared, Verdict]:
        """Judge two responses; raises what `score` raises."""
        asked = _read(CompareArguments, given)
        verdict = await self._judged(asked, [asked.first, asked.second], report)
        better = "tie" if verdict.best is None else ("first", "second")[verdict.best]
        return Compared(**_figures(verdict, 2), better=better), verdict

    async def principles(self, given: dict[str, Any]) -> PrinciplesFound:
        """The rubrics that ship, the principles of one, or those that a model writes.

        Raises:
            InputError: there is no such rubric, or the judge has no model that writes.
            BackendError: the model failed.
            ParseError: it wrote something else.
        """
        asked = _read(PrinciplesArguments, given)
        if asked.query is not None:
            return PrinciplesFound(principles=await self._written(asked, asked.query))
        rubrics = {rubric.name: rubric for rubric in list_rubrics()}
        if asked.rubric is None:
            entries = (
                RubricEntry(name=one.name, description=one.description) for one in rubrics.values()
            )
            return PrinciplesFound(rubrics=tuple(entries))
        if asked.rubric not in rubrics:
            raise InputError(
                f"unknown rubric {asked.rubric!r:.80}; known: {', '.join(rubric_names())}"
            )
        return PrinciplesFound(principles=normalise_weights(rubrics[asked.rubric].principles))

    async def _written(self, asked: PrinciplesArguments, query: str) -> tuple[Principle, ...]:
        self._check_size(asked)
        judge = self.desk.judge(asked.judge)
        if not isinstance(judge, Judge):
            raise InputError(f"judge {judge.name!r} has no single model that could write them")
        with self.desk.admitted():
            async with self.desk.within():
                return await generate_principles(judge.backend, query, n=asked.n)

    async def _judged(
        self, asked: _Arguments, responses: list[Response], report: Report
    ) -> Verdict:
        self._check_size(asked)
        fields = asked.model_dump(
            include={"query", "reference", "principles", "judge", "k"}, exclude_none=True
        )
        shown = [_plain(response) for response in responses]
        try:
            sample = Asked.model_validate({**fields, "responses": shown})
        except ValidationError as error:
            raise InputError(first_problem(error)) from error
        verdict = await self._live(sample, sample.case(), report)
        if not verdict.is_scored:
            raise no_verdict_error(verdict)
        return verdict

    async def _live(self, sample: Asked, case: Case, report: Report) -> Verdict:
        judge = self.desk.judge(sample.judge, sample.k)
        verdict: Verdict | None = None
        with self.desk.admitted():
            async with self.desk.within(), aclosing(self.desk.live(judge, case)) as steps:
                async for number, step in _numbered(steps):
                    verdict = step.verdict
                    await report(number, max(verdict.k, number), _line(step.vote, verdict))
        if verdict is None:
            raise InputError(f"judge {judge.name!r} drew no votes")
        return verdict

    def _check_size(self, asked: BaseModel) -> None:
        length = len(asked.model_dump_json())
        if length > self._most:
            raise InputError(
                f"the arguments have {length:,} characters, and this server takes {self._most:,} "
                "at most; nothing was cut or judged: send less, or start it with more --max-body"
            )


async def _numbered(steps: AsyncIterator[Progress]) -> AsyncIterator[tuple[int, Progress]]:
    number = 0
    async for step in steps:
        number += 1
        yield number, step


def _line(vote: Vote, so_far: Verdict) -> str:
    """A vote, and what the verdict would be now."""
    if isinstance(vote, Failure):
        said = f"{vote.status}: {bounded(vote.message, 200)}"
    else:
        said = "scores " + ", ".join("-" if one is None else f"{one:g}" for one in vote.scores)
    rewards = so_far.rewards
    now = "none yet" if rewards is None else ", ".join(f"{one:g}" for one in rewards)
    return f"{said}; rewards so far: {now}"


def bounded(text: str, most: int = LONGEST) -> str:
    """A text that says how much of it is left out, if it is too long."""
    if len(text) <= most:
        return text
    return f"{text[:most]} [... {len(text) - most:,} characters more are left out]"


def _figures(verdict: Verdict, n: int) -> dict[str, Any]:
    summary = summarised(verdict, n)
    failed = dict.fromkeys(f"{one.status}: {bounded(one.message, 300)}" for one in verdict.failures)
    return {
        **dict(summary),
        "critiques": tuple(map(bounded, summary.critiques)),
        "judge": verdict.judge.name,
        "failed_votes": tuple(failed),
    }


def _plain(response: Response) -> Any:  # noqa: ANN401 - text, or turns as JSON has them
    if isinstance(response, str):
        return response
    return [turn.model_dump(exclude_none=True) for turn in response]


M = TypeVar("M", bound=BaseModel)


def _read(kind: type[M], given: dict[str, Any]) -> M:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise InputError(first_problem(error)) from error
