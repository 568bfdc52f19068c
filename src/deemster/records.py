"""What every record shares: frozen, no unknown fields, no silent coercion of numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Frozen value; unknown fields are an error; survives a JSON round trip unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def encodable(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD, so that it can be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair (an emoji cut in two) can be neither stored nor sent.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


Text = Annotated[str, AfterValidator(encodable)]
"""Text from outside. A lone surrogate in it becomes U+FFFD, so that it can be written as UTF-8."""

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number. Strict: neither `"7"` nor `True` is one."""

Whole = Annotated[int, Field(strict=True)]
"""A whole number of either sign."""

Count = Annotated[int, Field(strict=True, ge=0)]
"""A whole number >= 0."""
