"""The pointwise generative reward model: k draws of principles, critique and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from deemster.aggregators import Decided, Reducer, parse_stop
from deemster.backends import EMBEDDED, Backend, Outcome, Request, generate_all, open_backend
from deemster.dialects import Dialect
from deemster.dialects.vote import read_vote
from deemster.errors import BackendError, InputError, ParseError
from deemster.judges.adaptive import first_round, is_decided
from deemster.judges.base import BaseJudge
from deemster.judges.case import Case, Section
from deemster.judges.decide import decide
from deemster.judges.meta_rm import MetaRM, PromptedMetaRM, open_meta_rm, rate_votes
from deemster.judges.orders import Orders, content_seed, derive_seed, order_of
from deemster.judges.settings import aggregator_of, dialect_of, sampling_of, whole
from deemster.judges.together import together
from deemster.principles import (
    as_principles,
    as_source,
    generate_with_usage,
    principles_hash,
)
from deemster.schemas import (
    Conversation,
    Failure,
    JudgeInfo,
    Principle,
    QueryLike,
    ResponseLike,
    Usage,
    Verdict,
    Vote,
    as_query,
    as_responses,
)

MAX_K = 10_000


class Finder(Protocol):
    """A tool whose findings are put before a judge: a `Verifier`, say."""

    @property
    def name(self) -> str:
        """What records call it."""
        ...

    async def findings(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,
    ) -> Findings:
        """Examine the responses."""
        ...

    async def aclose(self) -> None:
        """Release what it holds."""
        ...


class Findings(Protocol):
    """What a tool found."""

    def text(self, order: Sequence[int] | None = None) -> str:
        """It in words, with the responses numbered from 1 in the order shown."""
        ...


class Judge(BaseJudge):
    """Scores responses by k votes of one model (PAPER: pointwise GRM, sections 1 and 2).

    Args:
        model: a model string (`openai/gpt-5-mini`, `hf:PATH`, `replay:FILE`) or a `Backend`; by
            default the embedded demonstration model (`nano`).
        k: votes to draw, >= 1.
        temperature: 0 to 2; None is 0 (greedy) for k = 1 and the dialect's for more, mostly 0.5.
        dialect: prompt and parser, by name or as an object; None is the model's own if it has
            one, else `grm`.
        template: your own Jinja template file with the dialect's slots.
        principles: `"self"`: each draw writes its own (the paper's way); `"ahead"`: one call
            writes them, every draw uses them; or fixed ones: a rubric's name or file, a `Rubric`,
            a list of principles; or by query: `"bank:FILE"`, a `PrincipleBank` (as it is now) or
            another `PrincipleSource`.
        aggregator: how votes become rewards, an object or its spec (`"topk(4) >> sum"`). None
            is the plain sum, or with a meta RM the sum of the better half.
        meta_rm: rates every judgment: a `MetaRM`, `"hf:PATH"` for a trained one, `"nano"` for
            the one embedded with the model `nano`, or any other model string for a prompted one.
        orders: in which orders responses are shown; see `deemster.judges.orders`.
        seed: decides orders, draws and tie-breaks. A deterministic backend gives the same
            verdict for the same seed.
        min_valid: fewest valid votes for a verdict with rewards.
        tool: a `Verifier` or another `Finder`, run on every sample first; what it found is put
            before the judge as facts.
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
        model: str | Backend = EMBEDDED,
        *,
        k: int = 1,
        temperature: float | None = None,
        dialect: str | Dialect | None = None,
        template: str | Path | None = None,
        principles: Any = "self",  # noqa: ANN401 - see `deemster.principles.as_principles`
        aggregator: Reducer | str | None = None,
        meta_rm: MetaRM | str | None = None,
        orders: Orders = "balanced",
        seed: int = 0,
        min_valid: int = 1,
        tool: Finder | None = None,
        stop: Decided | str | None = None,
        max_tokens: int = 2048,
        top_p: float = 1.0,
        name: str | None = None,
        **options: Any,  # noqa: ANN401 - each backend has its own
    ) -> None:
        self.k = whole("k", k, 1, MAX_K)
        self.min_valid = whole("min_valid", min_valid, 1, self.k)
        self.seed = whole("seed", seed, 0, 2**63 - 1)
        self.stop = parse_stop(stop) if isinstance(stop, str) else stop
        if orders not in ("balanced", "random", "fixed"):
            raise InputError(f"orders {orders!r}; allowed: balanced, random, fixed")
        self.orders: Orders = orders
        if isinstance(model, str):
            self.backend, self._owns_backend = open_backend(model, **options), True
        elif options:
            raise InputError(f"options {sorted(options)} go to a backend made from a model string")
        else:
            self.backend, self._owns_backend = model, False
        self.dialect = dialect_of(dialect, template=template, backend=self.backend)
        if temperature is None:
            temperature = self.dialect.temperature if self.k > 1 else 0.0
        self.sampling = sampling_of(
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            top_logprobs=self.dialect.top_logprobs,
        )
        self.aggregator = aggregator_of(aggregator, k=self.k, has_meta=meta_rm is not None)
        self.source = as_source(principles)
        self.mode = principles if principles in ("self", "ahead") else "fixed"
        self.principles: tuple[Principle, ...] = (
            as_principles(principles) if self.mode == "fixed" and self.source is None else ()
        )
        self.meta_rm = open_meta_rm(meta_rm) if isinstance(meta_rm, str) else meta_rm
        self.tool = tool
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
            tool=self.tool.name if self.tool else "",
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
        self.dialect.check_n(len(shown))
        case = Case(asked, shown, reference, self._fixed(asked), after=section)
        if principles is not None:
            case = replace(case, principles=as_principles(principles))
        if self.tool is not None:
            found = await self.tool.findings(asked, shown, reference=reference)
            case = replace(case, findings=found.text)
        extra = Usage()
        failed: BackendError | ParseError | None = None
        if self.mode == "ahead" and principles is None:
            made, extra, failed = await self._principles_ahead(asked, shown)
            case = replace(case, principles=made)
        if failed is not None:
            votes = self._all_failed(failed)
        else:
            votes, rated = await self._rounds(case)
            extra += rated
        return decide(
            votes,
            n=case.n,
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
        """Close the backend, if this judge opened it, the meta RM likewise, and the tool."""
        if self._owns_backend:
            await self.backend.aclose()
        if isinstance(self.meta_rm, PromptedMetaRM):
            await self.meta_rm.aclose()
        if self.tool is not None:
            await self.tool.aclose()

    def case(
        self, query: QueryLike, responses: Sequence[ResponseLike], *, reference: str | None = None
    ) -> Case:
        """A sample as this judge would be asked about it, without what takes a call to know."""
        asked = as_query(query)
        return Case(asked, as_responses(responses), reference, self._fixed(asked))

    def requests(
        self, case: Case, draws: Iterable[int] | None = None
    ) -> list[tuple[Request, tuple[int, ...], list[int]]]:
        """What is sent: one request per order shown, with the order and its draws.

        Args:
            case: what the judge is asked about.
            draws: numbers of the draws; None for all k.
        """
        texts = (message.text for message in (*case.query, *case.responses))
        order_seed = content_seed(self.seed, texts)
        by_order: dict[tuple[int, ...], list[int]] = {}
        for draw in range(self.k) if draws is None else draws:
            order = order_of(draw, case.n, kind=self.orders, seed=order_seed)
            by_order.setdefault(order, []).append(draw)
        made = []
        for order, numbers in by_order.items():
            view = case.view(order, scale=self.dialect.scale_for(case.n), seed=self.seed)
            request = Request(
                messages=self.dialect.render(view),
                sampling=self.sampling,
                n=len(numbers),
                seeds=tuple(derive_seed(self.seed, draw) for draw in numbers),
                json_schema=self.dialect.json_schema(case.n),
            )
            made.append((request, order, numbers))
        return made

    async def _rounds(self, case: Case) -> tuple[list[Vote], Usage]:
        """All votes, rated, and what rating cost: at once, or in rounds until decided."""
        n, rule = case.n, self.stop
        size = self.k if rule is None else rule.round_for(n, both_orders=self.orders != "fixed")
        votes: list[Vote] = []
        usage = Usage()
        while len(votes) < self.k:
            more = first_round(rule, size, self.min_valid) if rule and not votes else size
            new = await self._draw(case, range(len(votes), min(len(votes) + more, self.k)))
            if self.meta_rm is not None:
                new, rated = await rate_votes(self.meta_rm, case.query, case.responses, new)
                usage += rated
            votes += new
            if rule is not None and is_decided(
                rule, votes, n=n, k=self.k, reducer=self.aggregator, min_valid=self.min_valid
            ):
                break
        return votes, usage

    async def _draw(self, case: Case, draws: Iterable[int]) -> list[Vote]:
        """The votes of some draws: one request per order, all at the same time."""

        async def ask(request: Request, order: tuple[int, ...], numbers: list[int]) -> list[Vote]:
            outcomes = await generate_all(self.backend, request)
            drawn = zip(outcomes, numbers, request.seeds, strict=True)
            return [
                self._vote(outcome, order=order, n=case.n, draw=draw, seed=seed)
                for outcome, draw, seed in drawn
            ]

        drawn = await together(ask(*request) for request in self.requests(case, draws))
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
