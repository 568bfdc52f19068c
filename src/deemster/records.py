"""What every record shares: frozen, no unknown fields, no silent coercion of numbers."""

from __future__ import annotations

from typing import Annotated, Any

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


def encodable_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with all its texts `encodable`, the names of fields too."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(key): encodable_json(one) for key, one in value.items()}
    return [encodable_json(one) for one in value] if isinstance(value, list) else value


Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number. Strict: neither `"7"` nor `True` is one."""

Whole = Annotated[int, Field(strict=True)]
"""A whole number of either sign."""

Count = Annotated[int, Field(strict=True, ge=0)]
"""A whole number >= 0."""
