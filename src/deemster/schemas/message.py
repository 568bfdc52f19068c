"""One turn of an OpenAI-style conversation, and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from deemster.records import Record, Text
from deemster.schemas.sdk_messages import plain_message


class TextPart(Record):
    """A piece of text in a message of several parts."""

    type: Literal["text"] = "text"
    text: Text


class ImageUrl(Record):
    """Where an image is: a `data:` or `https:` URL."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(Record):
    """An image in a message of several parts."""

    type: Literal["image_url"] = "image_url"
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class FunctionCall(Record):
    """Name and JSON text of the arguments of one tool call."""

    name: str
    arguments: Text = "{}"


class ToolCall(Record):
    """A tool call that an assistant turn made."""

    id: str = ""
    type: Literal["function"] = "function"
    function: FunctionCall


Role = Literal["system", "user", "assistant", "tool", "principle", "response_1", "response_2"]
"""Who speaks. The last three are what some reward models' chat templates call the parts of a
judge's prompt; a query has none of them."""
PROMPT_ONLY = ("principle", "response_1", "response_2")
"""Those three."""


class Message(Record):
    """One turn of a conversation."""

    role: Role
    content: Text | tuple[Part, ...] = ""
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_sdks_write_it(cls, value: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return plain_message(value) if isinstance(value, Mapping) else value

    @property
    def text(self) -> str:
        """The text parts joined by newlines; images are left out."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """The image parts, in order."""
        if isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if isinstance(part, ImagePart))

    @property
    def is_blank(self) -> bool:
        """Whether the turn says nothing: no text but white space, no image, no tool call."""
        return not (self.text.strip() or self.images or self.tool_calls)

    def to_openai(self) -> dict[str, Any]:
        """The message as the chat-completions API takes it; unset fields are left out."""
        message = self.model_dump(mode="json", exclude_defaults=True) | {
            "role": self.role,
            "content": self.content
            if isinstance(self.content, str)
            else [part.model_dump(mode="json") for part in self.content],
        }
        if self.tool_calls:
            # Whole: the API wants `type` and `arguments` even where they are the defaults.
            message["tool_calls"] = [call.model_dump(mode="json") for call in self.tool_calls]
        return message
