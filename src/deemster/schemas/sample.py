"""A row of a data set: what is judged and, where known, the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from deemster.errors import InputError
from deemster.records import Finite, Record, Text, encodable_json
from deemster.schemas.conversation import Conversation, as_query, as_reference, as_responses
from deemster.schemas.principle import Principle


class Sample(Record):
    """A query, its 1..n responses and, where the data set has it, the ground truth."""

    id: Text = ""
    """Unique within its data set; filled with the row number where the data has none."""
    query: Conversation
    """Empty only in data read back from a log that left the texts out."""
    responses: Conversation
    """One assistant message each. Data read back from a judge's log may have no texts: then
    the messages are empty, and the sample can be re-voted but not judged anew."""
    reference: Text | None = None
    """A gold answer, shown to the judge. Of a list of several, all are shown, numbered."""
    principles: tuple[Principle, ...] = ()
    """Fixed criteria for this row; none leaves the choice to the judge."""
    ground_truth: tuple[Finite, ...] | None = None
    """One true reward per response, higher is better; equal values are a true tie.

    A pair whose first is better is (1, 0); a single response is (1,) or (0,)."""
    policies: tuple[Text, ...] | None = None
    """Which model wrote each response."""
    subset: Text = ""
    metadata: Annotated[dict[str, JsonValue], AfterValidator(encodable_json)] = Field(
        default_factory=dict
    )

    @field_validator("query", mode="before")
    @classmethod
    def _query(cls, value: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return () if value in ((), []) else as_query(value)

    @field_validator("responses", mode="before")
    @classmethod
    def _responses(cls, value: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return as_responses(value)

    @field_validator("reference", mode="before")
    @classmethod
    def _reference(cls, value: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return as_reference(value)

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        n = len(self.responses)
        for name in ("ground_truth", "policies"):
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise ValueError(f"{name} has {len(values)} entries for {n} responses")
        return self

    @property
    def best(self) -> int | None:
        """Index of the strictly best response; None if the truth is unknown or tied on top."""
        truth = self.ground_truth
        if truth is None or len(truth) < 2:
            return None
        top = max(truth)
        return truth.index(top) if truth.count(top) == 1 else None

    @classmethod
    def parse(cls, row: Mapping[str, Any], *, where: str) -> Self:
        """Validate a row of a file; an error names `where` it stands.

        Raises:
            InputError: a field is missing, unknown or of the wrong type.
        """
        if not isinstance(row, Mapping):
            raise InputError(f"{where}: expected a JSON object, got {type(row).__name__}")
        try:
            return cls.model_validate(dict(row))
        except ValidationError as error:
            raise InputError(f"{where}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation in one line: field, what is wrong, the value."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    in_message = first["type"] in {"value_error", "missing"}
    value = "" if in_message else f", got {first['input']!r:.80}"
    if not field or message.startswith(field):  # validators of one field name it themselves
        return f"{message}{value}"
    return f"{field}: {message}{value}"
