"""`frame.deemster.score(judge, …)`: importing this module gives data frames the accessor."""

from __future__ import annotations

from typing import Any

import pandas as pd

from deemster.integrations.rows import figure_kinds, score_rows
from deemster.judges.base import BaseJudge


@pd.api.extensions.register_dataframe_accessor("deemster")
class DeemsterAccessor:
    """What stands under `frame.deemster`."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def score(self, judge: BaseJudge, **columns: Any) -> pd.DataFrame:  # noqa: ANN401
        """The figures of `score_rows` about each row, under the frame's own index.

        A reference that is missing (NaN, None, NA) is none.

        Args:
            judge: the judge.
            columns: `query`, `responses` and the others of `score_rows`.

        Raises:
            InputError: see `score_rows`.
        """
        known = self._frame.astype(object).where(self._frame.notna(), None)
        found = score_rows(judge, known.to_dict("records"), **columns)
        names = list(figure_kinds(columns["responses"]))
        return pd.DataFrame(found, index=self._frame.index, columns=names)
