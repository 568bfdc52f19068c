"""GSM8K model solutions: four answers per problem, checked by their number (arXiv 2110.14168)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deemster.benchmarks.base import RowBenchmark
from deemster.data.row import Row
from deemster.schemas import Sample


class GSM8KSolutions(RowBenchmark):
    """One problem per row with the solutions of four models; several may be right, or none."""

    name: ClassVar[str] = "gsm8k-solutions"
    description: ClassVar[str] = "1,319 problems x 4 model solutions, right or wrong"
    home: ClassVar[str] = (
        "https://github.com/openai/grade-school-math "
        "(grade_school_math/data/example_model_solutions.jsonl)"
    )

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        policies = [
            str(key)
            for key, value in row.values.items()
            if isinstance(value, dict) and "solution" in value
        ]
        if not policies:
            raise row.error("no model solutions; expected fields such as '6b_finetuning'")
        solutions = [row.record(policy) for policy in policies]
        truth = [solution.choice("is_correct", {True: 1.0, False: 0.0}) for solution in solutions]
        yield row.sample(
            id=str(row.number),
            query=row.text("question"),
            responses=tuple(solution.text("solution") for solution in solutions),
            ground_truth=tuple(truth),
            policies=tuple(policies),
            reference=row.text("ground_truth"),
        )


__all__ = ["GSM8KSolutions"]
