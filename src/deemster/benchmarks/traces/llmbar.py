"""LLMBar evaluator results: both orders, or two ratings, by evaluator and prompting strategy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import JsonValue

from deemster.benchmarks.base import Figures, Judged, TraceReader
from deemster.benchmarks.llmbar import LABELS, LLMBar
from deemster.benchmarks.traces.common import (
    FORWARD,
    NO_COMPLETION,
    STORED,
    STORED_TOGETHER,
    SWAPPED,
    failure,
    from_text,
    of_judge,
)
from deemster.benchmarks.traces.figures import Preference, preference, share, within
from deemster.benchmarks.traces.verdicts import winner
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.dialects import Dialect, open_dialect
from deemster.errors import FailureStatus, InputError
from deemster.schemas import Sample, Verdict, Vote

_GAMES = (("swap = False", FORWARD), ("swap = True", SWAPPED))
_WINNERS = "stored_winners"
"""Metadata: the winners that the tool read in both orders."""
_RATINGS = (("score_1", (0,)), ("score_2", (1,)))


@dataclass(frozen=True)
class LLMBarTraces(TraceReader):
    """Rows with `results`, whose last item holds the final game in both orders.

    A judge is `evaluator/strategy`, read from fields of these names or from the path of the
    official layout (`SET/evaluators/EVALUATOR/STRATEGY/result.json`). The strategies that rate
    each output alone give two votes about one response each. The published accuracy is the share
    of right games, both orders counted alike and a text without a verdict as wrong (two equal
    ratings count one half). The rule that reads a row is in its metadata as `dialect`.
    """

    name: ClassVar[str] = "llmbar"
    description: ClassVar[str] = "LLMBar evaluator outputs in both orders"
    aggregator: ClassVar[str] = "mean"
    dialect: ClassVar[str] = "llmbar:label"

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; texts come from `data` where the log does not repeat them."""
        rows, name = of_judge(read_rows(traces), _judge_name, judge, traces)
        samples = {} if data is None else {one.id: one for one in LLMBar().load(data)}
        strategy = name.rpartition("/")[2]
        for row in rows:
            spec = _spec(strategy, len(row.items("results")))
            sample = _sample(row, name, spec, samples)
            sample = sample.model_copy(update={"metadata": sample.metadata | _stored(row)})
            yield sample, _votes(row, open_dialect(spec), name)

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`; of each set and strategy, named `SET/STRATEGY/FIGURE`.

        `correct_average`: right games in percent, both orders counted alike. Counts: `n` pairs;
        `correct_False` and `correct_True`, right games in the given and in the swapped order;
        `correct_both`, pairs right in both; `equal`, pairs of which both orders say the same.
        Two ratings are one verdict for both orders; of equal ratings the tool prefers the second
        response in the first game, the first in the other. Its kappas are not repeated: they
        come from a wrong mapping of labels.

        Where the log holds the winners that the tool read, these are counted, not ours: for one
        evaluator upstream took the rule of labels where its strategies ask for a phrase, and a
        rating that a provider's filter kept back still gave a winner.
        """
        return within(rows, _figures, _set_and_strategy)


def _set_and_strategy(sample: Sample) -> str:
    return f"{sample.subset}/{str(sample.metadata['judge']).rpartition('/')[2]}"


def _figures(rows: Judged) -> Figures:
    played = [(sample.best, _games(sample, votes, verdict)) for sample, votes, verdict in rows]
    first = sum(said[0] == best for best, said in played)
    second = sum(said[1] == best for best, said in played)
    return {
        **share("correct_average", first + second, 2 * len(rows)),
        "n": len(rows),
        "correct_False": first,
        "correct_True": second,
        "correct_both": sum(said == (best, best) for best, said in played),
        "equal": sum(said[0] == said[1] for _, said in played),
    }


def _stored(row: Row) -> dict[str, JsonValue]:
    """The winners that the log holds: by game, and by vote where each vote is a game."""
    steps = row.items("results")
    last = steps[-1] if steps and isinstance(steps[-1], dict) else {}
    games = [game for key, _ in _GAMES if isinstance(game := last.get(key), dict)]
    if len(games) < len(_GAMES) or not all("winner" in game for game in games):
        return {}
    try:
        said: list[JsonValue] = [winner(game["winner"], (("1",), ("2",))) for game in games]
    except InputError as error:
        raise row.error(str(error)) from None
    if _RATINGS[0][0] not in last:
        return {_WINNERS: said, STORED: said}
    # Equal ratings go to the second response in the first game and to the first in the other.
    both: JsonValue = said[0] if said[0] == said[1] else "tie" if said == [1, 0] else "none"
    return {_WINNERS: said, STORED_TOGETHER: both}


def _games(
    sample: Sample, votes: tuple[Vote, ...], verdict: Verdict
) -> tuple[Preference, Preference]:
    """What was preferred in the given order and in the swapped one, by the tool if it says."""
    stored = sample.metadata.get(_WINNERS)
    if isinstance(stored, list):
        first, second = (None if said == "none" else said for said in stored)
        return first, second  # type: ignore[return-value]  # as `_stored` writes them
    if all(len(vote.order) == 2 for vote in votes):
        return preference(votes[0]), preference(votes[1])
    if verdict.rewards is None:
        return None, None
    return (1, 0) if verdict.best is None else (verdict.best, verdict.best)


def _spec(strategy: str, steps: int) -> str:
    """The rule by which LLMBar reads the last step of a strategy.

    With reasoning the verdict is the phrase `Output (a) is better`, else a label. `Swap` reasons
    in its first step; a second one, taken when the orders disagree, answers with a label.
    """
    if strategy.startswith("Rating"):
        return "llmbar-rating"
    reasons = strategy in {"CoT", "Swap_CoT"} or (strategy == "Swap" and steps == 1)
    return "llmbar:phrase" if reasons else "llmbar:label"


def _place(row: Row) -> tuple[str, str, str]:
    """Set, evaluator and strategy, from the path of the official layout."""
    parts = row.path.absolute().parts  # the log may be named from inside the layout
    if "evaluators" not in parts[:-2]:
        return "", "", ""
    at = parts.index("evaluators")
    return "/".join(parts[max(at - 3, 0) : at]), parts[at + 1], parts[at + 2]


def _judge_name(row: Row) -> str:
    _, evaluator, strategy = _place(row)
    if evaluator and row.get("evaluator") is None:
        return f"{evaluator}/{strategy}"
    return f"{row.text('evaluator')}/{row.text('strategy')}"


def _sample(row: Row, judge: str, spec: str, samples: dict[str, Sample]) -> Sample:
    about = {"judge": judge, "dialect": spec}
    if "output_1" in row.values:  # the official results repeat the data
        folder = Row(row.values, row.where, _set_folder(row.path), row.number)
        (known,) = LLMBar().samples(folder)
        return known.model_copy(update={"metadata": known.metadata | about})
    subset = row.text("set")
    key = f"{subset}/{row.label('idx')}"
    truth = row.choice("label", LABELS)
    if key in samples:
        known = samples[key]
        if known.ground_truth != truth:
            raise row.error(f"label {row.get('label')} of {key!r} is not that of the data")
        return known.model_copy(update={"metadata": known.metadata | about})
    if samples:
        raise row.error(f"no row {key!r} in the data")
    return row.sample(
        id=key,
        query=(),
        responses=("", ""),
        ground_truth=truth,
        subset=subset,
        metadata=about,
    )


def _set_folder(path: Path) -> Path:
    parts = path.absolute().parts
    if "evaluators" not in parts:
        return path
    return Path(*parts[: parts.index("evaluators")], "dataset.json")


def _votes(row: Row, dialect: Dialect, judge: str) -> tuple[Vote, ...]:
    steps = row.items("results")
    if not steps:
        raise row.error("'results' is empty; expected at least one step")
    last = Row({"results": steps[-1]}, row.where).record("results")
    texts: list[tuple[list[object], tuple[int, ...]]]
    if _RATINGS[0][0] in last.values:
        texts = [(last.items(key), order) for key, order in _RATINGS]
    else:
        texts = [(last.record(key).items("completion"), order) for key, order in _GAMES]
    return tuple(
        _vote(row, entry, dialect, order=order, draw=draw, judge=judge)
        for draw, (entry, order) in enumerate(texts)
    )


def _vote(
    row: Row,
    entry: list[object],
    dialect: Dialect,
    *,
    order: tuple[int, ...],
    draw: int,
    judge: str,
) -> Vote:
    """A vote from [text, why it ended]."""
    if len(entry) != 2 or not all(isinstance(part, str) for part in entry):
        raise row.error(f"a completion must be [text, reason of its end], got {entry!r:.80}")
    text, reason = str(entry[0]), str(entry[1])
    if not text.strip() and reason not in {"stop", "length"}:
        status: FailureStatus = "refused" if "policy" in reason else "api_error"
        return failure(status, reason or NO_COMPLETION, order, draw, judge)
    finish: Literal["stop", "length"] = "length" if reason == "length" else "stop"
    return from_text(dialect, text, order=order, n=2, draw=draw, judge=judge, finish=finish)


__all__ = ["LLMBarTraces"]
