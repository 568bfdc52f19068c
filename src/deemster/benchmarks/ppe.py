"""PPE: preference proxy evaluations, human preference and correctness (arXiv 2410.14872)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deemster.benchmarks.base import FIRST, SECOND, TIE, Hub, RowBenchmark
from deemster.data.row import Row
from deemster.errors import InputError
from deemster.schemas import Sample

_WINNERS = {"model_a": FIRST, "model_b": SECOND, "tie": TIE, "tie (bothbad)": TIE}
_TAGS = ("is_code", "is_refusal", "hard_prompt", "easy_prompt", "if_prompt", "math_prompt")


class PPEPreference(RowBenchmark):
    """One pair of arena battles per row; a human tie has equal ground truth."""

    name: ClassVar[str] = "ppe-preference"
    description: ClassVar[str] = "16,038 human preference pairs from Chatbot Arena"
    home: ClassVar[str] = "https://huggingface.co/datasets/lmarena-ai/PPE-Human-Preference-V1"
    hub: ClassVar[Hub | None] = Hub("lmarena-ai/PPE-Human-Preference-V1", ("test",))

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        yield row.sample(
            id=row.label("question_id"),
            query=row.need("prompt"),
            responses=(row.need("response_1"), row.need("response_2")),
            ground_truth=row.choice("winner", _WINNERS),
            policies=(row.text("model_a"), row.text("model_b")),
            subset=row.get("language", ""),
            metadata=row.pick("winner", *_TAGS),
        )


_CORRECTNESS = {
    "mmlu-pro": "lmarena-ai/PPE-MMLU-Pro-Best-of-K",
    "math": "lmarena-ai/PPE-MATH-Best-of-K",
    "gpqa": "lmarena-ai/PPE-GPQA-Best-of-K",
    "mbpp-plus": "lmarena-ai/PPE-MBPP-Plus-Best-of-K",
    "ifeval": "lmarena-ai/PPE-IFEval-Best-of-K",
}
_RESPONSE = re.compile(r"response_([0-9]{1,4})")


@dataclass(frozen=True)
class _Correctness:
    """The five best-of-k sets as one: `split` picks one of them by its short name."""

    def rows(self, split: str | None = None, *, name: str | None = None) -> Iterator[Row]:
        if name is not None:
            return Hub(name, ("train",)).rows(split)
        if split is not None and split not in _CORRECTNESS:
            raise InputError(f"no split {split!r}; allowed: {', '.join(_CORRECTNESS)}")
        names = [_CORRECTNESS[split]] if split else list(_CORRECTNESS.values())
        return (row for one in names for row in Hub(one, ("train",)).rows())


class PPECorrectness(RowBenchmark):
    """One prompt per row, with k responses (32 in the official files) and their correctness.

    Subsets are named mmlu-pro, math, gpqa, mbpp-plus and ifeval, after the name of the file,
    its folder or the data set; `split` picks one of them.
    """

    name: ClassVar[str] = "ppe-correctness"
    description: ClassVar[str] = "best-of-32 with verified correctness: MMLU-Pro, MATH, GPQA, ..."
    home: ClassVar[str] = "https://huggingface.co/datasets/lmarena-ai/PPE-MATH-Best-of-K and others"

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        uid, responses, scores = _best_of_k(row)
        yield _correctness(row, uid, responses, tuple(scores))

    def from_path(self, path: Path, split: str | None) -> Iterator[Sample]:
        """See `RowBenchmark.from_path`."""
        if split is None:
            return iter(super().from_path(path, None))
        if split not in _CORRECTNESS:
            raise InputError(f"no split {split!r}; allowed: {', '.join(_CORRECTNESS)}")
        return (sample for sample in super().from_path(path, None) if sample.subset == split)

    def _hub_rows(self, name: str | None, split: str | None) -> Iterator[Row]:
        return _Correctness().rows(split, name=name)


class PPECorrectnessPairs(PPECorrectness):
    """The official pairs of a right and a wrong response (`sampled_conflict_pairs`)."""

    name: ClassVar[str] = "ppe-correctness-pairs"
    description: ClassVar[str] = "PPE correctness as the official right/wrong pairs"

    def samples(self, row: Row) -> Iterator[Sample]:
        """See `RowBenchmark.samples`."""
        uid, responses, scores = _best_of_k(row)
        for number, pair in enumerate(row.items("sampled_conflict_pairs")):
            # A pair is two indices from 0 into the responses.
            if not (
                isinstance(pair, list)
                and len(pair) == 2
                and all(type(i) is int and 0 <= i < len(responses) for i in pair)
            ):
                raise row.error(f"conflict pair {pair!r} is not two indices below {len(responses)}")
            i, j = pair
            yield _correctness(
                row, f"{uid}/{number}", [responses[i], responses[j]], (scores[i], scores[j])
            )


def _best_of_k(row: Row) -> tuple[str, list[str], list[float]]:
    numbers = sorted(int(m[1]) for key in row.values if (m := _RESPONSE.fullmatch(str(key))))
    if not numbers:
        raise row.error("no field 'response_1'; expected response_1 to response_k")
    responses = [row.text(f"response_{number}") for number in numbers]
    scores = row.items("scores")
    usable = all(isinstance(score, bool | int | float) for score in scores)
    if len(scores) != len(responses) or not usable:
        raise row.error(f"'scores' must be {len(responses)} numbers, one per response")
    model = row.get("model_name", "")
    # one question was answered by several models: one row each
    uid = "/".join(filter(None, (_set_name(row), row.label("question_id"), model)))
    return uid, responses, [float(score) for score in scores]


def _correctness(row: Row, uid: str, responses: list[str], scores: tuple[float, ...]) -> Sample:
    model = row.get("model_name")
    return row.sample(
        id=uid,
        query=row.text("prompt"),
        responses=tuple(responses),
        ground_truth=scores,
        policies=None if model is None else (model,) * len(responses),
        subset=_set_name(row),
        metadata=row.pick("question_id"),
    )


def _set_name(row: Row) -> str:
    """Which of the five sets a row is from, by its field or by the path of its file."""
    place = f"{row.get('benchmark', '')}/{row.path.as_posix()}".lower().replace("_", "-")
    return next((short for short in _CORRECTNESS if short in place), "")


__all__ = ["PPECorrectness", "PPECorrectnessPairs", "PPEPreference"]
