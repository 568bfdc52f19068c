"""Scalar reward models as judges: one forward pass per response, no words.

The field's standard baseline (Bradley-Terry models).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from deemster.errors import BackendError, InputError
from deemster.judges.building import Site
from deemster.judges.classifier import Encode
from deemster.judges.classifier_judge import ClassifierJudge, ClassifierSpec
from deemster.schemas import Conversation, Message
from deemster.zoo import SystemTurn

if TYPE_CHECKING:
    from deemster.backends.classify import Layout, Passage


def chat_ids(
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    encoder: Any,  # noqa: ANN401 - as above
    turns: Conversation,
    template_args: Mapping[str, Any] | None = None,
) -> list[int]:
    """Ids of a conversation that ends with the response, by the model's chat template.

    A model without one sees `User: …` and `Assistant: …`, separated by empty lines. Text in the
    turns never becomes control tokens. Training and inference share this.

    Args:
        tokenizer: the model's.
        encoder: its `SafeEncoder`.
        turns: the query's turns and the response.
        template_args: further variables of the chat template.

    Raises:
        BackendError: there are images, or the template refuses the turns.
    """
    from deemster.backends._local.chat import Chat  # noqa: PLC0415 - local models only

    return Chat(tokenizer, encoder, template_args or {}).encode_whole(turns)


def with_system(query: Conversation, system: SystemTurn) -> Conversation:
    """The query as a model reads it that was trained with this kind of system turn.

    Raises:
        BackendError: there are images.
    """
    if system == "keep":
        return query
    if any(turn.images for turn in query):
        raise BackendError("this model reads text only, but the messages contain images")
    first = [turn for turn in query if turn.role == "system"]
    rest = [turn for turn in query if turn.role != "system"]
    if first:
        text = "\n\n".join(turn.text for turn in first if turn.text.strip())
        at = next((i for i, turn in enumerate(rest) if turn.role == "user"), None)
        if at is None:
            rest.insert(0, Message(role="user", content=text))
        elif text:
            merged = f"{text}\n\n{rest[at].text}"
            rest[at] = rest[at].model_copy(update={"content": merged})
    empty = (Message(role="system", content=""),) if system == "empty" else ()
    return (*empty, *rest)


def plain_text(turns: Conversation) -> str:
    """Turns as one text, `User: …` and `Assistant: …`, for models without a chat template."""
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in turns)


class ScalarRM(ClassifierJudge):
    """Scores each response by itself with a scalar reward model: the reward is its logit.

    Works with the models of `deemster.training.baselines.bradley_terry`, with any
    sequence-classification model that reads a chat, with the published heads of
    docs/reward-models.md, and with any of them behind a server. Rewards have no fixed range;
    differences are log-odds (Bradley-Terry).

    Args:
        model: see `ClassifierJudge`, as for the other arguments.
        system: what becomes of the query's system turn: `keep`; `merge` (its text goes to the head
            of the first user turn: for models trained without); `empty` (the same, and an empty
            system turn stands before it). None is what the zoo says of the model, else `keep`.
        settings: see `ClassifierJudge`.

    Raises:
        InputError: an argument is wrong.
    """

    kind = "scalar-rm"

    def __init__(self, model: str, *, system: SystemTurn | None = None, **settings: Any) -> None:  # noqa: ANN401 - see above
        if system not in (None, *get_args(SystemTurn)):
            raise InputError(f"system {system!r}; allowed: {', '.join(get_args(SystemTurn))}")
        super().__init__(model, **settings)
        self.system: SystemTurn = system or (self._known.system if self._known else "keep")

    @property
    def _settings(self) -> dict[str, str | None]:
        return super()._settings | {"system": None if self.system == "keep" else self.system}

    def _encode(self, query: Conversation, responses: Conversation) -> Encode:
        turns = with_system(query, self.system)
        return lambda tokenizer, encoder: [
            chat_ids(tokenizer, encoder, (*turns, response)) for response in responses
        ]

    def _passages(
        self, query: Conversation, responses: Conversation, layout: Layout
    ) -> Sequence[Passage]:
        turns = with_system(query, self.system)
        if layout == "chat":
            return [(*turns, response) for response in responses]
        from deemster.backends.classify import Pair  # noqa: PLC0415 - aiohttp

        if any(message.images for message in (*turns, *responses)):
            raise BackendError("classifiers are asked about text only, but there are images")
        if layout == "text":
            return [plain_text((*turns, response)) for response in responses]
        alone = len(turns) == 1 and turns[0].role == "user"
        asked = turns[0].text if alone else plain_text(turns)
        return [Pair(asked, response.text) for response in responses]

    def _scores(self, logits: Sequence[float], n: int) -> tuple[float, ...]:  # noqa: ARG002
        return tuple(logits)


class ScalarSpec(ClassifierSpec):
    """A scalar reward model: each response by itself, one forward pass, the reward is its logit."""

    type: Literal["scalar"] = "scalar"
    system: SystemTurn | None = None
    """What becomes of a system turn: `keep`, `merge` or `empty`; default: as the zoo says."""

    def build(self, site: Site) -> ScalarRM:
        """See `JudgeSpec.build`."""
        return ScalarRM(system=self.system, **self.arguments(site))
