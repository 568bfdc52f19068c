"""Draws from one prompt, a token at a time, each by its own seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from deemster.backends._local.calculator import Calculator
from deemster.backends._local.decoding import Prefilled, Runner, gap_filling_order
from deemster.backends._local.grammar import Constraint, Vocabulary, allowed_tokens
from deemster.backends._local.sampling import Noise, choose, log_probabilities
from deemster.schemas import Sampling, TokenLogprob

if TYPE_CHECKING:
    from deemster.backends._local.speculation import Speculated

_HELD_BACK = 8
"""Tokens after which text is taken as it is, although it may end inside a character."""


class TextStream:
    """The text of a growing list of tokens, for finding stop strings as they appear."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - transformers is untyped
        self.text = ""
        self._tokenizer = tokenizer
        self._start = 0
        self._read = 0

    def extend(self, ids: Sequence[int]) -> str:
        """Take in all ids so far; returns the new text.

        Text is decoded together with the tokens before it, since spelling depends on them, and
        waits for the rest of a character that is spread over several tokens.
        """
        known = self._decode(ids[self._start : self._read])
        now = self._decode(ids[self._start :])
        waits = now.endswith("\N{REPLACEMENT CHARACTER}") and len(ids) - self._read < _HELD_BACK
        if waits or len(now) <= len(known):
            return ""
        self._start, self._read = self._read, len(ids)
        self.text += now[len(known) :]
        return now[len(known) :]

    def _decode(self, ids: Sequence[int]) -> str:
        return decode(self._tokenizer, ids)


@dataclass
class Draw:
    """One completion in the making."""

    noise: Noise
    constraint: Constraint | None = None
    calculator: Calculator | None = None
    stream: TextStream | None = None
    """Set when stop strings have to be looked for."""
    ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: Literal["stop", "length"] | None = None
    stop_at: int | None = None
    """Length of the text before the stop string that ended it."""


@dataclass(frozen=True)
class Plan:
    """What all draws of a request share."""

    sampling: Sampling
    room: int
    """Tokens a draw may take: `max_tokens`, or what the context leaves."""
    eos: frozenset[int]
    tokenizer: Any
    vocabulary: Vocabulary | None = None
    """Set when the draws have constraints."""
    speculation: Speculated | None = None
    """Set when several tokens are drafted and then checked together."""


def decode(tokenizer: Any, ids: Sequence[int]) -> str:  # noqa: ANN401 - transformers is untyped
    """The text of ids, without control tokens."""
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


class Drawing:
    """Draws from one prompt on their way, in step. Each has a random stream of its own.

    Args:
        runner: of the model that read the prompt.
        prompt: what they go on from.
        draws: they have no tokens yet; the first ones are drawn here.
        plan: of all of them.
    """

    def __init__(
        self, runner: Runner, prompt: Prefilled, draws: Sequence[Draw], plan: Plan
    ) -> None:
        self._plan = plan
        advance(draws, prompt.logits.expand(len(draws), -1), plan)
        self._alive = [draw for draw in draws if draw.finish is None]
        self.rows = runner.rows(prompt, len(self._alive), plan.room) if self._alive else None

    @property
    def count(self) -> int:
        """Draws that go on."""
        return len(self._alive)

    @property
    def tokens(self) -> list[int]:
        """The last token of every draw that goes on; none if all have ended."""
        return [draw.ids[-1] for draw in self._alive]

    def take(self, logits: Tensor) -> None:
        """Go on by a token, drawn from what the model said of `tokens`."""
        advance(self._alive, logits, self._plan)
        going = [draw.finish is None for draw in self._alive]
        if self.rows is not None and not all(going):
            order = gap_filling_order(going)
            self._alive = [self._alive[row] for row in order]
            if order:
                self.rows.keep(order)


def advance(alive: Sequence[Draw], logits: Tensor, plan: Plan) -> None:
    """Choose, record and check the next token of every draw.

    Args:
        alive: the draws.
        logits: [draws, vocabulary] of it.
        plan: of all of them.
    """
    tokens = choose(_allowed(alive, logits, plan), plan.sampling, [draw.noise for draw in alive])
    constraints = [draw.constraint for draw in alive]
    tokens = [
        token if constraint is None else constraint.accept(token)
        for token, constraint in zip(tokens, constraints, strict=True)
    ]
    if plan.sampling.top_logprobs:
        found = log_probabilities(logits, tokens, plan.sampling.top_logprobs)
        for draw, token, (own, best) in zip(alive, tokens, found, strict=True):
            if token not in plan.eos:
                draw.logprobs.append(token_logprob(plan.tokenizer, token, own, best))
    for draw, token in zip(alive, tokens, strict=True):
        _record(draw, token, plan)


def _allowed(alive: Sequence[Draw], logits: Tensor, plan: Plan) -> Tensor:
    """The logits with -inf where a grammar or a calculator forbids the token."""
    if plan.vocabulary is None:
        return _worked_out(alive, logits)
    constraints = [draw.constraint for draw in alive if draw.constraint is not None]
    allowed = torch.from_numpy(allowed_tokens(constraints, plan.vocabulary)).to(logits.device)
    return logits.masked_fill(allowed == 0, -torch.inf)


def _worked_out(alive: Sequence[Draw], logits: Tensor) -> Tensor:
    calculators = [draw.calculator for draw in alive]
    if not any(one is not None and one.waits for one in calculators):
        return logits
    logits = logits.clone()
    for calculator, row in zip(calculators, logits, strict=True):
        if calculator is not None and calculator.waits:
            calculator.restrict(row)
    return logits


def _record(draw: Draw, token: int, plan: Plan) -> None:
    draw.ids.append(token)
    if draw.calculator is not None:
        draw.calculator.accept(draw.ids)
    constraint = draw.constraint
    if token in plan.eos:
        draw.ids.pop()
        draw.finish = "stop"
    elif (constraint is not None and constraint.done) or _stopped(draw, plan.sampling.stop):
        draw.finish = "stop"
    elif len(draw.ids) >= plan.room:
        draw.finish = "length"
    if constraint is not None and constraint.closed_early and draw.finish is not None:
        draw.finish = "length"


def _stopped(draw: Draw, stops: Sequence[str]) -> bool:
    stream = draw.stream
    fresh = 0 if stream is None else len(stream.extend(draw.ids))
    if stream is None or not fresh:
        return False
    # A stop string may have begun in text that was there before.
    start = max(0, len(stream.text) - fresh - max(map(len, stops)) + 1)
    found = [at for at in (stream.text.find(stop, start) for stop in stops) if at >= 0]
    if found:
        draw.stop_at = min(found)
    return bool(found)


def token_logprob(
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    token: int,
    own: float,
    best: Sequence[tuple[int, float]],
) -> TokenLogprob:
    """A token with the `best` ones in its place, spelled out."""

    def spell(token: int) -> str:
        text: str = tokenizer.decode([token], clean_up_tokenization_spaces=False)
        return text

    return TokenLogprob(
        token=spell(token), logprob=own, top=tuple((spell(i), value) for i, value in best)
    )
