"""What every record shares: frozen, no unknown fields, no silent coercion of numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Frozen value; unknown fields are an error; survives a JSON round trip unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number. Strict: neither `"7"` nor `True` is one."""

Count = Annotated[int, Field(strict=True, ge=0)]
"""A whole number >= 0."""
