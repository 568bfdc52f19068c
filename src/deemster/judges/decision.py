"""Decision models as judges: probabilities of the answers to narrow questions, and no words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from deemster.aggregators import Mean
from deemster.backends import Backend, Request, generate_all
from deemster.backends.decision_file import read_questions
from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.judges.building import PrinciplesGiven, Site
from deemster.judges.case import Case
from deemster.judges.decide import decide
from deemster.judges.decision_questions import OVERALL, Ask, Sheet
from deemster.judges.decision_votes import SCALE, vote_of
from deemster.judges.judge import MAX_K
from deemster.judges.orders import Orders, content_seed, derive_seed, order_of
from deemster.judges.plan import Planned
from deemster.judges.settings import whole_number
from deemster.judges.spec import ModelSpec, Positive, Share
from deemster.judges.together import together
from deemster.principles import PrinciplesLike, as_source, principles_for, principles_hash
from deemster.prompts import PromptTemplate, builtin_template
from deemster.schemas import (
    JudgeInfo,
    Principle,
    Sampling,
    Verdict,
    Vote,
    normalise_weights,
)

_SAMPLING = Sampling(temperature=0.0, max_tokens=1)
MOST_QUESTIONS = 400
"""Questions that one request may have at most, at the most generous server."""


class DecisionJudge(BaseJudge):
    """Scores responses by a decision model's probabilities (see docs/decisions.md).

    Every principle becomes narrow questions (see `decision_questions.Ask`); a response's score is
    the weighted mean of the expected answers, from 0 to 1, and its reward the mean over the
    draws. Draws differ in the order of the responses alone: nothing is sampled.

    A question that the model declines, or to whose options it gives little probability, makes
    the vote a `Failure` of status `refused`; it is never a middle value. `confidence` is the
    probability that the winner's answers are the best if all questions were answered by drawing
    from the model's probabilities.

    Args:
        model: `decisions:provider/model`, `systemone:provider/model`, `labels:provider/model` and
            `hf:PATH` (label probabilities of any language model, served or here), `nano`,
            `replay:FILE` or a `Backend`.
        k: orders that are asked, >= 1; 2 are both orders of a pair.
        ask: `score`, `predicate` or `choice`; None is `score`.
        principles: fixed ones or a source by query, as `Judge` takes them; None is one general
            principle. Decision models write none of their own.
        questions: a `decision.json` with weighed questions, or its folder (`deemster decision
            fit`), in place of `ask` and `principles`.
        min_label_mass: the least share of the model's probability that must fall on the options,
            0 to 1. Where a server does not report it, it is not checked.
        questions_per_request: more are split over several requests; servers take up to 400
            (OpenAI), 200 (vLLM) or 128 (through LiteLLM).
        template: your own Jinja file for the text that the questions are about.
        orders: in which orders responses are shown; see `deemster.judges.orders`.
        seed: decides orders and tie-breaks.
        min_valid: fewest valid votes for a verdict with rewards.
        name: what records call this judge; default: the model string.
        options: passed to the backend when `model` is a string.

    Raises:
        InputError: an argument is wrong; nothing was sent.
    """

    def __init__(
        self,
        model: str | Backend,
        *,
        k: int = 2,
        ask: Ask | None = None,
        principles: PrinciplesLike | None = None,
        questions: str | Path | None = None,
        min_label_mass: float = 0.5,
        questions_per_request: int = 128,
        template: str | Path | None = None,
        orders: Orders = "balanced",
        seed: int = 0,
        min_valid: int = 1,
        name: str | None = None,
        **options: Any,  # noqa: ANN401 - each backend has its own
    ) -> None:
        self.k = whole_number("k", k, 1, MAX_K)
        self.min_valid = whole_number("min_valid", min_valid, 1, self.k)
        self.seed = whole_number("seed", seed, 0, 2**63 - 1)
        self._most = whole_number("questions_per_request", questions_per_request, 1, MOST_QUESTIONS)
        if questions is not None:
            if ask is not None or principles is not None:
                raise InputError("give a decision judge questions, or ask and principles, not both")
            fitted = read_questions(questions)
            ask, principles = fitted.ask, fitted.principles
        ask = "score" if ask is None else ask
        if ask not in get_args(Ask):
            raise InputError(f"ask {ask!r}; allowed: {', '.join(get_args(Ask))}")
        if orders not in get_args(Orders):
            raise InputError(f"orders {orders!r}; allowed: {', '.join(get_args(Orders))}")
        if isinstance(min_label_mass, bool) or not 0 <= min_label_mass <= 1:
            raise InputError(f"min_label_mass must be from 0 to 1, got {min_label_mass!r}")
        if principles in ("self", "ahead"):
            raise InputError(
                f"principles {principles!r}: a decision model writes none; give a rubric, a list, "
                "'bank:FILE', or leave it out for one general principle"
            )
        self.ask: Ask = ask
        self.orders: Orders = orders
        self.min_label_mass = float(min_label_mass)
        self.source = None if principles is None else as_source(principles)
        self.principles: tuple[Principle, ...] = (
            (OVERALL,)
            if principles is None
            else ()
            if self.source is not None
            else principles_for(principles, ())
        )
        self.template = (
            builtin_template("decision") if template is None else PromptTemplate.load(template)
        )
        self.backend = self._backend(model, options)
        self.name = name or self.backend.name

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        return JudgeInfo(
            name=self.name,
            model=self.backend.name,
            dialect=f"decision:{self.ask}:{self.min_label_mass:g}",
            prompt=self.template.hash,
            principles=self.source.name
            if self.source is not None
            else principles_hash(self.principles),
            k=self.k,
            seed=self.seed,
            aggregator=str(Mean()),
            min_valid=self.min_valid,
        )

    async def _judge(self, case: Case) -> Verdict:
        case = self._with_principles(case)
        drawn = await together(
            self._order(sheet, requests, order, numbers)
            for sheet, requests, order, numbers in self._requests(case)
        )
        found = sorted((one for some in drawn for one in some), key=lambda one: one[0].draw)
        verdict = decide(
            [vote for vote, _ in found],
            n=case.n,
            k=self.k,
            reducer=Mean(),
            info=self.info,
            min_valid=self.min_valid,
        )
        chances = [chance for _, chance in found if chance is not None]
        if verdict.ranking is None or case.n < 2:
            return verdict.model_copy(update={"confidence": None})
        leader = verdict.ranking[0]
        sure = math.fsum(chance[leader] for chance in chances) / len(chances)
        return verdict.model_copy(update={"confidence": min(sure, 1.0)})

    def plan(self, case: Case) -> Iterator[Planned]:
        """See `BaseJudge.plan`."""
        known = case.after is None
        for _, requests, _, numbers in self._requests(self._with_principles(case)):
            for place, request in enumerate(requests):
                votes = len(numbers) if place == 0 else 0
                yield Planned(self.backend, request, votes=votes, known=known)

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """See `BaseJudge.wrap_backends`."""
        self.backend = wrap(self.backend)

    def _with_principles(self, case: Case) -> Case:
        if case.principles:
            return case
        own = self.principles if self.source is None else self.source.for_query(case.query)
        return replace(case, principles=own)

    def _requests(
        self, case: Case
    ) -> list[tuple[Sheet, list[Request], tuple[int, ...], list[int]]]:
        """Per order shown: the questions, the requests they are split over, and the draws."""
        if self.ask == "choice" and case.n < 2:
            raise InputError(
                f"ask 'choice' compares 2 or more responses, got {case.n}; use 'score' or "
                "'predicate'"
            )
        texts = (message.text for message in (*case.query, *case.responses))
        order_seed = content_seed(self.seed, texts)
        by_order: dict[tuple[int, ...], list[int]] = {}
        for draw in range(self.k):
            order = order_of(draw, case.n, kind=self.orders, seed=order_seed)
            by_order.setdefault(order, []).append(draw)
        sheet = Sheet(normalise_weights(case.principles), case.n, self.ask)
        questions = sheet.questions
        parts = [questions[at : at + self._most] for at in range(0, len(questions), self._most)]
        made = []
        for order, numbers in by_order.items():
            view = case.view(order, scale=SCALE, seed=self.seed)
            whole = Request(
                messages=view.render(self.template),
                sampling=_SAMPLING,
                n=len(numbers),
                seeds=tuple(derive_seed(self.seed, draw) for draw in numbers),
            )
            requests = [whole.model_copy(update={"questions": part}) for part in parts]
            made.append((sheet, requests, order, numbers))
        return made

    async def _order(
        self,
        sheet: Sheet,
        requests: Sequence[Request],
        order: tuple[int, ...],
        numbers: Sequence[int],
    ) -> list[tuple[Vote, tuple[float, ...] | None]]:
        """The votes of the draws that share an order, each with the responses' win chances."""
        parts = await together(generate_all(self.backend, request) for request in requests)
        return [
            vote_of(
                sheet,
                [
                    (request.questions, part[place])
                    for request, part in zip(requests, parts, strict=True)
                ],
                min_label_mass=self.min_label_mass,
                chance_seed=self.seed,
                order=order,
                draw=draw,
                judge=self.name,
                seed=requests[0].seeds[place],
            )
            for place, draw in enumerate(numbers)
        ]


class DecisionSpec(ModelSpec):
    """A decision model: probabilities of the answers to narrow questions, in one forward pass."""

    type: Literal["decision"] = "decision"
    k: Annotated[int, Field(strict=True, ge=1, le=MAX_K)] = 2
    """Orders of the responses that are asked; nothing is sampled."""
    ask: Ask | None = None
    """Default `score`. `score` or `predicate`: of each response; `choice`: among the responses."""
    principles: PrinciplesGiven | None = None
    """A rubric's name or file, `bank:FILE`, or a list; default: one general principle."""
    questions: str | None = None
    """A `decision.json` of `deemster decision fit`, in place of `ask` and `principles`."""
    min_label_mass: Share = 0.5
    """Least share of the model's probability on the options; less is an abstention."""
    questions_per_request: Annotated[int, Field(strict=True, ge=1, le=MOST_QUESTIONS)] = 128
    """More questions are split over several requests."""
    template: str | None = None
    """Your own Jinja file for the text that the questions are about."""
    orders: Literal["balanced", "random", "fixed"] = "balanced"
    """In which orders responses are shown."""
    min_valid: Positive = 1
    """Fewest valid votes for a verdict with rewards."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min_valid > self.k:
            raise ValueError(f"min_valid must be from 1 to k={self.k}, got {self.min_valid}")
        if self.questions is not None and (self.ask or self.principles is not None):
            raise ValueError("give questions, or ask and principles, not both")
        return self

    def build(self, site: Site) -> DecisionJudge:
        """See `JudgeSpec.build`."""
        return DecisionJudge(
            site.model(self.model),
            k=self.k,
            ask=self.ask,
            principles=None if self.principles is None else site.principles(self.principles),
            questions=None if self.questions is None else site.file(self.questions),
            min_label_mass=self.min_label_mass,
            questions_per_request=self.questions_per_request,
            template=None if self.template is None else site.file(self.template),
            orders=self.orders,
            seed=site.seed,
            min_valid=self.min_valid,
            name=self.label,
            **site.options(self, DecisionSpec.model_fields.keys()),
        )
