"""Asking several judges at once: deadlines, stragglers, and whatever else goes wrong, as data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from deemster.backends.waiting import give_up_unanswered
from deemster.errors import BackendError, BackendTimeout, FailureStatus, InputError
from deemster.judges.adaptive import scale_of
from deemster.judges.base import ask
from deemster.judges.case import Case
from deemster.judges.scaling import Kind, PanelScaling, scaled
from deemster.judges.scorer import Scorer
from deemster.schemas import Failure, Judgment, Scale, Usage, Verdict, Vote

Answer = Verdict | Exception
"""What asking one judge gives."""
GRACE = 1.0
"""Seconds that cancelled judges get to clean up; one that ignores it is left behind."""
_UNKNOWN = Usage(cost=None)
"""What a judge cost that was cut off: nobody knows."""


class DroppedError(BackendError):
    """The judge was not waited for."""

    status: ClassVar[FailureStatus] = "cancelled"


async def ask_all(
    asked: Sequence[tuple[Scorer, Case]],
    *,
    n: int,
    deadlines: Sequence[float | None],
    enough: Callable[[Mapping[int, Answer]], str | None] | None = None,
) -> list[Answer]:
    """Put cases to judges, all at the same time; the answers in order.

    Args:
        asked: judges, each with its case. What they raise is an answer, `InputError` too, and so
            is something that is not a verdict, or not about `n` responses.
        n: number of responses.
        deadlines: seconds for each, None for no limit. Judges that block the event loop cannot be
            cut off.
        enough: given what is there so far (by position), why the rest need not be waited for.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    tasks: dict[asyncio.Future[Verdict], int] = {
        asyncio.ensure_future(ask(*one)): place for place, one in enumerate(asked)
    }
    ends = [None if limit is None else started + limit for limit in deadlines]
    found: dict[int, Answer] = {}
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
                found[tasks[task]] = _answer(task, n)
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
    give_up_unanswered()  # those that have no answer yet would count as cancelled
    for task in waiting:
        found[tasks[task]] = DroppedError(f"not waited for: {reason}", usage=_UNKNOWN)
    return [found[place] for place in range(len(asked))]


def _is_late(end: float | None, now: float) -> bool:
    return end is not None and now >= end


def _answer(task: asyncio.Future[Verdict], n: int) -> Answer:
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


def as_vote(answer: Answer, *, draw: int, judge: str, how: Kind | PanelScaling) -> Vote:
    """A judge's answer as one vote: its scaled rewards, or why there are none.

    Args:
        answer: what asking it gave.
        draw: number of the vote.
        judge: the judge's name.
        how: makes rewards comparable.
    """
    if isinstance(answer, Exception):
        usage = answer.usage if isinstance(answer, BackendError) else None
        message = f"member {judge!r} failed: {answer}"
        return Failure.of(answer, message, draw=draw, judge=judge, usage=usage or Usage())
    if answer.rewards is None:
        failures = answer.failures
        return Failure(
            status=failures[0].status if failures else "api_error",
            message=f"member {judge!r} gave no rewards ({answer.n_valid} of {answer.k} votes "
            "are valid)" + (f": {failures[0].message}" if failures else ""),
            draw=draw,
            judge=judge,
            usage=answer.usage,
            warnings=answer.warnings,
        )
    shown = judgment_shown(answer)
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
    scores = scaled(answer, how, judge=judge)
    return Judgment(
        scores=scores,
        scale=_scale_kept(answer, scores, how),
        draw=draw,
        judge=judge,
        usage=answer.usage,
        warnings=answer.warnings,
        **reasons,
    )


def _scale_kept(
    verdict: Verdict, scores: tuple[float, ...], how: Kind | PanelScaling
) -> Scale | None:
    """The range of a judge's scores, if its vote is their mean, left as it is."""
    left = (how == "none" or len(scores) == 1) and scores == verdict.scores
    scale = scale_of(verdict.judgments) if left else None
    return None if scale is None else scale.model_copy(update={"integer": False})


def judgment_shown(verdict: Verdict) -> Judgment | None:
    """The judgment whose reasons are shown: the first that ranks as its verdict does."""
    counted = [judgment for judgment in verdict.judgments if not judgment.superseded]
    for judgment in counted:
        scores = [float("-inf") if score is None else score for score in judgment.scores]
        if verdict.ranking is not None and scores.index(max(scores)) == verdict.ranking[0]:
            return judgment
    return counted[0] if counted else None


def raise_if_nobody_can(answers: Sequence[Answer]) -> None:
    """Raise the first `InputError` if that is what every judge raised."""
    wrong = [answer for answer in answers if isinstance(answer, InputError)]
    if wrong and len(wrong) == len(answers):
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
