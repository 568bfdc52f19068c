"""AlpacaEval 2: 805 instructions and models' outputs, the baseline's first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from deemster.benchmarks.base import FIRST, SECOND, TIE, Hub, RowBenchmark
from deemster.data.files import data_files, read_rows
from deemster.data.row import Row
from deemster.errors import InputError
from deemster.schemas import Sample

BASELINE = "gpt4_1106_preview"
"""The model that all others are compared with."""
_BASELINE_OUTPUT = "baseline_output_gpt4_1106_preview"
_PREFERENCES = {1: FIRST, 2: SECOND, 0: TIE, 1.5: TIE}


class AlpacaEval(RowBenchmark):
    """Instructions with the outputs of one or several models.

    - a directory with several `model_outputs.json` (the official `results/`): one sample per
      instruction with every model's output, the baseline's first if it is there;
    - a file of outputs (fields instruction, output, generator): one response per sample;
    - rows with output_1, output_2 and preference (the human annotations): pairs with ground
      truth.

    Outputs alone have no ground truth.
    """

    name: ClassVar[str] = "alpaca-eval"
    description: ClassVar[str] = "805 instructions with the outputs of models"
    home: ClassVar[str] = "https://github.com/tatsu-lab/alpaca_eval (results/)"
    # The data set's own loader is a script, which is never run; its files are plain JSON.
    hub: ClassVar[Hub | None] = Hub(
        "tatsu-lab/alpaca_eval", ("eval",), file="alpaca_eval_gpt4_baseline.json"
    )

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        instruction = row.text("instruction")
        if "output_1" in row.values:
            yield row.sample(
                id=f"{instruction_id(instruction)}/{row.number}",
                query=instruction,
                responses=(row.text("output_1"), row.text("output_2")),
                ground_truth=row.choice("preference", _PREFERENCES),
                subset=row.get("dataset", ""),
                metadata=row.pick("annotator_index", "datasplit"),
            )
            return
        yield row.sample(
            id=row.get("instruction_sha1") or instruction_id(instruction),
            query=instruction,
            responses=(row.text("output", _BASELINE_OUTPUT),),
            policies=(row.get("generator", BASELINE),),
            subset=row.get("dataset", ""),
        )

    def from_path(self, path: Path, split: str | None) -> Iterable[Sample]:
        """See `RowBenchmark.from_path`."""
        if path.is_dir():
            outputs = [p for p in data_files(path) if p.name.startswith("model_outputs.json")]
            if len(outputs) > 1:
                return _join(outputs)
        return super().from_path(path, split)


def instruction_id(instruction: str) -> str:
    """The first 12 hex digits of the instruction's SHA-1, which traces refer to it by."""
    return hashlib.sha1(instruction.encode(), usedforsecurity=False).hexdigest()[:12]


def _join(files: list[Path]) -> Iterator[Sample]:
    """One sample per instruction, in the order of the first file."""
    # The baseline comes first, as in the official comparison, then the others by folder name.
    files = sorted(files, key=lambda path: (path.parent.name != BASELINE, path.parent.name))
    first, *others = [_outputs(path) for path in files]
    policies = tuple(path.parent.name for path in files)
    for instruction, row in first.items():
        rows = [row]
        for path, outputs in zip(files[1:], others, strict=True):
            if instruction not in outputs:
                raise InputError(f"{path}: no output for the instruction of {row.where}")
            rows.append(outputs[instruction])
        yield row.sample(
            id=instruction_id(instruction),
            query=instruction,
            responses=tuple(one.text("output") for one in rows),
            policies=policies,
            subset=row.get("dataset", ""),
        )


def _outputs(path: Path) -> dict[str, Row]:
    return {row.text("instruction"): row for row in read_rows(path)}


__all__ = ["BASELINE", "AlpacaEval", "instruction_id"]
