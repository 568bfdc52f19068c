"""From messages to prompt ids, by the model's own chat template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jinja2 import TemplateError

from deemster.backends._local.encoding import Encoder
from deemster.errors import BackendError
from deemster.schemas import Message

_MARK = "0a1b2c"
_REFUSED = (TemplateError, TypeError, ValueError)
_LABELS = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


@dataclass(frozen=True)
class Chat:
    """Renders and encodes conversations for one model.

    A model without a chat template (a base model) sees `System: …`, `User: …` and `Assistant:`,
    separated by empty lines. A template that refuses a system turn, or drops its text, gets it at
    the head of the first user turn. One that drops another turn, or tool calls, is refused.

    Args:
        tokenizer: the model's.
        encoder: how text becomes ids.
        template_args: further variables of the template, e.g. `enable_thinking`.
    """

    tokenizer: Any
    encoder: Encoder
    template_args: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, messages: Sequence[Message], prefix: str = "") -> list[int]:
        """Ids of the prompt, up to where the assistant's turn goes on after `prefix`.

        `prefix` comes from the judge, not from strangers: control tokens in it take effect.

        Raises:
            BackendError: there are images, or the template refuses the messages or drops a turn.
        """
        return self.encoder.encode(self._text(messages, ask=True) + prefix)

    def encode_whole(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a conversation as it stands, with nobody asked to go on: for reward models.

        Raises:
            BackendError: there are images, or the template refuses the messages or drops a turn.
        """
        return self.encoder.encode(self._text(messages, ask=False))

    def text(self, messages: Sequence[Message]) -> str:
        """The prompt as text, up to where the assistant's turn begins.

        Raises:
            BackendError: there are images, or the template refuses the messages or drops a turn.
        """
        return self._text(messages, ask=True)

    def turn_end(self) -> int | None:
        """Id of the control token that ends an assistant's turn in the template, if one does.

        It is often not the tokenizer's end token: Gemma's turns end with `<end_of_turn>`, its
        texts with `<eos>`.
        """
        turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": _MARK}]
        if not self.tokenizer.chat_template:
            return None
        try:
            after = self._apply(turns, ask=False).rpartition(_MARK)[2].lstrip()
        except _REFUSED:
            return None
        controls = self.tokenizer.get_added_vocab()
        found = max((one for one in controls if after.startswith(one)), key=len, default=None)
        return None if found is None else controls[found]

    def _text(self, messages: Sequence[Message], *, ask: bool) -> str:
        """The rendered text; with `ask` up to where the assistant's next turn begins."""
        if any(message.images for message in messages):
            raise BackendError("this model reads text only, but the messages contain images")
        self._check_roles(messages)
        turns = [self._turn(message) for message in messages]
        if self.tokenizer.chat_template:
            return self._render(turns, ask=ask)
        if any(message.tool_calls for message in messages):
            raise BackendError("the model has no chat template, which tool calls need")
        return self._plain(turns, ask=ask)

    def _check_roles(self, messages: Sequence[Message]) -> None:
        """Raise `BackendError` for a role that the template would drop without a word."""
        for role in {message.role for message in messages} - _LABELS.keys():
            if role not in str(self.tokenizer.chat_template or ""):
                raise BackendError(
                    f"the model's chat template knows no role {role!r}; this dialect is for "
                    "models that do, give another dialect"
                )

    def _turn(self, message: Message) -> dict[str, Any]:
        guard = self.encoder.guard
        turn: dict[str, Any] = {"role": message.role, "content": guard(message.text)}
        if message.name:
            turn["name"] = guard(message.name)
        if message.tool_call_id:
            turn["tool_call_id"] = guard(message.tool_call_id)
        if message.tool_calls:
            turn["tool_calls"] = [
                {
                    "id": guard(call.id),
                    "type": call.type,
                    "function": {
                        "name": guard(call.function.name),
                        "arguments": _guarded_json(call.function.arguments, self.encoder),
                    },
                }
                for call in message.tool_calls
            ]
        return turn

    def _render(self, turns: list[dict[str, Any]], *, ask: bool) -> str:
        if turns[0]["role"] == "system" and len(turns) > 1 and not self._takes_system:
            content = f"{turns[0]['content']}\n\n{turns[1]['content']}"
            turns = [{**turns[1], "content": content}, *turns[2:]]
        try:
            text = self._apply(turns, ask=ask)
        except _REFUSED as error:
            raise BackendError(f"the chat template refuses the messages: {error}") from error
        self._check_written(turns, ask=ask)
        return text

    def _check_written(self, turns: list[dict[str, Any]], *, ask: bool) -> None:
        """Raise `BackendError` if the template drops a turn, as of tools that it does not know."""
        shape = (
            ask,
            *(
                (turn["role"], bool(turn["content"].strip()), len(turn.get("tool_calls", ())))
                for turn in turns
            ),
        )
        if shape not in self._dropped:
            self._dropped[shape] = self._first_dropped(turns, ask=ask)
        if (dropped := self._dropped[shape]) is not None:
            raise BackendError(
                f"the model's chat template leaves out {dropped}; give a model that reads it, or "
                "leave it out"
            )

    def _first_dropped(self, turns: list[dict[str, Any]], *, ask: bool) -> str | None:
        """What of turns of this shape is not in the text: found by marks, as texts are trimmed."""
        marked = []
        for i, turn in enumerate(turns):
            content = f"{_MARK}t{i}z" if turn["content"].strip() else turn["content"]
            calls = [
                {**call, "function": {**call["function"], "name": f"{_MARK}c{i}z{j}z"}}
                for j, call in enumerate(turn.get("tool_calls", ()))
            ]
            marked.append({**turn, "content": content, **({"tool_calls": calls} if calls else {})})
        try:
            text = self._apply(marked, ask=ask)
        except _REFUSED:
            return None
        for i, turn in enumerate(turns):
            calls = turn.get("tool_calls", ())
            if any(f"{_MARK}c{i}z{j}z" not in text for j in range(len(calls))):
                return f"the tool calls of a turn of role {turn['role']!r}"
            # What is said beside calls is dropped by templates of models trained without it.
            if not calls and turn["content"].strip() and f"{_MARK}t{i}z" not in text:
                return f"what a turn of role {turn['role']!r} says"
        return None

    @cached_property
    def _dropped(self) -> dict[tuple[Any, ...], str | None]:
        """By the shape of turns that were rendered: see `_first_dropped`."""
        return {}

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template writes what a system turn says; some refuse it, others drop it."""
        turns = [{"role": "system", "content": _MARK}, {"role": "user", "content": "x"}]
        try:
            return _MARK in self._apply(turns, ask=True)
        except _REFUSED:
            return False

    def _apply(self, turns: list[dict[str, Any]], *, ask: bool) -> str:
        text: str = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=ask, **self.template_args
        )
        return text

    def _plain(self, turns: list[dict[str, Any]], *, ask: bool) -> str:
        blocks = [f"{_LABELS[turn['role']]}: {turn['content']}\n\n" for turn in turns]
        return self._start() + "".join(blocks) + ("Assistant:" if ask else "")

    def _start(self) -> str:
        """The token that begins every text, for models that were trained with one."""
        bos = self.tokenizer.bos_token
        with_special = self.tokenizer.encode("x")
        return bos if bos and with_special[:1] == [self.tokenizer.bos_token_id] else ""


def _guarded_json(text: str, encoder: Encoder) -> Any:  # noqa: ANN401 - JSON
    """Arguments of a tool call as templates take them: parsed where they are JSON."""
    guarded = encoder.guard(text)
    try:
        return json.loads(guarded)
    except ValueError:
        return guarded
