"""Judging a data set of Hugging Face: `data.map(scored(judge, …), batched=True)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deemster.errors import InputError
from deemster.integrations.rows import figure_kinds, score_rows
from deemster.judges.base import BaseJudge


def scored(judge: BaseJudge, **columns: Any) -> Scored:  # noqa: ANN401 - those of `score_rows`
    """A function for `map` with `batched=True`; rows of a batch are judged at the same time.

    Give `map` a `new_fingerprint`, or it may not know one judge from another in its cache, and
    `features=function.features(data.features)`: it takes the types of columns from the first rows
    that it writes, where all verdicts, or none, may be missing.

    Args:
        judge: the judge.
        columns: `query`, `responses` and the others of `score_rows`, whose figures become columns.
    """
    return Scored(judge, columns)


class Scored:
    """What `scored` gives."""

    def __init__(self, judge: BaseJudge, columns: Mapping[str, Any]) -> None:
        self.judge, self.columns = judge, dict(columns)

    def __call__(self, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """The figures about the rows of a batch, by column.

        Raises:
            InputError: it is one row; see `score_rows` too.
        """
        names = list(batch)
        if any(isinstance(batch[name], str) for name in names):
            raise InputError("the judge is given rows one by one; give map batched=True")
        rows = [
            dict(zip(names, values, strict=True))
            for values in zip(*(batch[name] for name in names), strict=True)
        ]
        found = score_rows(self.judge, rows, **self.columns)
        return {name: [one[name] for one in found] for name in found[0]} if found else {}

    def features(self, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of datasets
        """The features of a data set, and those of the figures."""
        from datasets import Features, Value  # noqa: PLC0415 - takes seconds

        kinds = {float: "float64", str: "string"}
        made = figure_kinds(self.columns["responses"])
        return Features({**known, **{name: Value(kinds[kind]) for name, kind in made.items()}})
