"""A trained meta RM on another machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deemster.backends.classify import Passage
from deemster.judges.case import Case
from deemster.judges.classifier import sigmoid, usage_of
from deemster.judges.meta_hf import meta_template, meta_text, meta_turns
from deemster.judges.plan import Planned
from deemster.judges.remote_classifier import RemoteClassifier
from deemster.schemas import Conversation, Judgment, Usage

logger = logging.getLogger(__name__)


class RemoteMetaRM:
    """Rates judgments as `HfMetaRM` does, with the model behind a server.

    The server gets the text of `meta_text`, or with a template the turns, for its chat template; a
    sigmoid makes its one output the probability that the judgment is right.

    Args:
        model: `vllm-classify:URL`, `vllm-pooling:URL` or `tei-predict:URL`.
        template: as `HfMetaRM` takes it; not for `tei-predict`, which has no chats.
        options: of `ClassifyService`.

    Raises:
        InputError: an argument is wrong, the template is not usable, or the endpoint reads pairs
            only.
    """

    def __init__(
        self,
        model: str,
        *,
        template: str | Path | None = None,
        **options: Any,  # noqa: ANN401 - those of the service
    ) -> None:
        self.template = None if template is None else meta_template(template)
        layout = options.pop("layout", "text" if self.template is None else "chat")
        self._classifier = RemoteClassifier(model, what="meta RM", layout=layout, **options)
        by = "" if self.template is None else f":{self.template.hash}"
        self.name = f"{self._classifier.service.name}{by}"

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        """Probabilities in 0..1; None where the server gave no number (a warning is logged)."""
        rewards, _ = await self.rate_costed(query, responses, judgments)
        return rewards

    async def rate_costed(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> tuple[list[float | None], Usage]:
        """`rate`, and what the calls cost."""
        readings = await self._classifier.read(
            [self._passage(query, responses, judgment) for judgment in judgments]
        )
        for i, reading in enumerate(readings):
            if reading.problem:
                logger.warning(
                    "meta RM %s: judgment %d: %s; it gets no meta reward",
                    self.name, i, reading.problem,
                )  # fmt: skip
        rewards = [None if one.logit is None else sigmoid(one.logit) for one in readings]
        return rewards, usage_of(readings)

    def plan(self, case: Case, *, k: int, longest: int) -> Iterator[Planned]:
        """One request for each of k judgments, whose texts have up to `longest` tokens."""
        for draw in range(k):
            blank = Judgment(scores=(0.0,) * case.n, draw=draw)
            passage = self._passage(case.query, case.responses, blank)
            for planned in self._classifier.plan([passage]):
                yield replace(planned, votes=0, tokens_unknown=longest)

    def _passage(self, query: Conversation, responses: Conversation, judgment: Judgment) -> Passage:
        if self.template is None:
            return meta_text(query, responses, judgment)
        return meta_turns(self.template, query, responses, judgment)

    async def aclose(self) -> None:
        """Close the connections. Idempotent."""
        await self._classifier.aclose()
