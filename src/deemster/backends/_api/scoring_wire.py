"""vLLM's own endpoints for label probabilities: what is sent, and how answers are read.

`/generative_scoring` reads the next token after each of several prompts and gives the probability
of the first of some tokens, and of no other; `/tokenize` and `/detokenize` tell what the server's
chat template makes of a text. Read from vLLM's source: 0.20, where the endpoint came, and after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import aiohttp

from deemster.backends._api.decision_wire import usage_of
from deemster.backends._api.faults import Fault
from deemster.backends._api.json_service import FREE, JsonProfile, LeanJson
from deemster.backends._api.lean import LeanRoad
from deemster.backends._api.profile import Wanted, read_pricing
from deemster.backends._api.providers import ANY, find_access, server_root
from deemster.backends._api.road import UnansweredError
from deemster.errors import BackendError
from deemster.schemas import Usage

T = TypeVar("T")
Sent = tuple[dict[str, Any], Callable[[Any], T]]
"""A body and how its answer is read, as `JsonService.ask` takes them."""
MARK = "WHAT-IS-ASKED"
"""Stands for the text while the chat template is looked at."""
_SCORING, _TOKENIZE, _DETOKENIZE = "/generative_scoring", "/tokenize", "/detokenize"


class NotServedError(BackendError):
    """The server has no such endpoint, or something else under its name."""


@dataclass(frozen=True)
class Tokens:
    """A text's tokens."""

    ids: tuple[int, ...]
    context: int
    """Most tokens of a prompt and its answer."""


@dataclass(frozen=True)
class Frame:
    """What the server's chat template puts around a text."""

    head: str
    tail: str
    ids: tuple[int, ...]
    """Of `text`."""
    context: int

    @property
    def text(self) -> str:
        """The frame around the mark."""
        return f"{self.head}{MARK}{self.tail}"

    @classmethod
    def read(cls, framed: str, chat: Tokens, again: Tokens) -> Frame:
        """The frame, if it is whole.

        Args:
            framed: the chat with the mark in it, as text.
            chat: its tokens.
            again: those of the text.

        Raises:
            NotServedError: the tokens of the chat cannot be told by text.
        """
        head, mark, tail = framed.partition(MARK)
        if not mark or MARK in tail or again.ids != chat.ids:
            raise NotServedError("the server's chat template cannot be told by text")
        return cls(head, tail, chat.ids, chat.context)


@dataclass(frozen=True)
class Scored:
    """An answer about some prompts."""

    chances: tuple[float, ...]
    """Per prompt, the probability of the token among all."""
    model: str
    maybe_cut: bool
    """Whether one of the prompts may have been too long: the server cuts such without a word."""


def tokenized(**asked: Any) -> Sent[Tokens]:  # noqa: ANN401 - fields of the body
    """The tokens of a prompt or of messages."""

    def read(reply: Any) -> Tokens:  # noqa: ANN401 - JSON
        ids, context = _field(reply, "tokens"), _field(reply, "max_model_len")
        if not isinstance(ids, list) or not all(map(_is_count, [*ids, context])):
            raise NotServedError(f"the server has no {_TOKENIZE} as vLLM has it")
        return Tokens(tuple(ids), context)

    return {_TOKENIZE: asked}, read


def detokenized(ids: Sequence[int]) -> Sent[str]:
    """The text of tokens."""

    def read(reply: Any) -> str:  # noqa: ANN401 - JSON
        text = _field(reply, "prompt")
        if not isinstance(text, str):
            raise NotServedError(f"the server has no {_DETOKENIZE} as vLLM has it")
        return text

    return {_DETOKENIZE: {"tokens": list(ids)}}, read


def scoring(
    query: str, items: Sequence[str], token: int, frame: Frame, extra: Mapping[str, Any]
) -> Sent[Scored]:
    """The probability of a token after `query` and each of the items."""
    body: dict[str, Any] = {
        "query": query,
        "items": list(items),
        "label_token_ids": [token],
        "apply_softmax": False,
        "add_special_tokens": False,  # they are in the frame
        **extra,
    }
    sent = {name: value for name, value in body.items() if value is not None}

    def read(reply: Any) -> Scored:  # noqa: ANN401 - JSON
        if not reply:
            raise NotServedError(f"the server has no {_SCORING}")
        chances = _chances(_field(reply, "data"), len(items))
        counted = usage_of(reply)
        return Scored(
            chances,
            model=str(_field(reply, "model") or ""),
            maybe_cut=counted is None or counted.tokens_in >= frame.context - 1,
        )

    return {_SCORING: sent}, read


def _chances(data: object, n: int) -> tuple[float, ...]:
    """One per prompt, in the order of the prompts."""
    entries = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    by_index = {one.get("index"): one.get("score") for one in entries}
    if len(entries) != n or set(by_index) != set(range(n)):
        raise BackendError(f"the server gave {len(entries)} scores for {n} prompts, or not theirs")
    return tuple(_chance(by_index[index], index) for index in range(n))


def _chance(score: object, index: int) -> float:
    fine = isinstance(score, int | float) and not isinstance(score, bool)
    if not fine or not -1e-6 <= score <= 1 + 1e-6:  # type: ignore[operator]
        raise BackendError(f"the server's score {score!r} of prompt {index} is no probability")
    return min(max(float(score), 0.0), 1.0)  # type: ignore[arg-type]


def seam(text: str) -> int:
    """Where to cut a text that goes on: in front of the blank before its last word, or not at all.

    The server tokenises both parts by themselves. No token of the usual tokenizers has a word's
    end and the next one's blank in it; a line's end and what follows often are one.
    """
    found = _BEFORE_WORD.match(text)
    return found.end() if found else 0


_BEFORE_WORD = re.compile(r".*[A-Za-z](?= [A-Za-z])", re.DOTALL)


def new_token(before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    """The one token that was added to a text; None if it was not one."""
    return after[-1] if after[:-1] == before else None


def count_usage(reply: object) -> Usage | None:
    """Tokens of an answer; None where they are not reported."""
    return usage_of(reply) if isinstance(reply, dict) and "data" in reply else FREE


def load_endpoints(wanted: Wanted) -> JsonProfile:
    """The way to a server's endpoints, and the model's price.

    Raises:
        UnusableModelError: there is no key or URL.
    """
    model, provider = wanted.lean or (wanted.name, ANY)
    access = find_access(wanted.given, provider, path="")
    root, mark, query = access.url.removesuffix("/chat/completions").partition("?")
    root = server_root(root)
    roads = {
        path: LeanJson(
            LeanRoad(model, replace(access, url=f"{root}{path}{mark}{query}"), wanted.given.headers)
        )
        for path in (_SCORING, _TOKENIZE, _DETOKENIZE)
    }
    return JsonProfile(_Endpoints(roads), access.host, access.key, read_pricing(wanted))


class _Endpoints:
    """Several endpoints of a server; a body says by its only key which one it is for."""

    def __init__(self, roads: Mapping[str, LeanJson]) -> None:
        self._roads = roads

    async def send(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """See `JsonRoad.send`; nothing where there is no such endpoint."""
        ((path, sent),) = body.items()
        try:
            return await self._roads[path].send(session, sent)
        except UnansweredError as unanswered:
            if _is_not_served(path, unanswered.fault):
                return {}
            raise


def _is_not_served(path: str, fault: Fault) -> bool:
    """Whether an error speaks of the endpoint and not of the model, which may be unknown too.

    Other servers have endpoints of these names that take other bodies.
    """
    absent = {404, 405} if path == _SCORING else {400, 404, 405, 422}
    return fault.status == 501 or (fault.status in absent and "model" not in fault.said.lower())


def _field(reply: object, name: str) -> Any:  # noqa: ANN401 - JSON
    return reply.get(name) if isinstance(reply, dict) else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
