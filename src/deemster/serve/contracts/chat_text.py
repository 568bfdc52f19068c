"""Turns of a conversation that a trainer has already written out by a chat template.

Trainers post what their tokenizer decoded, special tokens included. The formats are those of the
model families in use; text in none of them is one turn of the user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.errors import InputError
from deemster.schemas import Conversation, Message

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "tool",
}


@dataclass(frozen=True)
class _Format:
    """How a family writes a turn: a header with the role, then the text, then an end."""

    header: re.Pattern[str]
    ends: tuple[str, ...]


def _marked(user: str, assistant: str, *ends: str) -> _Format:
    """A format with a marker of its own for each of the two."""
    pattern = f"(?:(?P<user>{re.escape(user)})|(?P<assistant>{re.escape(assistant)}))"
    return _Format(re.compile(pattern), ends)


_FORMATS = (
    _Format(re.compile(r"<\|im_start\|>(?P<role>\w+)\n?"), ("<|im_end|>", "<|endoftext|>")),
    _Format(
        re.compile(r"<\|start_header_id\|>(?P<role>\w+)<\|end_header_id\|>\s*"),
        ("<|eot_id|>", "<|end_of_text|>"),
    ),
    _Format(re.compile(r"<start_of_turn>(?P<role>\w+)\n?"), ("<end_of_turn>", "<eos>")),
    _Format(
        re.compile(r"<\|(?P<role>system|user|assistant)\|>\n?"),
        ("<|end|>", "</s>", "<|endoftext|>"),
    ),
    _marked(
        "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>"
    ),
    _marked("[INST]", "[/INST]", "</s>"),
    _Format(re.compile(r"(?:(?P<user>(?:\A|\n\n)Human:)|(?P<assistant>\n\nAssistant:))"), ()),
)
"""ChatML (Qwen, Yi), Llama 3, Gemma, Phi and Zephyr, DeepSeek, Mistral and Llama 2, plain text."""
_BEGINNINGS = ("<|begin_of_text|>", "<s>", "<bos>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>")
_ENDS = (*dict.fromkeys(end for form in _FORMATS for end in form.ends), "<pad>")


def read_chat_text(text: str) -> Conversation:
    """The turns of a written-out conversation.

    A turn without text (the model's own, which is to come) is left out. Text in no known format is
    one turn of the user.

    Raises:
        InputError: it is blank.
    """
    turns = tuple(turn for turn in _turns(text) if turn.text)
    if not turns:
        raise InputError("prompt is empty; give the text that was answered")
    return turns


def split_chat_text(text: str) -> tuple[Conversation, str]:
    """The query and the answer in a written-out conversation that ends with the answer.

    The answer may be empty: a policy that ends its turn at once is asked for no other.

    Raises:
        InputError: no turn of an assistant ends it.
    """
    *before, last = _turns(text)
    query = tuple(turn for turn in before if turn.text)
    if not query or last.role != "assistant":
        raise InputError(
            "the text is not a conversation in a known chat template that ends with an answer; "
            "known: ChatML, Llama 3, Gemma, Phi, Zephyr, DeepSeek, Mistral, 'Human: … Assistant: …'"
        )
    return query, last.text


def answer_after(prompt: str, whole: str) -> str | None:
    """What follows a prompt in the text of prompt and answer; None if the text begins otherwise.

    The answer is taken as it stands: markers of turns in it are the policy's own words.
    """
    if prompt and whole.startswith(prompt):
        return _bare(whole[len(prompt) :])
    return None


def bare_answer(text: str) -> str:
    """An answer without the special tokens and blanks around it."""
    return _bare(text)


def _turns(text: str) -> Conversation:
    """All turns, 1 or more, those without text too."""
    form, found = _best(text)
    if form is None:
        return (Message(role="user", content=_bare(text)),)
    turns = []
    before = _bare(text[: found[0].start()])
    if before:
        turns.append(Message(role="system", content=before))
    for header, following in zip(found, [*found[1:], None], strict=True):
        end = len(text) if following is None else following.start()
        content = _bare(text[header.end() : end])
        groups = header.groupdict()
        role = groups.get("role") or next(name for name, hit in groups.items() if hit)
        turns.append(Message.model_validate({"role": _ROLES[role.lower()], "content": content}))
    return tuple(turns)


def _best(text: str) -> tuple[_Format | None, list[re.Match[str]]]:
    """The format with the first header, among those that have one of a known role."""
    chosen: tuple[_Format | None, list[re.Match[str]]] = (None, [])
    for form in _FORMATS:
        found = [
            header
            for header in form.header.finditer(text)
            if (header.groupdict().get("role") or "user").lower() in _ROLES
        ]
        if found and (not chosen[1] or found[0].start() < chosen[1][0].start()):
            chosen = form, found
    return chosen


def _bare(text: str) -> str:
    """The text without the special tokens and blanks around it."""
    while True:
        text = text.strip()
        for token in _BEGINNINGS:
            text = text.removeprefix(token)
        kept = text
        for token in _ENDS:
            kept = kept.removesuffix(token)
        if kept == text and text == text.strip():
            return text
        text = kept
