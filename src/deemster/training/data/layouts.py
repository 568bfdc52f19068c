"""Rows of data as samples that can be trained on."""

from __future__ import annotations

from deemster.data.columns import GivenColumns
from deemster.data.row import Row
from deemster.data.samples import sample_of
from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.outcome import check_truth


def preference_of(row: Row, columns: GivenColumns | None = None) -> Sample:
    """A labelled sample from a row in any shape that `sample_of` knows.

    Raises:
        InputError: it has none of the layouts, or see `check_preference`.
    """
    sample = sample_of(row, columns)
    check_preference(sample, row.where)
    return sample


def check_preference(sample: Sample, where: str) -> None:
    """Raise `InputError` unless a sample has texts to judge and a usable label.

    The label has one strict maximum, or is 0 or 1 for a single response (paper Eq. 10). No other
    response has the text of the best.
    """
    if not sample.query:
        raise InputError(f"{where}: query is empty; give the text that was answered")
    for i, response in enumerate(sample.responses):
        if response.is_blank:
            raise InputError(f"{where}: response {i} is empty; leave it out or give its text")
    truth = sample.ground_truth
    if truth is None:
        others = ", ".join(sample.metadata)
        named = f", or say in columns which holds it (truth: …) of {others}" if others else ""
        raise InputError(f"{where}: no ground_truth; label the row{named}; or leave it out")
    try:
        check_truth(truth)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    texts = [one.text for one in sample.responses]
    best = truth.index(max(truth))
    same = [i for i, text in enumerate(texts) if text == texts[best] and i != best]
    if same and not any(one.tool_calls or one.images for one in sample.responses):
        raise InputError(
            f"{where}: responses {best} and {same[0]} are the same text, and only one of them is "
            "best; leave the row out"
        )
