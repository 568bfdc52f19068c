"""Decides whether JSON values fit JSON Schemas, request by request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .wire import receive, send

_SHOWN = 300


def load() -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The decision; imported before confinement, as the imports read many files."""
    import jsonschema  # noqa: PLC0415 - third-party, and slow to import
    import jsonschema.validators  # noqa: PLC0415 - as above
    from referencing import Registry  # noqa: PLC0415 - as above
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - as above

    offline: Any = Registry()  # a `$ref` to an address is an error, never a download

    def decide(schema: dict[str, Any], value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        errors = kind(schema, registry=offline).iter_errors(value)
        try:
            first = min(errors, key=lambda error: list(map(str, error.path)), default=None)
        except (Unresolvable, jsonschema.exceptions._WrappedReferencingError) as error:  # noqa: SLF001 - what it raises
            return {"valid": None, "why": f"a reference of the schema leads nowhere: {error}"}
        except RecursionError:
            told = "not decided: the value or the schema is nested too deeply"
            return {"valid": None, "why": told}
        if first is None:
            return {"valid": True, "why": "the schema allows it"}
        return {"valid": False, "why": f"{first.json_path}: {first.message}"[:_SHOWN]}

    return decide


def serve(
    decide: Callable[[dict[str, Any], Any], dict[str, Any]], *, asks: int, answers: int
) -> None:
    """Answer requests until told to end."""
    send(answers, {"ready": True})
    while (ask := receive(asks)) is not None:
        send(answers, decide(ask["schema"], ask["value"]))
