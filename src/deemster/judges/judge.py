"""The pointwise generative reward model: k draws of principles, critique and scores."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from deemster.aggregators import Decided, Reducer, parse_stop
from deemster.backends import Backend, Outcome, Request
from deemster.backends.shipped import default_model
from deemster.dialects import Dialect
from deemster.dialects.vote import read_vote
from deemster.errors import BackendError, InputError, ParseError
from deemster.judges.adaptive import first_round, is_decided
from deemster.judges.base import BaseJudge
from deemster.judges.calibrator import Calibrator
from deemster.judges.case import Case
from deemster.judges.decide import decide
from deemster.judges.drawing import draw, one_of_each
from deemster.judges.finder import Finder
from deemster.judges.meta_rm import (
    MetaRM,
    PlannedMetaRM,
    PromptedMetaRM,
    open_meta_rm,
    rate_votes,
)
from deemster.judges.orders import Orders, content_seed, derive_seed, order_of
from deemster.judges.own_settings import own_settings
from deemster.judges.plan import Planned
from deemster.judges.settings import (
    check_can,
    dialect_of,
    sampling_of,
    split_options,
    whole_number,
)
from deemster.judges.together import together
from deemster.principles import (
    PrinciplesLike,
    as_source,
    generate_with_usage,
    principles_for,
    principles_hash,
    principles_request,
)
from deemster.prompts import View
from deemster.schemas import (
    Completion,
    Failure,
    JudgeInfo,
    Principle,
    Usage,
    Verdict,
    Vote,
)

MAX_K = 10_000
_MODES = ("self", "ahead")


class Judge(BaseJudge):
    """Scores responses by k votes of one model (PAPER: pointwise GRM, sections 1 and 2).

    Args:
        model: a model string (`openai/gpt-5-mini`, `hf:PATH`, `replay:FILE`) or a `Backend`; by
            default `smol`, the small real judge, where its base was fetched (`deemster models
            fetch smollm2`), else the embedded demonstration model (`nano`).
            A `deemster.json` beside the weights of `hf:…` gives the settings that are left out
            here (docs/howto/publish-a-judge.md); `info.from_file` names those it gave.
        k: votes to draw, >= 1; None is 1.
        temperature: 0 to 2; None is 0 (greedy) for k = 1 and the dialect's for more, mostly 0.5.
        dialect: prompt and parser, by name or as an object; None is the model's own if it has
            one, else `grm`.
        template: your own Jinja template file with the dialect's slots; with the prompt
            `official` the file in which the model's makers publish theirs.
        prompt: `own`: the text that ships; `official`: the text of the model's makers, read from
            `template` or, where the dialect has roles of its own, from the chat template.
        principles: `"self"`: each draw writes its own (the paper's way); `"ahead"`: one call
            writes them, every draw uses them; or fixed ones: a rubric's name or file, a `Rubric`,
            a list of principles; or by query: `"bank:FILE"`, a `PrincipleBank` (as it is now) or
            another `PrincipleSource`. None is `"self"`.
        aggregator: how votes become rewards, an object or its spec (`"topk(4) >> sum"`). None
            is the plain sum, or with a meta RM the sum of the better half.
        meta_rm: rates every judgment: a `MetaRM`, `"hf:PATH"` for a trained one, `"nano"` for
            the one embedded with the model `nano`, or any other model string for a prompted one;
            `"none"` for none where the model brings one.
        meta_template: how a meta RM given as a string is asked; see `open_meta_rm`.
        orders: in which orders responses are shown; see `deemster.judges.orders`. None is
            `"balanced"`.
        seed: decides orders, draws and tie-breaks. A deterministic backend gives the same
            verdict for the same seed.
        min_valid: fewest valid votes for a verdict with rewards.
        tool: a `Verifier` or another `Finder`, run on every sample first; what it found is put
            before the judge as facts. It stays the caller's to close.
        stop: a rule, or its text (`"decided:0.95"`), that ends the draw before k votes when the
            winner is as good as decided. Votes are then drawn in rounds, one after the other.
        calibration: a `Calibrator`, or its file from `deemster calibrate`, of this very judge:
            `Verdict.confidence` is then the chance that `ranking[0]` is right.
        name: what records call this judge; default: the model string.
        options: fields of `SamplingSettings` (`max_tokens=`, `top_p=`…); the others are passed to
            the backend when `model` is a string (`api_base=`, `concurrency=`…).

    Raises:
        InputError: an argument is wrong; nothing was sent.
        CalibrationError: the calibration is of another judge.
    """

    def __init__(
        self,
        model: str | Backend | None = None,
        *,
        k: int | None = None,
        temperature: float | None = None,
        dialect: str | Dialect | None = None,
        template: str | Path | None = None,
        prompt: Literal["own", "official"] = "own",
        principles: PrinciplesLike | None = None,
        aggregator: Reducer | str | None = None,
        meta_rm: MetaRM | str | None = None,
        meta_template: str | Path | None = None,
        orders: Orders | None = None,
        seed: int = 0,
        min_valid: int = 1,
        tool: Finder | None = None,
        stop: Decided | str | None = None,
        calibration: Calibrator | str | Path | None = None,
        name: str | None = None,
        **options: Any,  # noqa: ANN401 - each backend has its own
    ) -> None:
        model = default_model() if model is None else model
        own = own_settings(model)
        self.k = whole_number("k", own.pick("k", k, 1), 1, MAX_K)
        self.min_valid = whole_number("min_valid", min_valid, 1, self.k)
        self.seed = whole_number("seed", seed, 0, 2**63 - 1)
        self.stop = parse_stop(stop) if isinstance(stop, str) else stop
        if self.stop is not None and not isinstance(self.stop, Decided):
            raise InputError(f"stop must be a rule such as 'decided:0.95', got {stop!r}")
        if tool is not None:
            check_can("tool", tool, "findings", expected="a Verifier or another Finder")
        if name is not None and not isinstance(name, str):
            raise InputError(f"name must be a text, got {name!r}")
        self.orders: Orders = own.pick("orders", orders, "balanced")
        if self.orders not in ("balanced", "random", "fixed"):
            raise InputError(f"orders {orders!r}; allowed: balanced, random, fixed")
        sampling, options = split_options(own.fill(options))
        self.backend = self._backend(own.model or model, options)
        self.dialect = dialect_of(
            own.pick("dialect", dialect, None),
            template=own.pick_path("template", template),
            prompt=prompt,
            backend=self.backend,
        )
        temperature = own.pick_temperature(temperature, k=self.k)
        if temperature is None:
            temperature = self.dialect.temperature if self.k > 1 else 0.0
        self.sampling = sampling_of(
            temperature=temperature, top_logprobs=self.dialect.top_logprobs, **sampling
        )
        meta_rm, meta_template = own.pick_meta_rm(meta_rm, meta_template)
        self.aggregator = own.pick_aggregator(aggregator, k=self.k, has_meta=meta_rm is not None)
        self._judge_by(own.pick("principles", None, "self") if principles is None else principles)
        self.meta_rm = self._opened(meta_rm, meta_template)
        self.tool = tool
        self.from_file = own.said()
        self.name = name or self.backend.name
        self.shared_votes: int | None = None
        """Votes that are shared out over the samples of a run; `info.stop` is then `shared:N`."""
        self.most_drawn: int | None = None
        """Fewer votes than k, where they are shared out."""
        self.calibration: Calibrator | None = None
        if isinstance(calibration, str | Path):
            calibration = Calibrator.load(calibration)
        if calibration is not None:
            check_can("calibration", calibration, "check", expected="a Calibrator or its file")
            calibration.check(self.info)  # of what it is without
            self.calibration = calibration

    def _judge_by(self, principles: PrinciplesLike) -> None:
        self.source = as_source(principles)
        self.mode = principles if isinstance(principles, str) and principles in _MODES else "fixed"
        self.principles: tuple[Principle, ...] = (
            principles_for(principles, ()) if self.mode == "fixed" and self.source is None else ()
        )

    def _opened(self, meta_rm: MetaRM | str | None, template: str | Path | None) -> MetaRM | None:
        if isinstance(meta_rm, str):
            return self._own(open_meta_rm(meta_rm, template=template))
        if template is not None:
            raise InputError(
                f"meta_template {str(template)!r} goes with a meta_rm that is a string"
            )
        if meta_rm is not None:
            check_can("meta_rm", meta_rm, "rate", expected="a model string or a MetaRM")
        return meta_rm

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
            stop=self._stop_text(),
            meta_rm=self.meta_rm.name if self.meta_rm else "",
            tool=self.tool.name if self.tool else "",
            calibration="" if self.calibration is None else self.calibration.digest,
            from_file=self.from_file,
        )

    def _stop_text(self) -> str:
        if self.shared_votes is not None:
            return f"shared:{self.shared_votes}"
        return "" if self.stop is None else str(self.stop)

    def limited_to(self, votes: int) -> Self:
        """This judge, drawing only the first `votes` of the k that it asks for."""
        other = copy.copy(self)
        other.most_drawn = votes
        return other

    @property
    def max_responses(self) -> int | None:
        """The most responses of one call: its dialect's, if that does not take one at a time."""
        return None if self.dialect.judges_one_at_a_time else self.dialect.max_responses

    async def _judge(self, case: Case) -> Verdict:
        if not self._apart(case):
            self.dialect.check_n(case.n)
        if self.tool is not None:
            found = await self.tool.findings(case.query, case.responses, reference=case.reference)
            case = replace(case, findings=found.text)
        extra = Usage()
        failed: BackendError | ParseError | None = None
        if self.mode == "ahead" and not case.principles:
            made, extra, failed = await self._principles_ahead(case)
            case = replace(case, principles=made)
        if failed is not None:
            votes = self._all_failed(failed)
        else:
            votes, rated = await self._rounds(self.with_principles(case))
            extra += rated
        verdict = decide(
            votes,
            n=case.n,
            k=self.k,
            reducer=self.aggregator,
            info=self.info,
            min_valid=self.min_valid,
            extra=extra,
        )
        if self.calibration is None:
            return verdict
        return self.calibration.apply(verdict, [len(one.text) for one in case.responses])

    def with_principles(self, case: Case) -> Case:
        """The case with this judge's own principles, if it has any and none were given."""
        if case.principles:
            return case
        own = self.principles if self.source is None else self.source.for_query(case.query)
        return replace(case, principles=own)

    def plan(self, case: Case) -> Iterator[Planned]:
        """See `BaseJudge.plan`: principles made ahead, all k draws, and what a meta RM asks."""
        known = self.tool is None and case.after is None
        if self.mode == "ahead" and not case.principles:
            known = False
            yield Planned(
                self.backend,
                principles_request(self.backend, case.query, case.responses, seed=self._ahead_seed),
            )
        for request, order, numbers in self.requests(self.with_principles(case)):
            if not self.dialect.template.has_second:
                votes = 0 if self._apart(case) and order != (0,) else len(numbers)
                yield Planned(self.backend, request, votes=votes, known=known)
                continue
            yield Planned(self.backend, request, known=known)
            view = self._view(self.with_principles(case), order)
            blank = self.dialect.render_second(view, request.messages, Completion(text=""))
            second = request.model_copy(update={"messages": blank})
            yield Planned(
                self.backend,
                second,
                votes=len(numbers),
                known=False,
                tokens_unknown=self.sampling.max_tokens,
            )
        if isinstance(self.meta_rm, PlannedMetaRM):
            yield from self.meta_rm.plan(case, k=self.k, longest=self.sampling.max_tokens)

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Put something between this judge (and its prompted meta RM) and their models."""
        self.backend = wrap(self.backend)
        if isinstance(self.meta_rm, PromptedMetaRM):
            self.meta_rm.backend = wrap(self.meta_rm.backend)

    def requests(
        self, case: Case, draws: Iterable[int] | None = None
    ) -> list[tuple[Request, tuple[int, ...], list[int]]]:
        """What is sent: one request per order shown, with the order and its draws.

        Where the dialect judges one response at a time, one request per response. Second turns
        are not among them.

        Args:
            case: what the judge is asked about, principles included.
            draws: numbers of the draws; None for all k.
        """
        texts = (message.text for message in (*case.query, *case.responses))
        order_seed = content_seed(self.seed, texts)
        by_order: dict[tuple[int, ...], list[int]] = {}
        wanted = list(range(self.k) if draws is None else draws)
        if self._apart(case):
            by_order = {(i,): wanted for i in range(case.n)}
            wanted = []
        for number in wanted:
            order = order_of(number, case.n, kind=self.orders, seed=order_seed)
            by_order.setdefault(order, []).append(number)
        made = []
        for order, numbers in by_order.items():
            view = self._view(case, order)
            request = Request(
                messages=self.dialect.render(view),
                sampling=self.sampling,
                n=len(numbers),
                seeds=tuple(derive_seed(self.seed, number) for number in numbers),
                json_schema=self.dialect.json_schema(len(order)),
            )
            made.append((request, order, numbers))
        return made

    def _apart(self, case: Case) -> bool:
        """Whether the case takes a request for each response."""
        return case.n > 1 and self.dialect.judges_one_at_a_time

    def _view(self, case: Case, order: tuple[int, ...]) -> View:
        return case.view(order, scale=self.dialect.scale_for(len(order)), seed=self.seed)

    async def _rounds(self, case: Case) -> tuple[list[Vote], Usage]:
        """All votes, rated, and what rating cost: at once, or in rounds until decided."""
        n, rule = case.n, self.stop
        k = self.k if self.most_drawn is None else min(self.most_drawn, self.k)
        size = k if rule is None else rule.round_for(n, both_orders=self.orders != "fixed")
        votes: list[Vote] = []
        usage = Usage()
        while len(votes) < k:
            more = first_round(rule, size, self.min_valid) if rule and not votes else size
            new = await self.draw_votes(case, range(len(votes), min(len(votes) + more, k)))
            if self.meta_rm is not None:
                new, rated = await rate_votes(self.meta_rm, case.query, case.responses, new)
                usage += rated
            votes += new
            if rule is not None and is_decided(
                rule, votes, n=n, k=self.k, reducer=self.aggregator, min_valid=self.min_valid
            ):
                break
        return votes, usage

    async def draw_votes(self, case: Case, draws: Iterable[int]) -> list[Vote]:
        """The votes of some draws, not rated by a meta RM: all requests at the same time.

        Args:
            case: with the principles to judge by, if they are fixed; see `with_principles`.
            draws: their numbers, each from 0 to k - 1.
        """
        asked = self.requests(case, draws)
        drawn = await together(
            draw(self.backend, self.dialect, request, self._view(case, order))
            for request, order, _ in asked
        )
        if self._apart(case):
            request, _, numbers = asked[0]
            asked, drawn = [(request, tuple(range(case.n)), numbers)], [one_of_each(drawn)]
        votes = [
            self._vote(outcome, order=order, n=case.n, draw=number, seed=seed)
            for (request, order, numbers), outcomes in zip(asked, drawn, strict=True)
            for outcome, number, seed in zip(outcomes, numbers, request.seeds, strict=True)
        ]
        return sorted(votes, key=lambda vote: vote.draw)

    def _vote(
        self, outcome: Outcome, *, order: tuple[int, ...], n: int, draw: int, seed: int
    ) -> Vote:
        if isinstance(outcome, BackendError):
            usage = outcome.usage or Usage()
            return Failure.of(
                outcome, draw=draw, judge=self.name, order=order, seed=seed, usage=usage
            )
        return read_vote(
            self.dialect, outcome, order=order, n=n, draw=draw, seed=seed, judge=self.name
        )

    @property
    def _ahead_seed(self) -> int:
        return derive_seed(self.seed, "principles")

    async def _principles_ahead(
        self, case: Case
    ) -> tuple[tuple[Principle, ...], Usage, BackendError | ParseError | None]:
        """Principles from one call before the draws, or why there are none."""
        try:
            made, usage = await generate_with_usage(
                self.backend, case.query, case.responses, seed=self._ahead_seed
            )
        except (BackendError, ParseError) as error:
            return (), error.usage or Usage(), error
        return made, usage, None

    def _all_failed(self, error: BackendError | ParseError) -> list[Vote]:
        message = f"no principles were made ahead: {error}"
        return [Failure.of(error, message, draw=n, judge=self.name) for n in range(self.k)]
