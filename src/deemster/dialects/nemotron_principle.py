"""Nemotron's principle models: does a response fulfil a principle? `Final Judgement: Yes`.

The reward is the probability of the token, Yes against No (arXiv 2509.21319).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from deemster.dialects.base import NO_CHOICE, Dialect, Parsed, probability, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale, TokenLogprob

_JUDGEMENT = re.compile(
    r"final[ ]judge?ment[*_]{0,4}:[ \t*_]{0,8}(?P<word>yes|no)\b"
    + NO_CHOICE
    + r"(?=(?P<rest>.{0,60}))",
    re.IGNORECASE | re.ASCII,
)
# "Yes and no", "No doubt, yes", "No answer was given" and "Yes-ish" are neither.
_ENDS = re.compile(r"[ \t*_)\]\"']{0,8}(?:[.!,;:(<]|[ ]-[ ]|\Z)")
_TURNS = re.compile(r"\b(?:yes|no|but|however)\b", re.IGNORECASE)
_OTHER = re.compile(r"[^a-z]")
NO_PROBABILITY = "the backend gave no token probabilities: 1 stands for Yes, 0 for No"


@dataclass(frozen=True)
class NemotronPrinciple(Dialect):
    """One response, scored by the probability that it fulfils the principle, 0 to 1.

    Without log-probabilities the word alone is the score, 1 or 0, with a warning. Principles
    given to the judge are the model's principle, several as one text.
    """

    name = "nemotron-principle"
    scale = Scale(low=0, high=1, integer=False)
    max_responses = 1
    top_logprobs = 20

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 1
        """Read the word and its token's probability; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        fulfils = settle(
            (found["word"] + found["rest"] for found in _JUDGEMENT.finditer(fold(text))),
            _fulfils,
            missing=f"no 'Final Judgement: Yes' or 'No' in text ending {tail(text)}",
        )
        said = (Critique(response=0, text=text.strip()),)
        if not completion.logprobs:
            return Parsed((float(fulfils),), critiques=said, warnings=(NO_PROBABILITY,))
        return Parsed((_share_of_yes(_word_token(completion.logprobs)),), critiques=said)


def _fulfils(said: str) -> bool:
    word = "yes" if said[:1] in "yY" else "no"
    rest = said[len(word) :]
    if not _ENDS.match(rest) or _TURNS.search(rest):
        raise ParseError(f"expected Yes or No, got {said!r}")
    return word == "yes"


def _word_token(logprobs: tuple[TokenLogprob, ...]) -> TokenLogprob:
    """The token that carries the word of the last judgement."""
    text = fold("".join(token.token for token in logprobs))
    place = None
    for place in _JUDGEMENT.finditer(text):  # noqa: B007 - the last is wanted
        pass
    if place is None:
        raise ParseError("the log-probabilities belong to another text than the completion's")
    end = 0
    for token in logprobs:
        end += len(token.token)
        if place.start("word") < end:
            break
    return token


def _share_of_yes(token: TokenLogprob) -> float:
    """The probability of Yes among the tokens that are Yes or No."""
    shares = {"yes": 0.0, "no": 0.0}
    for text, logprob in {token.token: token.logprob, **dict(token.top)}.items():
        word = _OTHER.sub("", fold(text).lower())
        if word in shares:
            shares[word] += probability(logprob)
    total = math.fsum(shares.values())
    if not total:
        raise ParseError(f"token {token.token!r} is neither Yes nor No")
    return min(shares["yes"] / total, 1.0)
