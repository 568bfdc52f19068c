"""Human labels of a run's samples: one or several raters each, ties among what they may say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deemster.data import Columns, Row, read_rows
from deemster.data.truth import truth_of
from deemster.errors import InputError
from deemster.schemas import Sample

GROUND_TRUTH = "ground truth"
"""The rater's name where the run's own ground truth are the labels."""
_ONE = "rater"
"""The rater's name where a file names none."""
Ratings = Mapping[str, tuple[float, ...]]
"""By rater: one value per response, higher is better; equal ones on top are a tie."""


@dataclass(frozen=True)
class Labels:
    """What raters said.

    Attributes:
        ratings: by sample id; only of samples that the run has.
        unknown: labels of samples that the run does not have.
    """

    ratings: Mapping[str, Ratings]
    unknown: int = 0

    @property
    def raters(self) -> tuple[str, ...]:
        """Everyone who rated something, by name."""
        return tuple(sorted({name for given in self.ratings.values() for name in given}))


def own_labels(samples: Mapping[str, Sample]) -> Labels:
    """The ground truth of samples, as the labels of one rater.

    Raises:
        InputError: no sample has any.
    """
    found = {
        key: {GROUND_TRUTH: sample.ground_truth}
        for key, sample in samples.items()
        if sample.ground_truth is not None
    }
    if not found:
        raise InputError("no sample of the run has ground truth; give --labels FILE")
    return Labels(found)


def read_labels(path: Path, samples: Mapping[str, Sample], *, first: int | None = None) -> Labels:
    """Read a file of labels, any kind that `read_rows` reads.

    A row has `id` and either `label` (and, with several raters, `rater`: one row a rater), or
    `labels`: an object of labels by rater, or a list. A label is what a data file's truth may be:
    `A`, 1, `tie`, a policy's name, a list of one number per response; a number, `true` or `false`
    for a single response.

    Args:
        path: the file.
        samples: those of the run, by id.
        first: number of the first response where labels are numbers, 0 or 1.

    Raises:
        InputError: a row cannot be used, or no label is about a sample of the run.
    """
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    unknown = 0
    for row in read_rows(path):
        key = row.label("id")
        sample = samples.get(key)
        for rater, value in _given(row):
            if sample is None:
                unknown += 1
                continue
            mine = found.setdefault(key, {})
            if rater in mine:
                raise row.error(f"rater {rater!r} rates sample {key!r} twice; keep one row")
            mine[rater] = _read(row, value, sample, first)
    if not found:
        raise InputError(
            f"{str(path)!r}: none of its {unknown} labels is about a sample of the run; ids there "
            f"are for example {next(iter(samples), None)!r}"
        )
    return Labels(found, unknown)


def _given(row: Row) -> Iterator[tuple[str, object]]:
    many = row.get("labels")
    if many is None:
        yield str(row.get("rater", _ONE)), row.need("label", "labels")
        return
    if isinstance(many, str):
        many = row.record("labels").values if many.lstrip()[:1] == "{" else row.items("labels")
    if isinstance(many, Mapping):
        pairs = [(str(name), value) for name, value in many.items()]
    elif isinstance(many, list):
        pairs = [(str(number), value) for number, value in enumerate(many, 1)]
    else:
        raise row.error("'labels' must be an object of labels by rater, or a list of them")
    yield from ((name, value) for name, value in pairs if value is not None)


def _read(row: Row, value: object, sample: Sample, first: int | None) -> tuple[float, ...]:
    n = len(sample.responses)
    one = replace(row, values={"label": value})
    columns = Columns(truth=("label",), first=first)
    given = truth_of(one, {"label": value}, columns, n, sample.policies)
    try:
        numbers = tuple(float(number) for number in given)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != n or not all(abs(number) < float("inf") for number in numbers):
        raise row.error(f"label {value!r:.80} is not one number for each of {n} responses")
    return numbers
