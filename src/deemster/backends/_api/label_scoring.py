"""Label probabilities by a vLLM server's `/generative_scoring`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from deemster.backends._api.json_service import JsonService
from deemster.backends._api.scoring_wire import (
    MARK,
    Frame,
    NotServedError,
    Sent,
    detokenized,
    new_token,
    scoring,
    seam,
    tokenized,
)
from deemster.backends.label_prompts import decision_of, prompt_parts
from deemster.backends.loops import PerLoop
from deemster.errors import BackendError, ContextLengthError, InputError
from deemster.schemas import Completion, Question, dump_decisions
from deemster.usage import Account

T = TypeVar("T")
Asked = Sequence[tuple[Question, tuple[str, ...]]]
"""Questions, each with the labels of its options."""


class LabelScoring:
    """Asks a server how probable labels are.

    Args:
        service: the server's endpoints (`scoring_wire.load_endpoints`).
        extra: further parameters of the request.
    """

    def __init__(self, service: JsonService, extra: Mapping[str, Any]) -> None:
        self._service = service
        self._extra = extra
        self._frame: Frame | None = None
        self._lacks = ""
        self._tokens: dict[str, frozenset[int]] = {}
        self._locks: PerLoop[asyncio.Lock] = PerLoop(
            asyncio.Lock, close=_nothing_to_close, abandon=lambda _lock: None
        )

    async def read(self, text: str, asked: Asked, spent: Account) -> Completion:
        """The decisions, by one request per label token, each about all prompts.

        Args:
            text: what is asked about; from outside.
            asked: the questions.
            spent: what the calls cost is added to it, whatever comes of them.

        Raises:
            NotServedError: the server does not have what this needs.
            BackendError: there was no answer, or none that can be used.
            InputError: a label is not one token of the model.
        """
        frame = await self._prepared([label for _, labels in asked for label in labels], spent)
        parts = [prompt_parts(text, question, labels) for question, labels in asked]
        shared = frame.head + parts[0][0]
        cut = seam(shared)
        query, items = shared[:cut], [shared[cut:] + rest + frame.tail for _, rest in parts]
        spelled = [[self._tokens[label] for label in labels] for _, labels in asked]
        about: dict[int, list[int]] = {}
        for place, options in enumerate(spelled):
            tokens = frozenset[int]().union(*options)
            if len(tokens) < sum(map(len, options)):
                raise InputError(
                    f"labels {list(asked[place][1])} share a token at model "
                    f"{self._service.name!r}; give others as the option labels"
                )
            for token in tokens:
                about.setdefault(token, []).append(place)
        found = await wait_for_all(
            self._ask(
                scoring(query, [items[place] for place in places], token, frame, self._extra), spent
            )
            for token, places in about.items()
        )
        if any(one.maybe_cut for one in found):
            await self._check_length(frame, query, items, spent)
        logprobs = {
            (place, token): math.log(chance) if chance else -math.inf
            for (token, places), one in zip(about.items(), found, strict=True)
            for place, chance in zip(places, one.chances, strict=True)
        }
        decisions = [
            decision_of(
                question,
                [[logprobs[place, token] for token in tokens] for tokens in spelled[place]],
            )
            for place, (question, _) in enumerate(asked)
        ]
        return Completion(text=dump_decisions(decisions), model=found[0].model, usage=spent.total)

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._service.aclose()
        await self._locks.aclose()

    async def _ask(self, sent: Sent[T], spent: Account) -> T:
        try:
            answer, usage = await self._service.ask(*sent)
        except BackendError as error:
            if error.usage is not None:
                spent.add(error.usage)
            raise
        spent.add(usage)
        return answer

    async def _prepared(self, labels: Sequence[str], spent: Account) -> Frame:
        """The server's chat template, once the tokens of the labels are known."""
        async with await self._locks.get():  # so that both are looked up once
            frame = self._frame = self._frame or await self._read_frame(spent)
            for label in dict.fromkeys(labels):
                if label not in self._tokens:
                    self._tokens[label] = await self._label_tokens(frame, label, spent)
        return frame

    async def _read_frame(self, spent: Account) -> Frame:
        if self._lacks:  # found out while this request waited
            raise NotServedError(self._lacks)
        try:
            return await self._look_at_template(spent)
        except NotServedError as error:
            self._lacks = str(error)
            raise

    async def _look_at_template(self, spent: Account) -> Frame:
        arguments = self._extra.get("chat_template_kwargs")
        shown = {} if arguments is None else {"chat_template_kwargs": arguments}
        turn = {"role": "user", "content": MARK}
        chat = await self._ask(tokenized(messages=[turn], **shown), spent)
        framed = await self._ask(detokenized(chat.ids), spent)
        again = await self._ask(tokenized(prompt=framed, add_special_tokens=False), spent)
        return Frame.read(framed, chat, again)

    async def _label_tokens(self, frame: Frame, label: str, spent: Account) -> frozenset[int]:
        """The tokens that spell a label where the model would say it."""
        spellings = (label,) if frame.tail[-1:].isspace() else (label, f" {label}")
        seen = await wait_for_all(
            self._ask(tokenized(prompt=frame.text + spelling, add_special_tokens=False), spent)
            for spelling in spellings
        )
        tokens = [new_token(frame.ids, one.ids) for one in seen]
        if not any(token is not None for token in tokens):
            pieces = max(len(seen[0].ids) - len(frame.ids), 2)
            raise InputError(
                f"label {label!r} is {pieces} tokens at model {self._service.name!r}, and must be "
                "one; give others as the option labels, for example {'predicate': ['Yes', 'No']}"
            )
        return frozenset(token for token in tokens if token is not None)

    async def _check_length(
        self, frame: Frame, query: str, items: Sequence[str], spent: Account
    ) -> None:
        """Refuse prompts that the server cut without a word."""

        async def length(text: str) -> int:
            found = await self._ask(tokenized(prompt=query + text, add_special_tokens=False), spent)
            return len(found.ids)

        if await length("".join(items)) < frame.context:
            return
        longest = max(await wait_for_all(map(length, items)))
        if longest >= frame.context:
            raise ContextLengthError(
                f"the prompt of {longest} tokens does not fit the server's context of "
                f"{frame.context} tokens, one of which is for the answer; shorten the input or "
                "raise --max-model-len"
            )


async def wait_for_all(calls: Iterable[Awaitable[T]]) -> list[T]:
    """What the calls gave. All are waited for, so that it is known what they cost.

    Raises the first error.
    """
    found = await asyncio.gather(*calls, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if not isinstance(one, BaseException)]


async def _nothing_to_close(_lock: asyncio.Lock) -> None:
    """A lock holds nothing."""
