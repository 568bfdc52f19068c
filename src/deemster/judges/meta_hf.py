"""A trained scalar meta RM: a sequence-classification model that rates judgments.

Paper section 2 (meta RM guided voting): a pointwise scalar model is trained with binary
cross-entropy to tell whether a judgment's scores are right, and its output ranks the votes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from deemster.backends import EMBEDDED
from deemster.backends.nano import part
from deemster.judges.classifier import Classifier, numbered_text, sigmoid, usage_of
from deemster.schemas import Conversation, Judgment, Usage

logger = logging.getLogger(__name__)


def meta_text(query: Conversation, responses: Conversation, judgment: Judgment) -> str:
    """What a meta RM reads about one judgment; training and inference share it.

    The query, the responses in the order and under the numbers that the judgment saw (the
    caller's order where it does not say), then the judgment's raw text:

        # Request
        …
        # Response 1
        …
        # Judgment
        …

    Texts from outside are defused as in every prompt; the judgment's text stays as it is.
    """
    order = judgment.order or tuple(range(len(responses)))
    shown = tuple(responses[index] for index in order)
    return f"{numbered_text(query, shown)}\n# Judgment\n{judgment.raw}"


class HfMetaRM:
    """Rates judgments with a sequence-classification model of transformers.

    The model has one output; a sigmoid makes it the probability that the judgment is right. It
    is loaded when first used, from safetensors, and runs in a thread of its own. The same
    judgments get the same rewards every time.

    Args:
        path: a folder or a repository.
        device: as torch names it; by default a GPU if there is one.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: judgments that go through the model together.
        max_context: most tokens of one text; by default the model's.
        name: what records call it; by default `hf:` and the path.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        path: str,
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
        max_context: int | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or f"hf:{path}"
        self._classifier = Classifier(
            path,
            what="meta RM",
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            max_context=max_context,
        )
        self.usage = Usage()
        """Tokens read so far."""

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        """Probabilities in 0..1 that each judgment is right.

        None where the text is longer than the model's context (nothing is cut; a warning is
        logged) or the model gives no finite number.

        Raises:
            InputError: the model cannot be loaded, or has more than one output.
        """
        texts = [meta_text(query, responses, judgment) for judgment in judgments]
        if not texts:
            return []
        readings = await self._classifier.read(
            lambda _, encoder: [encoder.encode(encoder.guard(text), special=True) for text in texts]
        )
        for i, reading in enumerate(readings):
            if reading.problem:
                logger.warning(
                    "meta RM %s: judgment %d with its query and responses: %s; "
                    "it gets no meta reward",
                    self.name, i, reading.problem,
                )  # fmt: skip
        self.usage += usage_of([reading for reading in readings if not reading.problem])
        return [None if one.logit is None else sigmoid(one.logit) for one in readings]

    async def aclose(self) -> None:
        """Release the model's memory. A closed meta RM may be used again."""
        await self._classifier.aclose()


def embedded_meta_rm() -> HfMetaRM:
    """The meta RM that ships beside the embedded model.

    Raises:
        InputError: it is not installed.
    """
    return HfMetaRM(str(part("meta")), device="cpu", dtype="float32", batch_size=32, name=EMBEDDED)
