"""A classifier on another machine: what scalar judges and meta RMs ask over HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from deemster.backends import Request
from deemster.backends.classify import ClassifyService, Outputs, Pair, Passage
from deemster.backends.registry import options_of, refused_option
from deemster.errors import BackendError
from deemster.judges.classifier import Reading
from deemster.judges.plan import Planned
from deemster.judges.reduction import Reduction, one_output
from deemster.judges.together import together
from deemster.schemas import Message, Sampling, Usage

_NOTHING_SAMPLED = Sampling(temperature=0.0, max_tokens=1)


class RemoteClassifier:
    """Reads texts with a model behind HTTP: one request for each, many at a time.

    Args:
        model: see `ClassifyService`.
        what: what messages call it, e.g. `meta RM`.
        reduction: how several outputs become one number, see `Reduction`; None: there is one.
        options: of `ClassifyService`.

    Raises:
        InputError: an argument is wrong; nothing was sent.
    """

    def __init__(
        self,
        model: str,
        *,
        what: str,
        reduction: str | None = None,
        **options: Any,  # noqa: ANN401 - those of the service
    ) -> None:
        try:
            self.service = ClassifyService(model, **options)
        except TypeError as error:
            raise refused_option(error, model, options_of(ClassifyService)) from error
        self._what = what
        self._reduction = None if reduction is None else Reduction.parse(reduction)

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        """What the model says about every text. A text that is not answered has a problem.

        Raises:
            InputError: the model's outputs are not those declared, or it cannot be asked.
        """
        return await together(self._read(passage) for passage in passages)

    def plan(self, passages: Sequence[Passage]) -> Iterator[Planned]:
        """One request for each text; the first is the vote."""
        for number, passage in enumerate(passages):
            request = Request(
                messages=(Message(role="user", content=_text(passage)),), sampling=_NOTHING_SAMPLED
            )
            yield Planned(self.service, request, votes=int(number == 0), known=False, writes=False)

    async def aclose(self) -> None:
        """Close the connections. A closed one may be used again."""
        await self.service.aclose()

    async def _read(self, passage: Passage) -> Reading:
        try:
            outputs, usage = await self.service.classify(passage)
        except BackendError as error:
            usage = error.usage or Usage()
            return Reading(None, usage, str(error), error)
        number = self._one(outputs)
        if not math.isfinite(number):
            return Reading(None, usage, f"the model gave {number}")
        return Reading(number, usage)

    def _one(self, outputs: Outputs) -> float:
        if self._reduction is None:
            return one_output(outputs.values, outputs.labels, f"{self._what} {self.service.name!r}")
        return self._reduction.of(outputs.values, outputs.labels, ordered=outputs.ordered)


def _text(passage: Passage) -> str:
    if isinstance(passage, str):
        return passage
    if isinstance(passage, Pair):
        return f"{passage.first}\n{passage.second}"
    return "\n".join(message.text for message in passage)
