"""The pointwise generative reward model: k draws of principles, critique and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deemster.aggregators import Decided, Reducer, Sum, TopK, parse_aggregator, parse_stop
from deemster.aggregators.base import Pipeline
from deemster.backends import Backend, Outcome, Request, generate_all, open_backend
from deemster.dialects import Dialect, open_dialect
from deemster.dialects.vote import read_vote
from deemster.errors import BackendError, InputError, ParseError
from deemster.judges.adaptive import first_round, is_decided
from deemster.judges.base import BaseJudge
from deemster.judges.decide import decide
from deemster.judges.meta_rm import MetaRM, PromptedMetaRM, open_meta_rm, rate_votes
from deemster.judges.orders import Orders, content_seed, derive_seed, order_of
from deemster.judges.together import together
from deemster.principles import (
    as_principles,
    as_source,
    generate_with_usage,
    principles_hash,
)
from deemster.prompts import View
from deemster.schemas import (
    Conversation,
    Failure,
    JudgeInfo,
    Principle,
    QueryLike,
    ResponseLike,
    Sampling,
    Usage,
    Verdict,
    Vote,
    as_query,
    as_responses,
    first_problem,
)

MAX_K = 10_000
Section = Callable[[tuple[int, ...]], str]
"""Text to put after a prompt, given the response indices in the order shown. Defused already."""


class Judge(BaseJudge):
    """Scores responses by k votes of one model (PAPER: pointwise GRM, sections 1 and 2).

    Args:
        model: a model string (`openai/gpt-5-mini`, `hf:PATH`, `replay:FILE`) or a `Backend`.
        k: votes to draw, >= 1.
        temperature: 0 to 2; None is 0 (greedy) for k = 1 and 0.5 for more.
        dialect: prompt and parser, by name or as an object.
        template: your own Jinja template file with the dialect's slots.
        principles: `"self"`: each draw writes its own (the paper's way); `"ahead"`: one call
            writes them, every draw uses them; or fixed ones: a rubric's name or file, a `Rubric`,
            a list of principles; or by query: `"bank:FILE"`, a `PrincipleBank` (as it is now) or
            another `PrincipleSource`.
        aggregator: how votes become rewards, an object or its spec (`"topk(4) >> sum"`). None
            is the plain sum, or with a meta RM the sum of the better half.
        meta_rm: rates every judgment: a `MetaRM`, `"hf:PATH"` for a trained one, or any other
            model string for a prompted one.
        orders: in which orders responses are shown; see `deemster.judges.orders`.
        seed: decides orders, draws and tie-breaks. A deterministic backend gives the same
            verdict for the same seed.
        min_valid: fewest valid votes for a verdict with rewards.
        stop: a rule, or its text (`"decided:0.95"`), that ends the draw before k votes when the
            winner is as good as decided. Votes are then drawn in rounds, one after the other.
        max_tokens, top_p: decoding limits.
        name: what records call this judge; default: the model string.
        options: passed to the backend when `model` is a string (`api_base=`, `concurrency=`…).

    Raises:
        InputError: an argument is wrong; nothing was sent.
    """

    def __init__(
        self,
        model: str | Backend,
        *,
        k: int = 1,
        temperature: float | None = None,
        dialect: str | Dialect = "grm",
        template: str | Path | None = None,
        principles: Any = "self",  # noqa: ANN401 - see `deemster.principles.as_principles`
        aggregator: Reducer | str | None = None,
        meta_rm: MetaRM | str | None = None,
        orders: Orders = "balanced",
        seed: int = 0,
        min_valid: int = 1,
        stop: Decided | str | None = None,
        max_tokens: int = 2048,
        top_p: float = 1.0,
        name: str | None = None,
        **options: Any,  # noqa: ANN401 - each backend has its own
    ) -> None:
        self.k = _whole("k", k, 1, MAX_K)
        self.min_valid = _whole("min_valid", min_valid, 1, self.k)
        self.seed = _whole("seed", seed, 0, 2**63 - 1)
        self.stop = parse_stop(stop) if isinstance(stop, str) else stop
        if orders not in ("balanced", "random", "fixed"):
            raise InputError(f"orders {orders!r}; allowed: balanced, random, fixed")
        self.orders: Orders = orders
        if isinstance(dialect, Dialect) and template is not None:
            raise InputError("give template to the dialect object, or name the dialect")
        self.dialect = (
            dialect if isinstance(dialect, Dialect) else open_dialect(dialect, template=template)
        )
        self.sampling = _sampling(
            temperature=temperature if temperature is not None else (0.5 if self.k > 1 else 0.0),
            top_p=top_p,
            max_tokens=max_tokens,
            top_logprobs=self.dialect.top_logprobs,
        )
        self.aggregator = _aggregator(aggregator, k=self.k, has_meta=meta_rm is not None)
        self.source = as_source(principles)
        self.mode = principles if principles in ("self", "ahead") else "fixed"
        self.principles: tuple[Principle, ...] = (
            as_principles(principles) if self.mode == "fixed" and self.source is None else ()
        )
        if isinstance(model, str):
            self.backend, self._owns_backend = open_backend(model, **options), True
        elif options:
            raise InputError(f"options {sorted(options)} go to a backend made from a model string")
        else:
            self.backend, self._owns_backend = model, False
        self.meta_rm = open_meta_rm(meta_rm) if isinstance(meta_rm, str) else meta_rm
        self.name = name or self.backend.name

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        return JudgeInfo(
            name=self.name,
            model=self.backend.name,
            dialect=self.dialect.spec,
            prompt=self.dialect.template.hash,
            principles=self.source.name
            if self.source is not None
            else self.mode
            if self.mode != "fixed"
            else principles_hash(self.principles),
            sampling=self.sampling,
            k=self.k,
            seed=self.seed,
            aggregator=str(self.aggregator),
            min_valid=self.min_valid,
            stop="" if self.stop is None else str(self.stop),
            meta_rm=self.meta_rm.name if self.meta_rm else "",
        )

    async def score(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,
        principles: Any = None,  # noqa: ANN401 - see `deemster.principles.as_principles`
    ) -> Verdict:
        """Judge 1..n responses to a query; see `BaseJudge.score`."""
        return await self.reconsider(query, responses, reference=reference, principles=principles)

    async def reconsider(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        section: Section | None = None,
        reference: str | None = None,
        principles: Any = None,  # noqa: ANN401 - see `deemster.principles.as_principles`
    ) -> Verdict:
        """`score`, with a section after every prompt: what others said (see `Debate`)."""
        asked, shown = as_query(query), as_responses(responses)
        for i, response in enumerate(shown):
            if response.is_blank:
                raise InputError(f"response {i} is empty; leave it out or give its text")
        self.dialect.check_n(len(shown))
        fixed = self._fixed(asked) if principles is None else as_principles(principles)
        extra = Usage()
        failed: BackendError | ParseError | None = None
        if self.mode == "ahead" and principles is None:
            fixed, extra, failed = await self._principles_ahead(asked, shown)
        if failed is not None:
            votes = self._all_failed(failed)
        else:
            votes, rated = await self._rounds(
                asked, shown, reference=reference, principles=fixed, section=section
            )
            extra += rated
        return decide(
            votes,
            n=len(shown),
            k=self.k,
            reducer=self.aggregator,
            info=self.info,
            min_valid=self.min_valid,
            extra=extra,
        )

    def _fixed(self, query: Conversation) -> tuple[Principle, ...]:
        return self.principles if self.source is None else self.source.for_query(query)

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Put something between this judge (and its prompted meta RM) and their models."""
        self.backend = wrap(self.backend)
        if isinstance(self.meta_rm, PromptedMetaRM):
            self.meta_rm.backend = wrap(self.meta_rm.backend)

    async def aclose(self) -> None:
        """Close the backend, if this judge opened it, and the meta RM likewise."""
        if self._owns_backend:
            await self.backend.aclose()
        if isinstance(self.meta_rm, PromptedMetaRM):
            await self.meta_rm.aclose()

    def requests(
        self,
        query: Conversation,
        responses: Conversation,
        *,
        reference: str | None = None,
        principles: tuple[Principle, ...] | None = None,
        draws: Iterable[int] | None = None,
        section: Section | None = None,
    ) -> list[tuple[Request, tuple[int, ...], list[int]]]:
        """What `score` sends: one request per order shown, with the order and its draws.

        Args:
            query: as in `score`, as messages.
            responses: as in `score`, as messages.
            reference: as in `score`.
            principles: fixed criteria; None for the judge's own.
            draws: numbers of the draws; None for all k.
            section: as in `reconsider`.
        """
        n = len(responses)
        order_seed = content_seed(self.seed, (message.text for message in (*query, *responses)))
        by_order: dict[tuple[int, ...], list[int]] = {}
        for draw in range(self.k) if draws is None else draws:
            order = order_of(draw, n, kind=self.orders, seed=order_seed)
            by_order.setdefault(order, []).append(draw)
        made = []
        for order, numbers in by_order.items():
            view = View(
                query=query,
                responses=tuple(responses[i] for i in order),
                scale=self.dialect.scale_for(n),
                reference=reference,
                principles=self._fixed(query) if principles is None else principles,
                after="" if section is None else section(order),
                seed=self.seed,
            )
            request = Request(
                messages=self.dialect.render(view),
                sampling=self.sampling,
                n=len(numbers),
                seeds=tuple(derive_seed(self.seed, draw) for draw in numbers),
                json_schema=self.dialect.json_schema(n),
            )
            made.append((request, order, numbers))
        return made

    async def _rounds(
        self,
        query: Conversation,
        responses: Conversation,
        *,
        reference: str | None,
        principles: tuple[Principle, ...],
        section: Section | None,
    ) -> tuple[list[Vote], Usage]:
        """All votes, rated, and what rating cost: at once, or in rounds until decided."""
        n, rule = len(responses), self.stop
        size = self.k if rule is None else rule.round_for(n, both_orders=self.orders != "fixed")
        votes: list[Vote] = []
        usage = Usage()
        while len(votes) < self.k:
            more = first_round(rule, size, self.min_valid) if rule and not votes else size
            draws = range(len(votes), min(len(votes) + more, self.k))
            new = await self._draw(
                query,
                responses,
                reference=reference,
                principles=principles,
                draws=draws,
                section=section,
            )
            if self.meta_rm is not None:
                new, rated = await rate_votes(self.meta_rm, query, responses, new)
                usage += rated
            votes += new
            if rule is not None and is_decided(
                rule, votes, n=n, k=self.k, reducer=self.aggregator, min_valid=self.min_valid
            ):
                break
        return votes, usage

    async def _draw(
        self,
        query: Conversation,
        responses: Conversation,
        *,
        reference: str | None,
        principles: tuple[Principle, ...],
        draws: Iterable[int],
        section: Section | None,
    ) -> list[Vote]:
        """The votes of some draws: one request per order, all at the same time."""
        n = len(responses)

        async def ask(request: Request, order: tuple[int, ...], numbers: list[int]) -> list[Vote]:
            outcomes = await generate_all(self.backend, request)
            drawn = zip(outcomes, numbers, request.seeds, strict=True)
            return [
                self._vote(outcome, order=order, n=n, draw=draw, seed=seed)
                for outcome, draw, seed in drawn
            ]

        requests = self.requests(
            query,
            responses,
            reference=reference,
            principles=principles,
            draws=draws,
            section=section,
        )
        drawn = await together(ask(*request) for request in requests)
        return sorted((vote for votes in drawn for vote in votes), key=lambda vote: vote.draw)

    def _vote(
        self, outcome: Outcome, *, order: tuple[int, ...], n: int, draw: int, seed: int
    ) -> Vote:
        if isinstance(outcome, BackendError):
            return Failure(
                status=outcome.status,
                message=str(outcome),
                error=type(outcome).__name__,
                draw=draw,
                judge=self.name,
                order=order,
                seed=seed,
                usage=outcome.usage or Usage(),
            )
        return read_vote(
            self.dialect, outcome, order=order, n=n, draw=draw, seed=seed, judge=self.name
        )

    async def _principles_ahead(
        self, query: Conversation, responses: Conversation
    ) -> tuple[tuple[Principle, ...], Usage, BackendError | ParseError | None]:
        """Principles from one call before the draws, or why there are none."""
        try:
            made, usage = await generate_with_usage(
                self.backend, query, responses, seed=derive_seed(self.seed, "principles")
            )
        except (BackendError, ParseError) as error:
            return (), error.usage or Usage(), error
        return made, usage, None

    def _all_failed(self, error: BackendError | ParseError) -> list[Vote]:
        return [
            Failure(
                status=error.status,
                message=f"no principles were made ahead: {error}",
                error=type(error).__name__,
                draw=draw,
                judge=self.name,
            )
            for draw in range(self.k)
        ]


def _whole(what: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{what} must be a whole number from {low} to {high}, got {value!r}")
    return value


def _sampling(**given: object) -> Sampling:
    try:
        return Sampling.model_validate(given)
    except ValidationError as error:
        raise InputError(first_problem(error)) from error


def _aggregator(given: Reducer | str | None, *, k: int, has_meta: bool) -> Reducer:
    if given is None:
        return TopK() >> Sum() if has_meta else Sum()
    chosen = parse_aggregator(given) if isinstance(given, str) else given
    if not isinstance(chosen, Reducer):
        raise InputError(f"aggregator {chosen} must end in a reducer, for example '>> sum'")
    for step in chosen.steps if isinstance(chosen, Pipeline) else ():
        if isinstance(step, TopK):
            if not has_meta:
                raise InputError(f"aggregator {chosen} needs a meta RM; give meta_rm=")
            if step.k_meta is not None and step.k_meta > k:
                raise InputError(f"k_meta must be from 1 to k={k}, got {step.k_meta}")
    return chosen
