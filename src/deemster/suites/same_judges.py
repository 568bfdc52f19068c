"""Whether the judges of a run are those that it was begun with, and in what they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from deemster.errors import InputError
from deemster.schemas import JudgeInfo


def check_same_judges(known: Sequence[JudgeInfo], given: Sequence[JudgeInfo], run: Path) -> None:
    """Refuse to go on with other judges.

    Args:
        known: those that the run was begun with.
        given: those that are to go on.
        run: its folder.

    Raises:
        InputError: they differ; the text says in what.
    """
    for old, new in zip(known, given, strict=False):
        if old.fingerprint != new.fingerprint:
            changed = [
                f"{name} was {was!r}, now {now!r}"
                for name, was, now in _changed(
                    old.model_dump(mode="json"), new.model_dump(mode="json")
                )
            ]
            raise InputError(
                f"the run in {str(run)!r} was begun with another judge: {'; '.join(changed)}; "
                "give another --out"
            )
    if len(known) != len(given):
        theirs, ours = (", ".join(one.name for one in side) for side in (known, given))
        raise InputError(
            f"the run in {str(run)!r} was begun with other judges: {theirs}, now {ours}; give "
            "another --out"
        )


def _changed(old: object, new: object, name: str = "") -> Iterator[tuple[str, object, object]]:
    """The innermost values that differ, with their places: `sampling.temperature`."""
    inside = f"{name}." if name else ""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old | new:
            yield from _changed(old.get(key), new.get(key), f"{inside}{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from _changed(*pair, f"{inside}{number}")
    elif old != new:
        yield name, old, new
