"""Judging a data set of Hugging Face: `data.map(scored(judge, …), batched=True)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deemster.integrations.rows import score_rows
from deemster.judges.base import BaseJudge


def scored(
    judge: BaseJudge,
    **columns: Any,  # noqa: ANN401 - those of `score_rows`
) -> Callable[[Mapping[str, list[Any]]], dict[str, list[Any]]]:
    """A function for `map` with `batched=True`; rows of a batch are judged at the same time.

    Give `map` a `new_fingerprint`, or it may not know one judge from another in its cache.

    Args:
        judge: the judge.
        columns: `query`, `responses` and the others of `score_rows`, whose figures become columns.
    """

    def add(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        names = list(batch)
        rows = [
            dict(zip(names, values, strict=True))
            for values in zip(*(batch[name] for name in names), strict=True)
        ]
        found = score_rows(judge, rows, **columns)
        return {name: [one[name] for one in found] for name in found[0]} if found else {}

    return add
