"""A judge as a reward function of TRL's GRPOTrainer (and its kin: RLOO, online DPO takes judges).

```python
trainer = GRPOTrainer(model, reward_funcs=reward_func(Judge("openai/gpt-5-mini", k=4)), ...)
```
"""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from deemster.errors import DeemsterError, InputError
from deemster.integrations.groups import GroupRewards, judge_group
from deemster.judges.scorer import Scorer
from deemster.judges.together import together
from deemster.principles import PrinciplesLike
from deemster.schemas import ResponseLike, as_response

__all__ = ["TooManyUnscoredError", "monitor_func", "reward_func"]

logger = logging.getLogger(__name__)

RewardFunc = Callable[..., Awaitable[list[float | None]]]
Rows = list[int]


def reward_func(
    judge: Scorer,
    *,
    query: str | None = None,
    reference: str | None = None,
    principles: PrinciplesLike | None = None,
    response: Callable[[Any], ResponseLike] = as_response,
    at_once: int | None = None,
    max_unscored: float | None = None,
    name: str = "deemster",
) -> RewardFunc:
    """An asynchronous reward function that judges all completions of a prompt together.

    TRL hands over a whole generation batch; completions of equal prompts are a group, see
    `judge_group`. With several processes a group is judged in the parts that each of them holds.
    A completion without a verdict gets None, and so does None or one without turns, which is not
    judged (an empty text is): TRL leaves it out of its group's baseline and gives
    it no advantage. Why is logged as a warning, each reason once.

    Through `log_metric` it logs, as means over a batch, `NAME/unscored` (share of completions
    without a reward), `NAME/failed_votes` (share of votes), `NAME/confidence`, `NAME/calls` and,
    where it is known, `NAME/cost`; through `log_extra` the column `NAME/critique`.

    Args:
        judge: anything with `score`. It stays the caller's to close.
        query: column with the query; None for the prompt itself. Needed where the prompt is a
            text with a chat template's marks in it.
        reference: column with a gold answer to show the judge.
        principles: for the judge.
        response: makes the response that is judged out of a completion, a text or messages; say,
            to leave out its reasoning.
        at_once: most completions of one call; None for as many as the judge takes.
        max_unscored: largest share, 0 to 1, of the last ten batches' completions without a
            reward; None never ends a training.
        name: what TRL calls the function in its logs.

    Returns:
        An async function for `reward_funcs=`. It raises `InputError` where a column is missing
        or of another length, or if, in its first batch, the judge refuses everything; and
        `TooManyUnscoredError`, which ends the training, where more than `max_unscored` have no
        reward, from the third batch on.

    Raises:
        InputError: `max_unscored` is out of range.
    """
    unscored = _Unscored(max_unscored)
    told = _Reasons()

    async def reward(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,  # noqa: ANN401 - a data set's columns
    ) -> list[float | None]:
        queries = prompts if query is None else _column(columns, query, "query")
        none: list[Any] = [None] * len(prompts)
        golds = none if reference is None else _column(columns, reference, "reference")
        _check_rows({"prompts": prompts, "completions": completions, query: queries,
                     reference: golds})  # fmt: skip
        if not prompts:
            return []
        groups = _groups(queries, golds, [bool(one) or one == "" for one in completions])
        judged = await together(
            judge_group(
                judge,
                queries[rows[0]],
                [response(completions[row]) for row in rows],
                reference=golds[rows[0]],
                principles=principles,
                at_once=at_once,
            )
            for rows in groups
        )
        told.add(judged)
        rewards, critiques = _by_row(groups, judged, len(prompts))
        if log_metric is not None:
            for metric, value in _metrics(judged, rewards).items():
                log_metric(f"{name}/{metric}", value)
        if log_extra is not None:
            log_extra(f"{name}/critique", critiques)
        unscored.add(rewards, judged)
        return rewards

    reward.__name__ = name
    return reward


def monitor_func(
    judge: Scorer,
    *,
    query: str | None = None,
    reference: str | None = None,
    response: Callable[[Any], ResponseLike] = as_response,
    name: str = "monitor",
) -> RewardFunc:
    """A function that rewards nothing and logs what another judge says, a `Verifier`, say.

    Where the curve of the rewarding judge rises and this one does not, the policy games the judge.
    It returns None for every completion: with numbers and a weight of 0, TRL would turn the other
    function's None into a reward of 0.

    Args:
        judge: anything with `score`; its mean reward is logged as `NAME/reward`, the share of
            completions that it gives no reward as `NAME/unscored`.
        query: column with the query; None for the prompt itself.
        reference: column with a gold answer.
        response: see `reward_func`.
        name: what TRL calls the function in its logs.
    """
    watch = reward_func(judge, query=query, reference=reference, response=response, name=name)

    async def reward(
        prompts: Sequence[Any],
        log_metric: Callable[[str, float], None] | None = None,
        **given: Any,  # noqa: ANN401 - completions and a data set's columns
    ) -> list[float | None]:
        found = await watch(prompts=prompts, **given)
        known = [one for one in found if one is not None]
        if log_metric is not None and found:
            log_metric(f"{name}/unscored", found.count(None) / len(found))
            if known:
                log_metric(f"{name}/reward", sum(known) / len(known))
        return [None] * len(prompts)

    reward.__name__ = name
    return reward


class TooManyUnscoredError(DeemsterError):
    """More completions than allowed have no reward: the policy would be trained on the rest."""


_BATCHES, _FEWEST = 10, 3
"""Batches whose unscored completions count, and from which on."""
_MOST_TOLD = 20
"""Different reasons that one function warns of."""


def _column(columns: dict[str, Any], column: str, what: str) -> Sequence[Any]:
    if column not in columns:
        known = sorted(name for name, values in columns.items() if isinstance(values, list))
        raise InputError(f"no column {column!r} for the {what}; the data set has: {known}")
    values: Sequence[Any] = columns[column]
    return values


def _check_rows(columns: dict[str | None, Sequence[Any]]) -> None:
    """Refuse what does not have a value for each prompt."""
    n = len(columns["prompts"])
    for name, values in columns.items():
        if isinstance(values, str | bytes) or (name is not None and len(values) != n):
            got = "a text" if isinstance(values, str | bytes) else f"{len(values)} values"
            raise InputError(
                f"{name!r} must be a list with one value for each of {n} prompts, got {got}"
            )


def _groups(queries: Sequence[Any], golds: Sequence[Any], answered: Sequence[bool]) -> list[Rows]:
    """The answered rows of each query (with its gold answer), in the order in which they come."""
    grouped: dict[str, Rows] = {}
    for row, (asked, gold, judged) in enumerate(zip(queries, golds, answered, strict=True)):
        if judged:
            key = json.dumps((asked, gold), sort_keys=True, default=repr)
            grouped.setdefault(key, []).append(row)
    return list(grouped.values())


def _by_row(
    groups: Sequence[Rows], judged: Sequence[GroupRewards], n: int
) -> tuple[list[float | None], list[str]]:
    """Rewards and critiques of a batch of n, in its order."""
    rewards: list[float | None] = [None] * n
    critiques = [""] * n
    for rows, group in zip(groups, judged, strict=True):
        for place, row in enumerate(rows):
            rewards[row] = group.rewards[place]
            critiques[row] = group.critique(place)
    return rewards, critiques


class _Reasons:
    """Warns of why votes have no verdict, each reason once; ends a training that cannot begin."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._first = True

    def add(self, judged: Sequence[GroupRewards]) -> None:
        """Look at a batch; raise `InputError` if it is the first, and the judge refuses all."""
        if self._first:
            _check_first(judged)
            self._first = False
        for reason in dict.fromkeys(reason for group in judged for reason in group.reasons):
            if reason not in self._told and len(self._told) < _MOST_TOLD:
                self._told.add(reason)
                logger.warning("deemster: votes without a verdict, %s", reason)


def _check_first(judged: Sequence[GroupRewards]) -> None:
    """Refuse to train on nothing: what is wrong with the settings is wrong for every group."""
    verdicts = [verdict for group in judged for verdict in group.verdicts]
    failures = [failure for verdict in verdicts for failure in verdict.failures]
    judgments = [judgment for verdict in verdicts for judgment in verdict.judgments]
    if failures and not judgments and all(one.error == InputError.__name__ for one in failures):
        raise InputError(f"the judge can judge none of the first batch: {failures[0].message}")


class _Unscored:
    """The share of the last batches' completions that have no reward, held to a limit."""

    def __init__(self, most: float | None) -> None:
        given: object = most
        number = isinstance(given, int | float) and not isinstance(given, bool)
        if most is not None and not (number and 0 <= most <= 1):
            raise InputError(f"max_unscored must be a number from 0 to 1, got {most!r}")
        self._most = most
        self._shares: deque[float] = deque(maxlen=_BATCHES)

    def add(self, rewards: Sequence[float | None], judged: Sequence[GroupRewards]) -> None:
        """Count a batch; raise `TooManyUnscoredError` above the limit."""
        self._shares.append(rewards.count(None) / len(rewards))
        share = sum(self._shares) / len(self._shares)
        if self._most is None or len(self._shares) < _FEWEST or share <= self._most:
            return
        reasons = Counter(reason for group in judged for reason in group.reasons)
        why = f"; most of the last batch: {reasons.most_common(1)[0][0]}" if reasons else ""
        raise TooManyUnscoredError(
            f"{share:.0%} of the completions have no reward, more than max_unscored "
            f"{self._most:.0%}{why}"
        )


def _metrics(judged: Sequence[GroupRewards], rewards: Sequence[float | None]) -> dict[str, float]:
    verdicts = [verdict for group in judged for verdict in group.verdicts]
    votes = sum(len(verdict.votes) for verdict in verdicts)
    failed = sum(len(verdict.failures) for verdict in verdicts)
    sure = [one.confidence for one in verdicts if one.confidence is not None]
    usages = [group.usage for group in judged]
    costs = [usage.cost for usage in usages if usage.cost is not None]
    found = {
        "unscored": rewards.count(None) / len(rewards),
        "calls": float(sum(usage.calls for usage in usages)),
    }
    if votes:
        found["failed_votes"] = failed / votes
    if sure:
        found["confidence"] = sum(sure) / len(sure)
    if len(costs) == len(usages):
        found["cost"] = sum(costs)
    return found
