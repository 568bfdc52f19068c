"""General instruction data, mixed in to keep a judge from forgetting how to write.

The paper (section 3) mixes 1,070K of it with 186K trajectories, and loses five points without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from deemster.data.columns import GivenColumns
from deemster.data.row import Row
from deemster.data.samples import sample_of
from deemster.errors import InputError
from deemster.schemas import Conversation, Record
from deemster.training.data.source import DataSource, source_rows


class Instruction(Record):
    """A conversation to imitate; its last turn is the assistant's."""

    id: str
    messages: Conversation


def load_instructions(
    source: DataSource,
    *,
    base: Path | None = None,
    seed: int = 0,
    problems: list[str] | None = None,
) -> list[Instruction]:
    """Conversations from rows with `messages`, or with a query and one response.

    Args:
        source: a `path` or a `dataset`.
        base: what relative paths start from; None is the working directory.
        seed: decides which are drawn where the source has a limit.
        problems: takes one line for each bad row left out (`bad_rows: skip`).

    Raises:
        InputError: it is another kind of source, cannot be read or is empty, or a row is bad: the
            text names the file and the row.
    """
    if source.benchmark or source.run or source.match:
        raise InputError(f"instructions come from path or dataset, got {source.label!r}")
    problems = [] if problems is None else problems
    columns = source.given_columns
    found: list[Instruction] = []
    first: InputError | None = None
    for place, row in enumerate(source_rows(source, base or Path()), start=1):
        try:
            if isinstance(row, InputError):
                raise row
            found.append(_instruction(row, place, columns))
        except InputError as error:
            if source.bad_rows == "error":
                raise
            first = first or error
            problems.append(str(error))
    if not found:
        raise InputError(f"no instructions in {source.label!r}; the first problem: {first}")
    if source.limit is None or source.limit >= len(found):
        return found
    return _draw(found, source.limit, seed)


Item = TypeVar("Item")


def draw_instructions(
    instructions: Sequence[Item], *, share: float, others: int, seed: int
) -> list[Item]:
    """Draw as many instructions as make up a share of all training examples.

    Args:
        instructions: to draw from, none twice.
        share: of the mixture, 0 <= share < 1.
        others: how many trajectories they are mixed with.
        seed: decides which are drawn.

    Raises:
        InputError: the share is not in range, or there are too few.
    """
    if not 0 <= share < 1:
        raise InputError(f"share of instructions must be >= 0 and < 1, got {share!r}")
    wanted = round(others * share / (1 - share))
    if wanted > len(instructions):
        raise InputError(
            f"a share of {share:g} beside {others} trajectories needs {wanted} instructions, but "
            f"there are {len(instructions)}; give more, or lower the share"
        )
    return _draw(instructions, wanted, seed)


def _draw(instructions: Sequence[Item], count: int, seed: int) -> list[Item]:
    rng = np.random.default_rng([seed, len(instructions)])
    drawn = rng.choice(len(instructions), count, replace=False)
    return [instructions[i] for i in sorted(drawn)]


def _instruction(row: Row, place: int, columns: GivenColumns | None) -> Instruction:
    sample = sample_of(row, columns)
    if len(sample.responses) != 1:
        raise row.error(
            f"{len(sample.responses)} responses; an instruction has one: give messages, or prompt "
            "and completion"
        )
    [answer] = sample.responses
    if answer.is_blank:
        raise row.error("the assistant's last turn is empty; leave the row out or give its text")
    if answer.tool_calls or answer.images:
        what = "calls tools" if answer.tool_calls else "has images"
        raise row.error(
            f"the assistant's last turn {what}, and its text alone is learnt; leave the row out"
        )
    return Instruction(id=sample.id or str(place), messages=(*sample.query, answer))
