"""Ranking more responses than a judge can compare at once, in a bounded number of calls."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from deemster.errors import InputError
from deemster.judges.case import Case
from deemster.judges.matches import Match, Table
from deemster.judges.scorer import Scorer, most_responses
from deemster.judges.settings import whole_number
from deemster.principles import PrinciplesLike
from deemster.schemas import (
    Count,
    Finite,
    QueryLike,
    Record,
    ReferenceLike,
    ResponseLike,
    Usage,
    Verdict,
)

GROUP = 8
"""Responses compared in one call, unless the judge takes fewer."""
Method = Literal["knockout", "swiss"]


class Ranking(Record):
    """Responses ranked by matches."""

    best: Count | None
    """The winner; None if failures left it open."""
    ranking: tuple[Count, ...] | None
    """All responses, best first; None if no match has rewards. Below the first few places a
    knockout tells little: there, those that lost in the same round are ranked by their records."""
    points: tuple[Finite | None, ...]
    """Per response: the mean share of its rivals that it beat in a match, 0..1 (ties half); None
    if it was in no match with rewards."""
    matches: tuple[Match, ...]
    calls: Count
    """Times `score` was called."""
    usage: Usage

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that decided: of the winner's last match with rewards."""
        for match in reversed(self.matches):
            if match.scored and self.best in match.responses:
                return match.verdict
        return None


def knockout_calls(n: int, group: int = GROUP) -> int:
    """Matches of a knockout of `n` responses: less than (n - 1) / (group - 1) + log(n) + 1.

    A tournament calls `score` at most twice as often: unscored matches are scored once again.
    """
    total = 0
    while n > 1:
        n = math.ceil(n / group)
        total += n
    return max(total, 1)


def swiss_rounds(n: int, group: int = GROUP) -> int:
    """Default number of rounds of a Swiss tournament: those of a knockout, and one more."""
    return 1 if n <= group else math.ceil(math.log(n, group) - 1e-9) + 1


def swiss_calls(n: int, group: int = GROUP, rounds: int | None = None) -> int:
    """Matches of a Swiss tournament at most; `score` is called at most twice as often."""
    return (rounds or swiss_rounds(n, group)) * math.ceil(n / group)


async def rerank(
    judge: Scorer,
    query: QueryLike,
    responses: Iterable[ResponseLike],
    *,
    method: Method = "knockout",
    group: int | None = None,
    rounds: int | None = None,
    seed: int = 0,
    in_flight: int = 16,
    reference: ReferenceLike | None = None,
    principles: PrinciplesLike | None = None,
) -> Ranking:
    """Rank any number of responses with a judge that compares a few at a time.

    `knockout` finds the winner in the fewest calls (`knockout_calls`). `swiss` matches responses
    with equally good ones for a fixed number of rounds (`swiss_calls`) and ranks all of them, by
    points, then the points of their rivals, then how clear their matches were.

    A match without rewards is scored once again, in reversed order. If that fails too, a Swiss
    match counts for nobody; in a knockout the response with the best earlier record goes on, or,
    where records are equal, all of those: never one picked at random. If failures leave the
    tournament open when the bound on calls is reached, `best` is None. Responses tied on top of a
    match with rewards are ranked by their records, then by the seed.

    Args:
        judge: anything with `score`.
        query: see `BaseJudge.score`.
        responses: 1 or more, none blank.
        method: see above.
        group: responses per call, 2 or more; default 8, or fewer if the judge's dialect takes
            fewer. As many responses as that, or fewer, are one match.
        rounds: of a Swiss tournament; default `swiss_rounds`.
        seed: draws who meets whom, and in which order they are shown.
        in_flight: matches at a time.
        reference: see `BaseJudge.score`.
        principles: see `BaseJudge.score`.

    Raises:
        InputError: an argument is wrong, or the judge cannot judge the input.
    """
    case = Case.of(query, responses, reference=reference, principles=principles)
    if method not in ("knockout", "swiss"):
        raise InputError(f"method {method!r}; allowed: knockout, swiss")
    if group is None:
        group = max(2, min(most_responses(judge) or GROUP, GROUP))
    size = whole_number("group", group, 2, 1000)
    turns = None if rounds is None else whole_number("rounds", rounds, 1, 1000)
    whole_number("in_flight", in_flight, 1, 10_000)
    n = case.n
    matches = knockout_calls(n, size) if method == "knockout" else swiss_calls(n, size, turns)
    table = Table(judge, case, calls_left=2 * matches, in_flight=in_flight)
    if n == 1:
        await table.play([(0,)], 1)
        return _result(table, 0, [0])
    if method == "knockout":
        best, order = await _knockout(table, size, seed)
    else:
        best, order = await _swiss(table, size, turns or swiss_rounds(n, size), seed)
    return _result(table, best, order)


def _result(table: Table, best: int | None, order: Sequence[int]) -> Ranking:
    """What came out."""
    points = tuple(r.points / r.matches if r.matches else None for r in table.records)
    some = any(match.scored for match in table.matches)
    return Ranking(
        best=best,
        ranking=tuple(order) if some else None,
        points=points,
        matches=tuple(table.matches),
        calls=table.calls,
        usage=table.usage,
    )


async def _knockout(table: Table, group: int, seed: int) -> tuple[int | None, list[int]]:
    alive = list(range(table.case.n))
    out: list[list[int]] = []
    round_number = 0
    while len(alive) > 1:
        round_number += 1
        rng = np.random.default_rng([seed, round_number])
        drawn = [alive[i] for i in rng.permutation(len(alive))]
        groups = _parts(drawn, group)
        playing = [part for part in groups if len(part) > 1]
        if len(playing) > table.calls_left:
            break  # failures used up the calls: it stays open
        matches = await table.play(playing, round_number)
        on = [i for part in groups if len(part) == 1 for i in part]
        for match in matches:
            on += table.survivors(match)
        out.append([i for i in alive if i not in on])
        alive = sorted(on)
    order: list[int] = []
    for batch in (alive, *reversed(out)):
        order += sorted(batch, key=lambda i: (*_negative(table.records[i].standing), i))
    return (alive[0] if len(alive) == 1 else None), order


async def _swiss(table: Table, group: int, rounds: int, seed: int) -> tuple[int | None, list[int]]:
    n = table.case.n
    lot = {int(i): place for place, i in enumerate(np.random.default_rng(seed).permutation(n))}
    byes: set[int] = set()
    for round_number in range(1, rounds + 1):
        standing = sorted(range(n), key=lambda i: (*_negative(table.records[i].standing), lot[i]))
        groups = _paired(standing, [len(part) for part in _parts(standing, group)], table, byes)
        rng = np.random.default_rng([seed, round_number])
        shown = [tuple(part[i] for i in rng.permutation(len(part))) for part in groups]
        await table.play(shown, round_number)
    points = [record.standing[0] for record in table.records]

    def key(i: int) -> tuple[float, ...]:
        record = table.records[i]
        met = float(np.mean([points[rival] for rival in record.rivals])) if record.rivals else 0.0
        return (-float(record.matches > 0), -points[i], -round(met, 9), -record.standing[1], lot[i])

    order = sorted(range(n), key=key)
    return (order[0] if table.records[order[0]].matches else None), order


def _paired(
    standing: Sequence[int], sizes: Sequence[int], table: Table, byes: set[int]
) -> list[list[int]]:
    """Neighbours in the standing, rather those who have not met.

    Where one is left over, the last in the standing that has not sat out yet sits out.
    """
    left = list(standing)
    if 1 in sizes:
        free = next((i for i in reversed(left) if i not in byes), left[-1])
        byes.add(free)
        left.remove(free)
    made = []
    for size in (size for size in sizes if size > 1):
        part = [left.pop(0)]
        while len(part) < size:
            rivals = [table.records[i].rivals for i in part]
            met = [sum(other in one for one in rivals) for other in left]
            part.append(left.pop(met.index(min(met))))
        made.append(part)
    return made


def _parts(drawn: Sequence[int], group: int) -> list[tuple[int, ...]]:
    """As few groups as possible, as even as possible."""
    parts = np.array_split(np.asarray(drawn), math.ceil(len(drawn) / group))
    return [tuple(int(i) for i in part) for part in parts]


def _negative(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(-value for value in values)
