"""Generate several responses and keep the best."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from deemster.backends import Backend, Request, generate_all, open_backend
from deemster.errors import BackendError, InputError
from deemster.judges.orders import derive_seed
from deemster.judges.scorer import Scorer
from deemster.judges.settings import whole_number
from deemster.judges.together import together
from deemster.judges.tournament import Method, Ranking, rerank
from deemster.principles import PrinciplesLike
from deemster.schemas import (
    Conversation,
    Count,
    Failure,
    Message,
    QueryLike,
    Record,
    ReferenceLike,
    ResponseLike,
    Sampling,
    Usage,
    Verdict,
    as_query,
    as_response,
    first_problem,
)

MAX_N = 10_000
Generate = Callable[..., Awaitable[ResponseLike]]
"""Called with the query, and with the candidate's number (from 0) if it takes two arguments."""


class BestOf(Record):
    """The best of several candidates, and how it was found."""

    best: Count | None
    """Index of the winner in `candidates`; None if there is no candidate, or failures of the
    judge left it open."""
    candidates: tuple[Message, ...]
    """The different responses generated, in the order of their first copies."""
    copies: tuple[Count, ...]
    """How often each was generated."""
    failures: tuple[Failure, ...] = ()
    """Candidates that could not be generated, or are empty; `draw` is the candidate's number."""
    ranking: Ranking | None = None
    """The matches; None without candidates."""
    generation: Usage = Usage()
    """What generating cost, where it is known."""

    @property
    def response(self) -> Message | None:
        """The winner."""
        return None if self.best is None else self.candidates[self.best]

    @property
    def text(self) -> str | None:
        """The winner's text."""
        return None if self.response is None else self.response.text

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the winner's last match."""
        return None if self.ranking is None else self.ranking.verdict

    @property
    def usage(self) -> Usage:
        """Of generating and judging together."""
        return self.generation + (Usage() if self.ranking is None else self.ranking.usage)


async def best_of_n(
    judge: Scorer,
    query: QueryLike,
    generate: Generate | Backend | str,
    n: int,
    *,
    method: Method = "knockout",
    group: int | None = None,
    rounds: int | None = None,
    seed: int = 0,
    in_flight: int = 16,
    temperature: float = 1.0,
    max_tokens: int = 2048,
    reference: ReferenceLike | None = None,
    principles: PrinciplesLike | None = None,
) -> BestOf:
    """Generate `n` responses and choose the best by a tournament; see `rerank`.

    Up to 8 different responses are compared in one call; more need at most
    `2 * knockout_calls(n)` calls, or `2 * swiss_calls(n)`. Equal responses are judged once.

    Args:
        judge: anything with `score`.
        query: what to answer, as in `BaseJudge.score`.
        generate: an async callable `(query)` or `(query, number)` that returns one response, or
            a model string or `Backend` to draw from.
        n: how many to generate, 1 to 10,000. One that fails is left out and listed in `failures`.
        method: see `rerank`.
        group: see `rerank`.
        rounds: see `rerank`.
        seed: of the draws (with a model) and of the tournament.
        in_flight: calls at a time, of `generate` and of the judge.
        temperature: with a model.
        max_tokens: with a model.
        reference: shown to the judge.
        principles: for the judge.

    Raises:
        InputError: an argument is wrong, or the judge cannot judge the input.
    """
    whole_number("n", n, 1, MAX_N)
    whole_number("in_flight", in_flight, 1, MAX_N)
    asked = as_query(query)
    if isinstance(generate, str | Backend):
        sampling = _sampling(temperature, max_tokens)
        drawn, cost = await _from_model(generate, asked, n, sampling, seed)
    else:
        drawn, cost = await _from_callable(generate, query, n, in_flight), Usage()
    failures = tuple(one for one in drawn if isinstance(one, Failure))
    counted: dict[str, tuple[Message, int]] = {}
    for one in drawn:
        if isinstance(one, Message):
            first, count = counted.get(one.model_dump_json(), (one, 0))
            counted[one.model_dump_json()] = (first, count + 1)
    candidates = tuple(message for message, _ in counted.values())
    ranking = None
    if candidates:
        ranking = await rerank(
            judge,
            asked,
            candidates,
            method=method,
            group=group,
            rounds=rounds,
            seed=seed,
            in_flight=in_flight,
            reference=reference,
            principles=principles,
        )
    return BestOf(
        best=None if ranking is None else ranking.best,
        candidates=candidates,
        copies=tuple(count for _, count in counted.values()),
        failures=failures,
        ranking=ranking,
        generation=cost,
    )


def _sampling(temperature: float, max_tokens: int) -> Sampling:
    try:
        return Sampling(temperature=temperature, max_tokens=max_tokens)
    except ValidationError as error:
        raise InputError(first_problem(error)) from error


async def _from_model(
    model: str | Backend, query: Conversation, n: int, sampling: Sampling, seed: int
) -> tuple[list[Message | Failure], Usage]:
    backend = open_backend(model) if isinstance(model, str) else model
    seeds = tuple(derive_seed(seed, "candidate", draw) for draw in range(n))
    request = Request(messages=query, sampling=sampling, n=n, seeds=seeds)
    try:
        outcomes = await generate_all(backend, request)
    finally:
        if isinstance(model, str):
            await backend.aclose()
    made: list[Message | Failure] = []
    usage = Usage()
    for draw, outcome in enumerate(outcomes):
        usage += outcome.usage or Usage()
        made.append(
            _failed(outcome, draw)
            if isinstance(outcome, BackendError)
            else _checked(outcome.text, draw)
        )
    return made, usage


async def _from_callable(
    generate: Generate, query: QueryLike, n: int, in_flight: int
) -> list[Message | Failure]:
    numbered = _takes_number(generate)
    gate = asyncio.Semaphore(in_flight)

    async def one(draw: int) -> Message | Failure:
        async with gate:
            try:
                made = await (generate(query, draw) if numbered else generate(query))
            except InputError:
                raise
            except Exception as error:  # noqa: BLE001 - the caller's code may raise anything
                return _failed(error, draw)
        return _checked(made, draw)

    return await together(one(draw) for draw in range(n))


def _takes_number(generate: Generate) -> bool:
    if not callable(generate):
        raise InputError(
            f"generate must be an async callable, a Backend or a model string, "
            f"got {type(generate).__name__}"
        )
    try:
        signature = inspect.signature(generate)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind("query", 0)
    except TypeError:
        return False
    return True


def _checked(response: ResponseLike, draw: int) -> Message | Failure:
    message = as_response(response, draw)
    if message.is_blank:
        return Failure(status="empty", message=f"candidate {draw} is empty", draw=draw)
    return message


def _failed(error: Exception, draw: int) -> Failure:
    return Failure.of(error, f"candidate {draw} failed: {error}", draw=draw)
