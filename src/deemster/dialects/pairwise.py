r"""LLM-as-a-judge, the paper's baseline: the verdict is the index of the best response, boxed.

`Pairwise` gives the chosen response 1 and the others 0, so summing votes is majority voting
(paper Eq. 13). `PairwiseTokenProb` weights each vote by the probability of the index token.
Despite the name, both judge any number of responses from 2 on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, probability, settle, tail
from deemster.dialects.boxed import BOX, boxes, plain
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale, TokenLogprob, label_share

_INDEX = re.compile(r"(?:response|answer)?[ ]{0,4}([0-9]{1,4})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Pairwise(Dialect):
    r"""`\boxed{2}`: response 2 is the best."""

    name = "pairwise"
    scale = Scale(low=0, high=1)
    min_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the boxed index; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        best = _best(text, completion.finish, n)
        return Parsed(_one_hot(best, n, 1.0), analysis=text.strip())


@dataclass(frozen=True)
class PairwiseTokenProb(Dialect):
    """The same verdict, but the chosen response gets the probability of its index token.

    The probability is relative to the other indices' tokens where the backend tells theirs. One
    that tells the sampled tokens alone gives the token's own probability.
    """

    name = "pairwise-tokenprob"
    scale = Scale(low=0, high=1, integer=False)
    min_responses = 2
    max_responses = 9  # one digit, one token
    top_logprobs = 20
    template_name = "pairwise"

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the boxed index and its token's probability; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        best = _best(text, completion.finish, n)
        if not completion.logprobs:
            raise ParseError("the backend offered no log-probabilities; use the dialect 'pairwise'")
        token = _index_token(completion.logprobs, best)
        return Parsed(_one_hot(best, n, _probability(token, best, n)), analysis=text.strip())


def _best(text: str, finish: str, n: int) -> int:
    def read(box: str) -> int:
        index = _INDEX.fullmatch(plain(box))
        if index is None or not 1 <= int(index[1]) <= n:
            raise ParseError(f"{box[:40]!r} is not an index from 1 to {n}")
        return int(index[1]) - 1

    return settle(boxes(text, finish), read, missing=f"no boxed index in text ending {tail(text)}")


def _one_hot(best: int, n: int, value: float) -> tuple[float, ...]:
    return tuple(value if i == best else 0.0 for i in range(n))


def _index_token(logprobs: tuple[TokenLogprob, ...], best: int) -> TokenLogprob:
    """The token that carries the digit of the last box."""
    text = fold("".join(token.token for token in logprobs))
    position = -1
    for box in BOX.finditer(text):
        digit = box["content"].rfind(str(best + 1))
        position = box.start("content") + digit if digit >= 0 else -1
    if position < 0:
        raise ParseError("the log-probabilities belong to another text than the completion's")
    end = 0
    for token in logprobs:
        end += len(token.token)
        if position < end:
            break
    return token


def _probability(token: TokenLogprob, best: int, n: int) -> float:
    """Probability of the index among all indices; alternatives differ from it by the digit."""
    digit = str(best + 1)
    known = dict(token.top)
    if not probability(token.logprob):
        raise ParseError(f"token {token.token!r} has log-probability {token.logprob}")
    labels: list[float | None] = [
        # A full-width digit has no alternatives to compare with.
        known.get(token.token.replace(digit, str(index))) if digit in token.token else None
        for index in range(1, n + 1)
    ]
    for value in labels:
        if value is not None:
            probability(value)  # is it one?
    labels[best] = token.logprob
    share = label_share(labels)
    told_alone = sum(value is not None for value in labels) == 1
    return share.mass if told_alone else share.probabilities[best]
