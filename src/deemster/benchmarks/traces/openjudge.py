"""OpenJudge's grader cases, with what the graders said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row

_RESULTS = ("result", "results", "grader_result", "grader_results")


@dataclass(frozen=True)
class OpenJudgeTraces(ColumnTraces):
    """Rows with `grader`, `parameters` and a `result`: the dump of its score, ranking or error.

    A `result` may be a list, of repeats. `rank` is the place of each response, from 1. In truth a
    case is good (1) where it has `min_expect_score`, and bad (0) where it has `max_expect_score`.
    """

    name: ClassVar[str] = "openjudge"
    description: ClassVar[str] = "OpenJudge grader cases with results of the graders"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per case and result."""
        for row in self.source(traces):
            case = row.record("parameters")
            responses = _responses(case)
            given = row.need(*_RESULTS)
            for result in given if isinstance(given, list) else [given]:
                if not isinstance(result, dict):
                    raise row.error(f"a result is {result!r:.60}; expected an object")
                failed = result.get("error")
                yield replace(
                    row,
                    values={
                        "id": str(row.get("index", f"row {row.number}")),
                        "query": _query(case.get("query")),
                        "responses": responses,
                        "reference": case.get("reference_response", case.get("reference")),
                        "scores": None if failed else _scores(row, result, len(responses)),
                        "output": result.get("reason"),
                        "error": failed,
                        "truth": _truth(row),
                        "judge": row.get("grader", result.get("name")),
                    },
                )


def _responses(case: Row) -> list[str]:
    given = case.get("responses")
    if given is None:
        given = [case.need("response", "answer", "tool_calls", "messages")]
    if not isinstance(given, list) or not given:
        raise case.error("'responses' must be a list of 1 or more")
    return [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in given]


def _query(given: Any) -> Any:  # noqa: ANN401 - rows are untyped
    """A text, or messages, which may stand in an envelope each."""
    if not isinstance(given, list):
        return given
    turns = [turn.get("message", turn) for turn in given if isinstance(turn, dict)]
    return [{"role": turn.get("role"), "content": turn.get("content")} for turn in turns]


def _scores(row: Row, result: dict[str, Any], n: int) -> Any:  # noqa: ANN401 - rows are untyped
    rank = result.get("rank")
    if rank is None:
        return result.get("score")
    if not isinstance(rank, list) or sorted(map(str, rank)) != sorted(map(str, range(1, n + 1))):
        raise row.error(f"rank {rank!r:.60} does not give each of {n} responses a place from 1")
    return [n - place for place in rank]


def _truth(row: Row) -> float | None:
    low, high = row.get("min_expect_score"), row.get("max_expect_score")
    return None if (low is None) == (high is None) else float(low is not None)


__all__ = ["OpenJudgeTraces"]
