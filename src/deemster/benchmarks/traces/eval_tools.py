"""Results of evaluation tools that call judges: inspect_ai, promptfoo, deepeval, lm-eval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0}
"""inspect_ai's letters; `N`, no answer, is no score."""


@dataclass(frozen=True)
class InspectTraces(ColumnTraces):
    """An inspect_ai log as JSON: `samples`, each with `scores` by scorer, who is the judge.

    Letters are 1 (correct), one half (partly) and 0. A `.eval` log is converted by
    `inspect log convert --to json`.
    """

    name: ClassVar[str] = "inspect"
    description: ClassVar[str] = "inspect_ai logs (JSON) with scores by model graders"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per sample and scorer."""
        for log in self.source(traces):
            model = log.record("eval").get("model") if log.get("eval") else None
            for sample in _records(log, "samples"):
                output = sample.get("output")
                answer = output.get("completion") if isinstance(output, dict) else None
                for scorer, score in _named(sample, "scores").items():
                    value = score.get("value")
                    yield replace(
                        sample,
                        values={
                            "id": f"{sample.label('id')}/{sample.get('epoch', 1)}",
                            "query": sample.get("input"),
                            "responses": [answer or ""],
                            "reference": sample.get("target"),
                            "scores": _grade(value),
                            "output": score.get("explanation"),
                            "error": score.get("reason"),
                            "policies": [model] if model else None,
                            "judge": scorer,
                        },
                    )


@dataclass(frozen=True)
class PromptfooTraces(ColumnTraces):
    """A promptfoo result file (`--output results.json`).

    Each graded assertion of a result is a judgment; its kind (`llm-rubric`, …) is the judge.
    """

    name: ClassVar[str] = "promptfoo"
    description: ClassVar[str] = "promptfoo results with model-graded assertions"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per assertion."""
        for log in self.source(traces):
            results = log.get("results")
            held = replace(log, values=results) if isinstance(results, dict) else log
            for number, result in enumerate(_records(held, "results")):
                grading = result.get("gradingResult")
                parts = (grading or {}).get("componentResults") or []
                for at, part in enumerate(part for part in parts if isinstance(part, dict)):
                    assertion = part.get("assertion") or {}
                    yield replace(
                        result,
                        values=_promptfoo(result)
                        | {
                            "id": f"{number}/{at}",
                            "scores": part.get("score"),
                            "output": part.get("reason"),
                            "judge": assertion.get("type") or "assertion",
                            "subset": assertion.get("metric"),
                        },
                    )


def _promptfoo(result: Row) -> dict[str, Any]:
    response, prompt, provider = (result.get(key) for key in ("response", "prompt", "provider"))
    answer = response.get("output") if isinstance(response, dict) else None
    model = provider.get("id") if isinstance(provider, dict) else provider
    return {
        "query": prompt.get("raw") if isinstance(prompt, dict) else None,
        "responses": [answer if isinstance(answer, str) else ""],
        "policies": [model] if model else None,
        "error": result.get("error"),
    }


@dataclass(frozen=True)
class DeepevalTraces(ColumnTraces):
    """A deepeval test run: `testCases`, each with `metricsData`; a metric is a judge."""

    name: ClassVar[str] = "deepeval"
    description: ClassVar[str] = "deepeval test runs with metrics by judges"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per case and metric."""
        for log in self.source(traces):
            run = log.record("testRunData") if log.get("testRunData") else log
            for number, case in enumerate(_records(run, "testCases")):
                metrics = case.get("metricsData") or []
                for metric in (one for one in metrics if isinstance(one, dict)):
                    yield replace(
                        case,
                        values={
                            "id": f"{number}/{case.get('name', '')}",
                            "query": case.get("input"),
                            "responses": [case.get("actualOutput", "")],
                            "reference": case.get("expectedOutput"),
                            "scores": metric.get("score"),
                            "output": metric.get("reason"),
                            "error": metric.get("error"),
                            "judge": metric.get("name") or "metric",
                        },
                    )


@dataclass(frozen=True)
class LmEvalTraces(ColumnTraces):
    """lm-evaluation-harness's `samples_*.jsonl`; `--columns scores=METRIC` names the metric."""

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
            yield replace(
                row,
                values=row.values
                | {  # type: ignore[operator]  # a mapping that a reader made
                    "id": row.label("doc_id"),
                    "query": asked if isinstance(asked, str) else None,
                    "responses": [_innermost(answers) or ""],
                    "reference": target if isinstance(target, str) else None,
                },
            )


def _grade(value: object) -> object:
    if not isinstance(value, str):
        return value
    return None if value == "N" else _GRADES.get(value, value)


def _innermost(value: Any) -> Any:  # noqa: ANN401 - rows are untyped
    while isinstance(value, list | dict):
        inner = list(value.values()) if isinstance(value, dict) else value
        value = inner[0] if inner else None
    return value


def _records(row: Row, key: str) -> Iterator[Row]:
    for number, value in enumerate(row.items(key), start=1):
        if not isinstance(value, dict):
            raise row.error(f"item {number} of {key!r} is no object")
        yield Row(value, f"{row.where}: item {number} of {key!r}", row.path, number)


def _named(row: Row, key: str) -> dict[str, dict[str, Any]]:
    found = row.get(key) or {}
    return {name: value for name, value in dict(found).items() if isinstance(value, dict)}


__all__ = ["DeepevalTraces", "InspectTraces", "LmEvalTraces", "PromptfooTraces"]
