"""Other wordings of a principle, written by a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from deemster.backends import Backend, Request, generate_all, only_dialect
from deemster.errors import BackendError, InputError, ParseError
from deemster.principles.generator import completion_object
from deemster.prompts import View, builtin_template
from deemster.prompts.untrusted import one_line
from deemster.schemas import Principle, Sampling, Scale, as_query, first_problem

MOST = 10
"""Wordings of one call."""


class _Wordings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    wordings: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]]


async def write_wordings(
    backend: Backend, principles: Sequence[Principle], place: int, *, n: int = 3, seed: int = 0
) -> tuple[str, ...]:
    """Ask a model, once, for other descriptions of one principle of a rubric.

    Args:
        backend: the model.
        principles: the rubric.
        place: of the principle in it.
        n: how many wordings, 1 to 10.
        seed: of the draw.

    Returns:
        1 to n descriptions, different from each other and from the present one.

    Raises:
        InputError: `n` is out of range, or the model reads only a judge's prompt.
        BackendError: the call gave no completion.
        ParseError: the completion has no new wording in the form asked for.
    """
    if not 1 <= n <= MOST:
        raise InputError(f"n must be 1 to {MOST} wordings, got {n!r}")
    if only_dialect(backend) is not None:
        raise InputError(
            f"model {backend.name!r} cannot write wordings: it reads only the prompt of dialect "
            f"{only_dialect(backend)!r}; give another model"
        )
    present = principles[place]
    view = View(
        query=as_query(f"{present.name}: {present.description}"),
        responses=(),
        scale=Scale(low=1, high=10),
        principles=tuple(one for i, one in enumerate(principles) if i != place),
        seed=seed,
    )
    request = Request(
        messages=view.render(builtin_template("reword", ("conversation",)), wanted=n),
        sampling=Sampling(temperature=0.0),
        seeds=(seed,),
        json_schema=_Wordings.model_json_schema(),
    )
    [outcome] = await generate_all(backend, request)
    if isinstance(outcome, BackendError):
        raise outcome
    try:
        given = _Wordings.model_validate(completion_object(outcome)).wordings
    except ValidationError as error:
        raise ParseError(first_problem(error)) from error
    except (ValueError, RecursionError) as error:
        raise ParseError(
            f"no JSON object of wordings in text ending {outcome.text[-60:]!r}: {error}"
        ) from error
    # Judges read it outside the fences.
    new = dict.fromkeys(map(one_line, given))
    found = tuple(text for text in new if text and text != present.description)[:n]
    if not found:
        raise ParseError(f"the model wrote no other wording of {present.name!r}")
    return found
