"""What a principle bank reports: sets, measured usefulness, history."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deemster.schemas import Conversation, Count, Principle, Record

Kind = Literal["generated", "mined"]
_PUNCTUATION = re.compile(r"[\W_]+")


class StoredSet(Record):
    """One version of the principles of one query."""

    query: str
    """The query's text."""
    version: Count
    """1, 2, … for each query; the last is in use."""
    kind: Kind
    source: str
    """The model that generated it, or the run and judge it was mined from."""
    created: str
    """UTC, ISO 8601."""
    principles: tuple[Principle, ...]


class Usefulness(Record):
    """How often votes with one principle were right. Spellings of the same name count as one."""

    name: str
    description: str
    spellings: Count
    """How many names were merged into this one."""
    votes: Count
    """Votes that used it and can be right or wrong."""
    right: Count
    queries: Count
    """Queries those votes are about; the interval is over these."""
    value: float
    """Estimated share of right votes, 0..1: the mean over queries, shrunk towards the share of all
    votes in the bank by the weight of 4 queries."""
    low: float
    """Lower end of the 95 % interval of `value`."""
    high: float
    lift: float | None
    """Share of right votes with it minus that without it on the same queries, averaged over these;
    None where all votes of its queries used it. Independent of how hard the queries are."""
    weight: float
    """Mean weight it had in right votes, in all votes if none was right."""


class HistoryEntry(Record):
    """One change of the bank. Entries are only ever added."""

    number: Count
    at: str
    what: Literal["generated", "mined", "merged"]
    detail: str


@dataclass(frozen=True)
class CheckedVote:
    """One vote and whether it ranked the truth first."""

    key: bytes
    """Identity of the vote: the same vote is not counted twice."""
    principles: tuple[Principle, ...]
    right: bool


def name_key(name: str) -> str:
    """A principle's name without case, punctuation and spacing; the name itself if that is all."""
    return " ".join(_PUNCTUATION.sub(" ", name.casefold()).split()) or name.casefold()


def query_key(query: Conversation) -> str:
    """SHA-256 in hex over roles and contents; surrounding white space of texts does not count."""
    turns = [message.to_openai() for message in query]
    for turn in turns:
        if isinstance(turn["content"], str):
            turn["content"] = turn["content"].strip()
    text = json.dumps(turns, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def query_text(query: Conversation) -> str:
    """The query as one text, for people and for comparing words."""
    return "\n\n".join(message.text for message in query).strip()


def same_principles(one: Sequence[Principle], other: Sequence[Principle]) -> bool:
    """Whether two sets say the same, up to rounding of weights to half a percent."""
    return len(one) == len(other) and all(
        (a.name, a.description, a.bands) == (b.name, b.description, b.bands)
        and abs(a.weight - b.weight) < 0.005
        for a, b in zip(one, other, strict=True)
    )
