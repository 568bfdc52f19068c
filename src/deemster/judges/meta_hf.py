"""A trained scalar meta RM: a sequence-classification model that rates judgments.

Paper section 2 (meta RM guided voting): a pointwise scalar model is trained with binary
cross-entropy to tell whether a judgment's scores are right, and its output ranks the votes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from deemster.backends import EMBEDDED
from deemster.backends.base import SMOL
from deemster.backends.nano import part
from deemster.backends.shipped import smol_part
from deemster.errors import InputError
from deemster.judges.classifier import Classifier, Encode, numbered_text, sigmoid, usage_of
from deemster.judges.scalar_rm import chat_ids
from deemster.prompts import PromptTemplate, View, builtin_template
from deemster.schemas import Conversation, Judgment, Message, Scale, Usage

logger = logging.getLogger(__name__)

META_TEMPLATES = {"deepseek-grm": "deepseek-grm-meta"}
"""Layouts of released meta RMs by name, and the files of their templates."""


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
    return f"{numbered_text(query, _shown(responses, judgment))}\n# Judgment\n{judgment.raw}"


def meta_turns(
    template: PromptTemplate, query: Conversation, responses: Conversation, judgment: Judgment
) -> Conversation:
    """The same as a chat: a template asks for the judgment, which is the assistant's turn."""
    view = View(query, _shown(responses, judgment), scale=Scale(low=0, high=1))
    return (*view.render(template), Message(role="assistant", content=judgment.raw))


def _shown(responses: Conversation, judgment: Judgment) -> Conversation:
    order = judgment.order or tuple(range(len(responses)))
    return tuple(responses[index] for index in order)


def meta_template(given: str | Path) -> PromptTemplate:
    """A meta RM's template by the name of a released layout, or of a file.

    Raises:
        InputError: it cannot be read, or has blocks or slots that it must not have.
    """
    if given in META_TEMPLATES:
        return builtin_template(META_TEMPLATES[str(given)])
    if not Path(given).expanduser().exists():
        raise InputError(
            f"meta RM template {str(given)!r} does not exist; give a template file or "
            f"{', '.join(map(repr, META_TEMPLATES))}"
        )
    template = PromptTemplate.load(Path(given).expanduser())
    if template.has_second or template.by_role or "judgment" in template.slots:
        raise InputError(
            f"meta RM template {str(given)!r} must be a user turn, with a system turn or without "
            "one: the judgment follows as the assistant's turn"
        )
    return template


class HfMetaRM:
    """Rates judgments with a sequence-classification model of transformers.

    The model has one output; a sigmoid makes it the probability that the judgment is right. It
    is loaded when first used, from safetensors, and runs in a thread of its own. The same
    judgments get the same rewards every time.

    Args:
        path: a folder or a repository.
        template: how a judgment is put to a model that others trained, as a chat: `deepseek-grm`
            (the layout of DeepSeek-GRM's MetaRM), or a file with the slots `conversation` and
            `responses`, whose text is the user's turn and the judgment's the assistant's. None
            is `meta_text`, which `deemster train` teaches.
        device: as torch names it; by default a GPU if there is one.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: judgments that go through the model together.
        max_context: most tokens of one text; by default the model's.
        name: what records call it; by default `hf:`, the path and the template's hash.

    Raises:
        InputError: an argument is out of range, or the template is not usable.
    """

    def __init__(
        self,
        path: str,
        *,
        template: str | Path | None = None,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
        max_context: int | None = None,
        name: str | None = None,
    ) -> None:
        self.template = None if template is None else meta_template(template)
        by = "" if self.template is None else f":{self.template.hash}"
        self.name = name or f"hf:{path}{by}"
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

    async def preload(self) -> None:
        """See `Classifier.preload`."""
        await self._classifier.preload()

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        """Probabilities in 0..1 that each judgment is right.

        None where the text is longer than the model's context (nothing is cut; a warning is
        logged) or the model gives no finite number.

        Raises:
            InputError: the model cannot be loaded, or has more than one output.
            BackendError: its chat template refuses the turns, or there are images.
        """
        if not judgments:
            return []
        readings = await self._classifier.read(self._encode(query, responses, judgments))
        for i, reading in enumerate(readings):
            if reading.problem:
                logger.warning(
                    "meta RM %s: judgment %d with its query and responses: %s; "
                    "it gets no meta reward",
                    self.name, i, reading.problem,
                )  # fmt: skip
        self.usage += usage_of([reading for reading in readings if not reading.problem])
        return [None if one.logit is None else sigmoid(one.logit) for one in readings]

    def _encode(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> Encode:
        template = self.template
        if template is None:
            texts = [meta_text(query, responses, judgment) for judgment in judgments]
            return lambda _, encoder: [
                encoder.encode(encoder.guard(text), special=True) for text in texts
            ]
        chats = [meta_turns(template, query, responses, judgment) for judgment in judgments]
        return lambda tokenizer, encoder: [chat_ids(tokenizer, encoder, chat) for chat in chats]

    async def aclose(self) -> None:
        """Release the model's memory. A closed meta RM may be used again."""
        await self._classifier.aclose()


def embedded_meta_rm(name: str = EMBEDDED) -> HfMetaRM:
    """The meta RM that ships beside a model of the package, `nano` or `smol`.

    Raises:
        InputError: it is not installed.
    """
    if name == SMOL:
        return HfMetaRM(str(smol_part("meta")), name=SMOL)
    return HfMetaRM(str(part("meta")), device="cpu", dtype="float32", batch_size=32, name=EMBEDDED)
