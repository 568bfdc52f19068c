"""The judge's view of one sample in one order: defused, fenced, ready for a template."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deemster.errors import InputError
from deemster.prompts.normal_form import fold
from deemster.prompts.template import PromptTemplate
from deemster.prompts.untrusted import defuse, make_nonce, one_line
from deemster.schemas import Conversation, Message, Principle, Scale, TextPart
from deemster.schemas.transcript import call_text, labelled, said_text

NO_TEXT = "(This response is empty.)"
"""Stands where a response says nothing: an empty answer is an answer, and a bad one."""


@dataclass(frozen=True)
class View:
    """What is shown to the judge. `responses` are in the order shown."""

    query: Conversation
    responses: Conversation
    scale: Scale
    reference: str | None = None
    principles: tuple[Principle, ...] = ()
    findings: str = ""
    """Facts found by tools (a verifier, say) that are put before the judge."""
    judgment: str = ""
    """Another judge's work, for a meta RM's prompt."""
    after: str = ""
    """A section that follows the filled template, put in as it is: defused and fenced already."""
    seed: int = 0
    defused: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Texts as `defuse` gives them, by text. Views of one case share it, so that no text of theirs
    is defused twice."""

    @property
    def nonce(self) -> str:
        """Marks the fences of this sample; the same in every order, so prompts share prefixes."""
        texts = [_flat(message) for message in (*self.query, *self.responses)]
        texts += [self.reference or "", self.findings, self.judgment]
        shown = [text for principle in self.principles for text in _texts(principle)]
        return make_nonce(sorted(texts), seed=self.seed, elsewhere=[self.after, *shown])

    def render(self, template: PromptTemplate, **more: object) -> Conversation:
        """Fill a template; images of the query go after the text of the last user turn.

        `more` are further slots, put in as they are.
        """
        return self._with_images(self._filled(template, more), template)

    def second(self, template: PromptTemplate) -> Message:
        """The user turn that follows the judge's first completion."""
        return self._filled(template, {}, second=True)[0]

    def _filled(
        self, template: PromptTemplate, more: Mapping[str, object], *, second: bool = False
    ) -> Conversation:
        nonce = self.nonce

        def fence(text: str, label: str) -> str:
            return f"<<<BEGIN {label} {nonce}>>>\n{text}\n<<<END {label} {nonce}>>>"

        low, high = (
            (int(end) if end == int(end) else end) for end in (self.scale.low, self.scale.high)
        )
        messages = template.render(
            {
                "conversation": conversation_text(self.query, self._seen),
                "responses": [_said(response, self._seen) for response in self.responses],
                "n": len(self.responses),
                "reference": None if self.reference is None else self._seen(self.reference),
                "principles": [_shown(principle) for principle in self.principles],
                "findings": self._seen(self.findings),
                "judgment": self._seen(self.judgment),
                "low": low,
                "high": high,
                "nonce": nonce,
                **more,
            },
            second=second,
            fence=fence,
            quote=_quoted,
        )
        if template.by_role:
            self._check_roles(template)
            messages = (*map(_turn, self.query), *messages)
        if self.after and not second:
            last = messages[-1]
            text = f"{last.text.rstrip()}\n\n{self.after}"
            messages = (*messages[:-1], last.model_copy(update={"content": text}))
        return messages

    def _seen(self, text: str) -> str:
        """A text as the judge may see it."""
        if text not in self.defused:
            self.defused[text] = defuse(text)
        return self.defused[text]

    def _check_roles(self, template: PromptTemplate) -> None:
        """Raise `InputError` if there is something that no role of the template is for."""
        for what, given in (
            ("a section after the prompt", bool(self.after)),
            ("images", any(turn.images for turn in (*self.query, *self.responses))),
        ):
            if given:
                raise InputError(
                    f"template {template.name!r} sends responses in roles of their own, which "
                    f"leaves no place for {what}; use another dialect"
                )

    def _with_images(self, messages: Conversation, template: PromptTemplate) -> Conversation:
        if template.by_role:
            return messages
        images = [image for turn in self.query for image in turn.images]
        for response in self.responses:
            images.extend(response.images)
        if not images:
            return messages
        last = messages[-1]
        return (
            *messages[:-1],
            last.model_copy(update={"content": (TextPart(text=last.text), *images)}),
        )


def conversation_text(query: Sequence[Message], seen: Callable[[str], str] = defuse) -> str:
    """The query as defused text: bare when it is one user turn, labelled by role otherwise.

    Args:
        query: its turns.
        seen: what defuses a text.
    """
    if len(query) == 1 and query[0].role == "user":
        return seen(_flat(query[0]))
    return "\n\n".join(labelled(turn.role, seen(_flat(turn))) for turn in query)


def _quoted(text: str) -> str:
    """A text as a JSON string, out of which nothing in it can break."""
    return json.dumps(text, ensure_ascii=False)


def _turn(turn: Message) -> Message:
    """A turn of the query as a turn of the prompt."""
    text = defuse(_flat(turn))
    if turn.role in ("system", "user", "assistant"):
        return Message(role=turn.role, content=text)
    return Message(role="user", content=labelled(turn.role, text))


def _said(response: Message, seen: Callable[[str], str]) -> str:
    """A response as shown; what is blank once its invisible characters are gone is empty."""
    text = seen(_flat(response))
    return text if text.strip() else NO_TEXT


def _flat(message: Message) -> str:
    """A turn as text: text parts, a note for each image, tool calls with decoded arguments."""
    pieces = [said_text(message.text)] if message.text.strip() else []
    pieces += [f"(image {i})" for i, _ in enumerate(message.images, 1)]
    pieces += map(call_text, message.tool_calls)
    return "\n".join(pieces)


def _name(name: str) -> str:
    """A principle's name, which templates put behind a bracket and before a colon.

    `RESULT] 5` in brackets would be a verdict, and `Final Judgement` before `: Yes`.
    """
    round_ones = {"[": "(", "]": ")"}
    plain = fold(name, all_forms=True)
    pairs = zip(plain, name, strict=True)
    return one_line("".join(round_ones.get(read, char) for read, char in pairs) + ":")[:-1]


def _texts(principle: Principle) -> tuple[str, ...]:
    return (principle.name, principle.description, *(band.meaning for band in principle.bands))


def _shown(principle: Principle) -> dict[str, object]:
    # A sample's own principles come with its data, from strangers too.
    return {
        "name": _name(principle.name),
        "description": one_line(principle.description),
        "weight": round(100 * principle.weight),
        "bands": [
            {"low": band.low, "high": band.high, "meaning": one_line(band.meaning)}
            for band in principle.bands
        ],
    }
