"""AlpacaEval annotations: a model's output compared with the baseline's, in one random order."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import JsonValue

from deemster.benchmarks.alpaca_eval import BASELINE, AlpacaEval, instruction_id
from deemster.benchmarks.base import Figures, Judged, TraceReader
from deemster.benchmarks.traces.common import (
    FORWARD,
    STORED,
    SWAPPED,
    UNIT,
    failure,
    from_scores,
    from_text,
    of_judge,
)
from deemster.benchmarks.traces.figures import share, within
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.dialects import Dialect, open_dialect
from deemster.schemas import Sample, Vote


@dataclass(frozen=True)
class AlpacaEvalTraces(TraceReader):
    """Rows of `annotations.json`, or rows with instruction_sha1 beside the instructions.

    Response 0 is the baseline, 1 the model; a judge is an `annotator`; subsets are the models.
    There is no ground truth: the published win rate of a model is 100 x the mean of its reward,
    unscored rows left out. Which output was shown first (and named m) follows from AlpacaEval's
    seed, a function of the instruction; without the instruction `referenced_models` says it.
    Equal outputs were never shown to the judge: they are ties without text.
    """

    name: ClassVar[str] = "alpaca-eval"
    description: ClassVar[str] = "AlpacaEval annotations of models against the baseline"
    aggregator: ClassVar[str] = "mean"
    dialect: ClassVar[str] = "alpaca-eval:published"

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; `data` is the file of instructions."""
        rows, name = of_judge(read_rows(traces), _judge_name, judge, traces)
        known = {} if data is None else {one.id: one for one in AlpacaEval().load(data)}
        dialect = open_dialect(self.dialect)
        for row in rows:
            sample = _sample(row, name, known)
            vote = _vote(row, sample, dialect, name)
            about = sample.metadata | {STORED: [_stored(row) if vote.raw else None]}
            yield sample.model_copy(update={"metadata": about}), (vote,)

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`; of each model.

        `win_rate`: in percent, draws half (the mean preference, of log-probabilities a share);
        `n`: scored instructions; `n_null`: those without a preference, left out.
        """
        return within(rows, _figures, lambda sample: sample.subset)


def _judge_name(row: Row) -> str | None:
    return None if row.get("annotator") is None else row.text("annotator")


def _stored(row: Row) -> JsonValue:
    """The tool's own preference, where it is a clear one: shares of probability are rounded."""
    if "preference" not in row.values:
        return None
    preference = row.get("preference")
    if preference is None:
        return "none"
    clear: dict[float, JsonValue] = {-1: "none", 0: "tie", 1: 0, 1.5: "tie", 2: 1}
    return clear.get(preference) if type(preference) in {int, float} else None


def _figures(rows: Judged) -> Figures:
    wins = [verdict.rewards[1] for _, _, verdict in rows if verdict.rewards is not None]
    return {
        **share("win_rate", sum(wins), len(wins)),
        "n": len(wins),
        "n_null": len(rows) - len(wins),
    }


def _sample(row: Row, judge: str, known: Mapping[str, Sample]) -> Sample:
    instruction = row.get("instruction")
    key = instruction_id(instruction) if instruction else row.text("instruction_sha1")
    model = row.text("model", "generator_2")
    baseline = row.get("generator_1", BASELINE)
    given = known.get(key)
    if known and given is None:
        raise row.error(f"no instruction {key!r} in the data")
    texts = (row.get("output_1", given.responses[0].text if given else ""), row.get("output_2", ""))
    return row.sample(
        id=f"{model}/{key}",
        query=instruction or (given.query if given else ()),
        responses=texts,
        policies=(baseline, model),
        subset=model,
        metadata={"judge": judge, "dataset": row.get("dataset") or (given.subset if given else "")},
    )


def _vote(row: Row, sample: Sample, dialect: Dialect, judge: str) -> Vote:
    raw = row.get("raw_completion")
    if raw is None:
        return _without_text(row, judge)
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
    order = _order(row, sample)
    return from_text(dialect, text, order=order, n=2, draw=0, judge=judge)


def _without_text(row: Row, judge: str) -> Vote:
    preference = row.get("preference")
    if preference is None:
        return failure(
            "api_error", "the log has neither a completion nor a preference", (), 0, judge
        )
    if isinstance(preference, bool) or not isinstance(preference, int | float):
        raise row.error(f"preference {preference!r} is not a number")
    # 1 says that the baseline wins, 2 the model, and 0 or 1.5 is a draw.
    share = 0.5 if preference == 0 else float(preference) - 1
    if not 0 <= share <= 1:
        raise row.error(f"preference {preference!r} is neither 0 nor from 1 to 2")
    return from_scores((1 - share, share), draw=0, judge=judge, order=(), scale=UNIT)


def _order(row: Row, sample: Sample) -> tuple[int, ...]:
    """The outputs as shown; `m` came first."""
    if sample.query:
        seed = f"is_switched_outputs{sample.query[0].text}0"
        switched = random.Random(seed).choices((False, True))[0]  # noqa: S311 - their seeded draw
        return SWAPPED if switched else FORWARD
    named = row.get("referenced_models")
    if not isinstance(named, dict) or named.get("m") not in {"output_1", "output_2"}:
        raise row.error("the order shown is unknown; give --data with the file of instructions")
    return FORWARD if named["m"] == "output_1" else SWAPPED


__all__ = ["AlpacaEvalTraces"]
