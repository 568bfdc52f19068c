"""RewardBench 2 ratings: every response rated 1 to 10, k times, by one or several judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deemster.aggregators import parse_aggregator, strict_best
from deemster.benchmarks.base import Figures, Judged, TraceReader
from deemster.benchmarks.traces.common import choose, failure, from_scores
from deemster.benchmarks.traces.figures import share
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.errors import FailureStatus
from deemster.schemas import Sample, Scale, Vote

_SCALE = Scale(low=1, high=10)
_CURVE = (1, 3, 8)
"""Numbers of ratings for which the tool reports figures."""
_SCORES, _ERRORS = "_scores", "_errors"


@dataclass(frozen=True)
class RB2Ratings(TraceReader):
    """Rows with id, subset and, per judge J, `J_scores` and maybe `J_errors`.

    `J_scores` is [response][vote] with null for a failed call; response 0 is the chosen one.
    Vote j scores all responses with their j-th ratings, None where one is missing. The published
    rule: right when the chosen response has the strictly highest mean rating.
    """

    name: ClassVar[str] = "rb2-ratings"
    description: ClassVar[str] = "RewardBench 2: k ratings per response, scores only"
    aggregator: ClassVar[str] = "mean"
    dialect: ClassVar[str] = ""

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; texts come from `data`, which may be left out."""
        rows = list(read_rows(traces))
        judges = dict.fromkeys(name for row in rows for name in _judges(row))
        if not judges:
            raise rows[0].error("no field ends in '_scores'; expected for example 'full_scores'")
        name = choose(judges, judge, traces)
        texts = _texts(data)
        # of a file with several judges a row may hold some of them only
        for row in rows:
            if name in _judges(row):
                yield _sample(row, name, texts), tuple(_votes(row, name))

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`; of the first 1, 3, 8 and of all k ratings.

        `accuracy`: in percent of the samples each of whose responses has a rating among these;
        `n`, `n_correct`, `n_tied`: how many those are, are right, and are tied on top (wrong).
        The figures of all k have no name in front.
        """
        most = max((len(votes) for _, votes, _ in rows), default=0)
        found = self._at(rows, most)
        for k in _CURVE:
            if k <= most:
                found |= {f"k{k}/{name}": value for name, value in self._at(rows, k).items()}
        return found

    def _at(self, rows: Judged, k: int) -> Figures:
        reducer = parse_aggregator(self.aggregator)
        given = [(sample.best, reducer(votes[:k])) for sample, votes, _ in rows]
        tops = [(best, strict_best(rewards)) for best, rewards in given if rewards is not None]
        right = sum(best is not None and best == top for best, top in tops)
        return {
            **share("accuracy", right, len(tops)),
            "n": len(tops),
            "n_correct": right,
            "n_tied": sum(top is None for _, top in tops),
        }


def _judges(row: Row) -> list[str]:
    return [key.removesuffix(_SCORES) for key in row.values if key.endswith(_SCORES)]


def _texts(data: Path | None) -> dict[str, Sample]:
    if data is None:
        return {}
    from deemster.benchmarks.reward_bench import RewardBench2  # noqa: PLC0415 - only with data

    return {sample.id: sample for sample in RewardBench2().load(data)}


def _sample(row: Row, judge: str, texts: dict[str, Sample]) -> Sample:
    ratings = row.items(judge + _SCORES)
    key = f"{row.text('subset')}/{row.label('id')}"
    about = {"judge": judge, **row.pick("prompt_variant", "k")}
    if key in texts:
        known = texts[key]
        if len(known.responses) != len(ratings):
            raise row.error(
                f"{len(ratings)} responses are rated; the data has {len(known.responses)}"
            )
        return known.model_copy(update={"metadata": known.metadata | about})
    return row.sample(
        id=key,
        query=(),
        responses=("",) * len(ratings),
        ground_truth=(1.0,) + (0.0,) * (len(ratings) - 1),
        subset=row.text("subset"),
        metadata=about,
    )


def _votes(row: Row, judge: str) -> Iterator[Vote]:
    ratings = _matrix(row, judge + _SCORES)
    errors = _matrix(row, judge + _ERRORS) if row.get(judge + _ERRORS) else None
    n = len(ratings)
    for draw in range(len(ratings[0])):
        scores = [_rating(row, ratings[i][draw]) for i in range(n)]
        if any(score is not None for score in scores):
            # Every response was rated in a call of its own; there is no order.
            vote = from_scores(scores, draw=draw, judge=judge, order=(), scale=_SCALE)
            lost = tuple(
                f"response {i + 1} has no rating: {errors[i][draw] if errors else 'not said why'}"
                for i in range(n)
                if scores[i] is None
            )
            yield vote.model_copy(update={"warnings": lost})
        else:
            reasons = [str(errors[i][draw]) for i in range(n)] if errors else ["no rating"]
            message = "; ".join(dict.fromkeys(reasons))
            yield failure(_status(reasons), message, (), draw, judge)


def _matrix(row: Row, key: str) -> list[list[object]]:
    lists = row.items(key)
    widths = {len(entry) if isinstance(entry, list) else -1 for entry in lists}
    if len(widths) != 1 or min(widths) < 1:
        raise row.error(f"field {key!r} must hold one list per response, all of one length >= 1")
    return lists


def _rating(row: Row, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise row.error(f"rating {value!r} is not a number")
    if not _SCALE.low <= value <= _SCALE.high or value % 1:
        raise row.error(f"rating {value!r} is not a whole number from 1 to 10")
    return float(value)


def _status(reasons: Sequence[str]) -> FailureStatus:
    if any("refusal" in reason or "content_filter" in reason for reason in reasons):
        return "refused"
    return "parse_error" if "no_score_found" in reasons else "api_error"


__all__ = ["RB2Ratings"]
