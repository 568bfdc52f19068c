"""Asking several judges at once: deadlines, stragglers, and whatever else goes wrong, as data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar

from deemster.errors import BackendError, BackendTimeout, FailureStatus, InputError
from deemster.judges.adaptive import scale_of
from deemster.judges.scaling import Kind, PanelScaling, scaled
from deemster.schemas import Failure, Judgment, Scale, Usage, Verdict, Vote

Outcome = Verdict | Exception
"""What asking one judge gives."""
GRACE = 1.0
"""Seconds that cancelled judges get to clean up; one that ignores it is left behind."""
_UNKNOWN = Usage(cost=None)
"""What a judge cost that was cut off: nobody knows."""


class DroppedError(BackendError):
    """The judge was not waited for."""

    status: ClassVar[FailureStatus] = "cancelled"


async def hear(
    asked: Sequence[Callable[[], Awaitable[Verdict]]],
    *,
    n: int,
    deadlines: Sequence[float | None],
    enough: Callable[[Mapping[int, Outcome]], str | None] | None = None,
) -> list[Outcome]:
    """Run all at the same time; the outcomes in order.

    Args:
        asked: one per judge; `InputError` and everything else they raise is an outcome, and so is
            a verdict that is none, or about another number of responses than `n`.
        n: number of responses.
        deadlines: seconds for each, None for no limit. Judges that block the event loop cannot be
            cut off.
        enough: given what is there so far (by position), why the rest need not be waited for.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    tasks: dict[asyncio.Future[Verdict], int] = {
        asyncio.ensure_future(one()): place for place, one in enumerate(asked)
    }
    ends = [None if limit is None else started + limit for limit in deadlines]
    found: dict[int, Outcome] = {}
    waiting = set(tasks)
    reason: str | None = None
    try:
        while waiting:
            due = [end for task in waiting if (end := ends[tasks[task]]) is not None]
            timeout = max(min(due) - loop.time(), 0) if due else None
            done, waiting = await asyncio.wait(
                waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                found[tasks[task]] = _outcome(task, n)
            for task in [task for task in waiting if _is_late(ends[tasks[task]], loop.time())]:
                limit = deadlines[tasks[task]]
                found[tasks[task]] = BackendTimeout(f"no verdict in {limit:g} s", usage=_UNKNOWN)
                task.cancel()
                waiting.discard(task)
            reason = enough(found) if enough is not None and waiting else None
            if reason is not None:
                break
    finally:
        await _cancel([task for task in tasks if not task.done()])
    for task in waiting:
        found[tasks[task]] = DroppedError(f"not waited for: {reason}", usage=_UNKNOWN)
    return [found[place] for place in range(len(asked))]


def _is_late(end: float | None, now: float) -> bool:
    return end is not None and now >= end


def _outcome(task: asyncio.Future[Verdict], n: int) -> Outcome:
    if task.cancelled():
        return DroppedError("cancelled itself", usage=_UNKNOWN)
    error = task.exception()
    if isinstance(error, Exception):
        return error
    if error is not None:
        raise error
    verdict: object = task.result()
    if not isinstance(verdict, Verdict):
        return BackendError(f"returned {type(verdict).__name__}, not a Verdict")
    if verdict.rewards is not None and len(verdict.rewards) != n:
        return BackendError(
            f"returned {len(verdict.rewards)} rewards for {n} responses", usage=verdict.usage
        )
    return verdict


async def _cancel(tasks: list[asyncio.Future[Verdict]]) -> None:
    for task in tasks:
        task.cancel()
        # Whoever ignores that may still fail later, with nobody to tell.
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)


def as_vote(outcome: Outcome, *, draw: int, judge: str, how: Kind | PanelScaling) -> Vote:
    """A judge's outcome as one vote: its scaled rewards, or why there are none.

    Args:
        outcome: what asking it gave.
        draw: number of the vote.
        judge: the judge's name.
        how: makes rewards comparable.
    """
    if isinstance(outcome, Exception):
        status = outcome.status if isinstance(outcome, BackendError) else "api_error"
        usage = outcome.usage if isinstance(outcome, BackendError) else None
        return Failure(
            status=status,
            message=f"member {judge!r} failed: {outcome}",
            error=type(outcome).__name__,
            draw=draw,
            judge=judge,
            usage=usage or Usage(),
        )
    if outcome.rewards is None:
        failures = outcome.failures
        return Failure(
            status=failures[0].status if failures else "api_error",
            message=f"member {judge!r} gave no rewards ({outcome.n_valid} of {outcome.k} votes "
            "are valid)" + (f": {failures[0].message}" if failures else ""),
            draw=draw,
            judge=judge,
            usage=outcome.usage,
            warnings=outcome.warnings,
        )
    shown = speaker(outcome)
    reasons = (
        {}
        if shown is None
        else {
            "principles": shown.principles,
            "critiques": shown.critiques,
            "analysis": shown.analysis,
            "raw": shown.raw,
        }
    )
    scores = scaled(outcome, how, judge=judge)
    return Judgment(
        scores=scores,
        scale=_scale_kept(outcome, scores, how),
        draw=draw,
        judge=judge,
        usage=outcome.usage,
        warnings=outcome.warnings,
        **reasons,
    )


def _scale_kept(
    verdict: Verdict, scores: tuple[float, ...], how: Kind | PanelScaling
) -> Scale | None:
    """The range of a judge's scores, if its vote is their mean, left as it is."""
    left = (how == "none" or len(scores) == 1) and scores == verdict.scores
    scale = scale_of(verdict.judgments) if left else None
    return None if scale is None else scale.model_copy(update={"integer": False})


def speaker(verdict: Verdict) -> Judgment | None:
    """The judgment whose reasons are shown: the first that ranks as its verdict does."""
    counted = [judgment for judgment in verdict.judgments if not judgment.superseded]
    for judgment in counted:
        scores = [float("-inf") if score is None else score for score in judgment.scores]
        if verdict.ranking is not None and scores.index(max(scores)) == verdict.ranking[0]:
            return judgment
    return counted[0] if counted else None


def raise_if_nobody_can(outcomes: Sequence[Outcome]) -> None:
    """Raise the first `InputError` if that is what every judge raised."""
    wrong = [outcome for outcome in outcomes if isinstance(outcome, InputError)]
    if wrong and len(wrong) == len(outcomes):
        raise wrong[0]


def read_deadlines(
    given: float | Mapping[str, float] | None, names: Sequence[str]
) -> tuple[float | None, ...]:
    """Seconds for each judge, from one number for all or numbers by name.

    Raises:
        InputError: a deadline is not above 0, or a name is unknown.
    """
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise InputError(f"deadline for unknown member {unknown[0]!r}; known: {list(names)}")
        limits = [given.get(name) for name in names]
    else:
        limits = [given] * len(names)
    for limit in limits:
        if limit is not None and (isinstance(limit, bool) or not 0 < limit < float("inf")):
            raise InputError(f"deadline must be a number of seconds > 0, got {limit!r}")
    return tuple(None if limit is None else float(limit) for limit in limits)
