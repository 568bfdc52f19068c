"""Results of evaluation tools that call judges: promptfoo, deepeval, lm-eval."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row


@dataclass(frozen=True)
class PromptfooTraces(ColumnTraces):
    """A promptfoo result file (`--output results.json`, or `.jsonl`).

    Each graded assertion of a result is a judgment; its kind (`llm-rubric`, …) is the judge. An
    assertion of a result that failed, or whose grader failed, is a failed vote, whatever score
    the tool wrote down.
    """

    name: ClassVar[str] = "promptfoo"
    description: ClassVar[str] = "promptfoo results with model-graded assertions"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per assertion."""
        for log in self.source(traces):
            results = log.get("results")
            if results is None and "gradingResult" in log.values:
                yield from _graded(log, log.number)  # a line of `.jsonl`
                continue
            held = replace(log, values=results) if isinstance(results, dict) else log
            for number, result in enumerate(held.records("results")):
                yield from _graded(result, number)


def _graded(result: Row, number: int) -> Iterator[Row]:
    """A row per assertion of one result; of those that were to come, where it failed."""
    about = _promptfoo(result)
    grading = result.get("gradingResult") or {}
    parts = [part for part in grading.get("componentResults") or [] if isinstance(part, dict)]
    if not parts:
        case = result.get("testCase") or {}
        planned = case.get("assert") if isinstance(case, dict) else None
        parts = [{"assertion": one} for one in planned or [] if isinstance(one, dict)]
    for at, part in enumerate(parts):
        assertion = part.get("assertion") or {}
        broken = (part.get("metadata") or {}).get("graderError")
        yield replace(
            result,
            values=about
            | {
                "id": f"{number}/{at}",
                "scores": None if broken else part.get("score"),
                "output": None if broken else part.get("reason"),
                "error": part.get("reason") if broken else result.get("error"),
                "judge": assertion.get("type") or "assertion",
                "subset": assertion.get("metric"),
            },
        )


def _promptfoo(result: Row) -> dict[str, Any]:
    response, prompt, provider = (result.get(key) for key in ("response", "prompt", "provider"))
    answer = response.get("output") if isinstance(response, dict) else None
    if answer is not None and not isinstance(answer, str):
        answer = json.dumps(answer, ensure_ascii=False)
    model = provider.get("id") if isinstance(provider, dict) else provider
    return {
        "query": prompt.get("raw") if isinstance(prompt, dict) else None,
        "responses": [answer or ""],
        "policies": [model] if model else None,
    }


@dataclass(frozen=True)
class DeepevalTraces(ColumnTraces):
    """A deepeval test run: `testCases`, each with `metricsData`; a metric is a judge.

    The result of `evaluate` as JSON is the same with `test_results` and `metrics_data`.
    """

    name: ClassVar[str] = "deepeval"
    description: ClassVar[str] = "deepeval test runs with metrics by judges"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per case and metric."""
        for log in self.source(traces):
            run = log.record("testRunData") if log.get("testRunData") else log
            for number, case in enumerate(run.records("testCases", "test_results")):
                metrics = case.get("metricsData") or case.get("metrics_data") or []
                for metric in (one for one in metrics if isinstance(one, dict)):
                    failed = metric.get("error")
                    yield replace(
                        case,
                        values={
                            "id": f"{number}/{case.get('name', '')}",
                            "query": case.get("input"),
                            "responses": [case.get("actualOutput", case.get("actual_output", ""))],
                            "reference": case.get("expectedOutput", case.get("expected_output")),
                            "scores": None if failed else metric.get("score"),
                            "output": None if failed else metric.get("reason"),
                            "error": failed,
                            "judge": metric.get("name") or "metric",
                        },
                    )


@dataclass(frozen=True)
class LmEvalTraces(ColumnTraces):
    """lm-evaluation-harness's `samples_*.jsonl`.

    The metric is the judge's score: the only one in `metrics`, or `--columns scores=METRIC`. A
    document that several filters read is a sample by each.
    """

    name: ClassVar[str] = "lm-eval"
    description: ClassVar[str] = "lm-evaluation-harness samples with a judge's metric"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per document; the metrics keep their names."""
        for row in self.source(traces):
            answers = row.get("filtered_resps", row.get("resps"))
            arguments = row.get("arguments")
            if isinstance(arguments, dict):
                arguments = list(arguments.values())
            asked = _innermost(arguments)
            target = row.get("target")
            metrics = row.get("metrics")
            only = metrics[0] if isinstance(metrics, list) and len(metrics) == 1 else None
            kept = row.get("filter", "none")
            yield replace(
                row,
                values=row.values
                | {  # type: ignore[operator]  # a mapping that a reader made
                    "id": row.label("doc_id") + (f"/{kept}" if kept != "none" else ""),
                    "query": asked if isinstance(asked, str) else None,
                    "responses": [_innermost(answers) or ""],
                    "reference": target if isinstance(target, str) else None,
                }
                | ({"scores": row.get(only)} if only and "scores" not in self.columns else {}),
            )


def _innermost(value: Any) -> Any:  # noqa: ANN401 - rows are untyped
    while isinstance(value, list | dict):
        inner = list(value.values()) if isinstance(value, dict) else value
        value = inner[0] if inner else None
    return value


__all__ = ["DeepevalTraces", "LmEvalTraces", "PromptfooTraces"]
