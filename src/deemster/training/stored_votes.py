"""Trajectories from judgments that are stored in a run: of `deemster run` or `deemster import`.

What cannot be learnt from is left out and counted. Nothing is asked of any model.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from deemster.dialects import Dialect
from deemster.errors import InputError
from deemster.schemas import Failure, JudgeInfo, Judgment, Sample, Verdict, Vote
from deemster.suites.metrics.items import top_set
from deemster.suites.store import RunStore
from deemster.training.outcome import is_correct
from deemster.training.prompts import training_messages
from deemster.training.rewriting import BARE, Written, write_judgment
from deemster.training.rollouts import Rollout
from deemster.training.transcribe import is_scaled

_COUNTED = ("votes", "failed", "superseded", "order_unknown", "not_writable", "without_reasons")


@dataclass(frozen=True)
class StoredVotes:
    """What a run holds to learn from."""

    rollouts: tuple[Rollout, ...]
    """In the order of the judges, items and draws; `stage` is who wrote them."""
    counts: dict[str, int]
    """`votes` of the items to train on, and those without a trajectory: `failed`, `superseded` (a
    debate's earlier rounds), `order_unknown`, `not_writable` (see `write_judgment`). And of the
    trajectories `without_reasons`: scores alone, though reasons were asked for."""
    teachers: tuple[dict[str, JsonValue], ...]
    """Whose they are: name, model, dialect and fingerprint of each judge."""


class Shape(NamedTuple):
    """The items of a run that a dialect can judge, and how many it cannot."""

    usable: list[Sample]
    counts: dict[str, int]
    """`items`; `without_texts` (a log that left the query or a response out, or it is empty);
    `other_shape` (the dialect does not judge so many responses, or such texts; or there are
    images)."""


def items_of(run: Path, dialect: Dialect) -> Shape:
    """The items of a run.

    Raises:
        InputError: there is no run, or the dialect can judge none of its items.
    """
    usable: list[Sample] = []
    counts = Counter(items=0, without_texts=0, other_shape=0)
    problem = ""
    with RunStore(run) as store:
        for _, sample in store.samples():
            counts["items"] += 1
            if (lacks := _lacks(sample)) is not None:
                counts["without_texts"] += 1
                problem = problem or (
                    f"item {sample.id!r} has no text of {lacks}; import it with --data that has it"
                )
                continue
            try:
                _check(sample, dialect)
            except InputError as error:
                counts["other_shape"] += 1
                problem = f"item {sample.id!r}: {error}; or set another model.dialect"
                continue
            usable.append(sample)
    if not usable:
        raise InputError(
            f"nothing to train on in the {counts['items']} items of run {str(run)!r}"
            + (f": {problem}" if problem else "")
        )
    return Shape(usable, dict(counts))


def _lacks(sample: Sample) -> str | None:
    """The part of an item that has no text; None if all have one."""
    if not sample.query:
        return "the query"
    blank = next((i for i, one in enumerate(sample.responses) if one.is_blank), None)
    return None if blank is None else f"response {blank}"


def _check(sample: Sample, dialect: Dialect) -> None:
    """Raise `InputError` if no prompt about the item can be written and read."""
    n = len(sample.responses)
    messages = training_messages(sample, dialect, order=range(n), seed=0)
    if n > 1 and dialect.judges_one_at_a_time:
        raise InputError(f"dialect {dialect.spec!r} judges {n} responses one at a time")
    if any(message.images for message in messages):
        raise InputError("it has images, and judges are trained on text")


def split_items(samples: Sequence[Sample], *, share: float, seed: int) -> set[str]:
    """Ids of the items to hold out: about so many of the queries, each with all its items.

    Which ones depends on the queries and the seed, not on what else the run holds.
    """
    queries = {_hash(sample, seed) for sample in samples}
    count = round(share * len(queries)) if share else 0
    if share and not 0 < count < len(queries):
        raise InputError(
            f"distil.holdout {share:g} of the run's {len(queries)} different queries leaves none "
            "on one side; give another share, or data.evaluation instead"
        )
    chosen = set(sorted(queries)[:count])
    return {sample.id for sample in samples if _hash(sample, seed) in chosen}


def _hash(sample: Sample, seed: int) -> str:
    text = "\0".join(turn.text for turn in sample.query)
    return hashlib.sha256(f"{seed}\0{text}".encode(errors="surrogatepass")).hexdigest()


def read_votes(
    run: Path,
    dialect: Dialect,
    items: Collection[str],
    *,
    teachers: Sequence[str] | None = None,
    reasons: bool = True,
    seed: int = 0,
) -> StoredVotes:
    """The votes about some items of a run as trajectories of the judge to train.

    A composite judge whose members stand beside it in the run is left out: its votes are theirs.

    Args:
        run: the run directory.
        dialect: of the judge to train.
        items: ids of the items to train on, of those of `items_of`.
        teachers: names of the run's judges to learn from; None for all.
        reasons: see `write_judgment`.
        seed: for the prompt, see `training_messages`.

    Raises:
        InputError: there is no run, or it has no such judge.
    """
    counts = Counter(dict.fromkeys(_COUNTED, 0))
    rollouts: list[Rollout] = []
    about: list[dict[str, JsonValue]] = []
    with RunStore(run) as store:
        for number, info in _chosen(store.judges(), teachers, run):
            about.append(_provenance(info))
            for sample, verdict in store.verdicts(number):
                if sample.id in items:
                    rollouts += _of_verdict(
                        sample, verdict, info, dialect, counts, reasons=reasons, seed=seed
                    )
    return StoredVotes(tuple(rollouts), dict(counts), tuple(about))


def _chosen(
    judges: Sequence[JudgeInfo], teachers: Sequence[str] | None, run: Path
) -> Iterator[tuple[int, JudgeInfo]]:
    names = [info.name for info in judges]
    if teachers is None:
        yield from (
            (number, info)
            for number, info in enumerate(judges)
            if not info.members or not {one.name for one in info.members} <= set(names)
        )
        return
    for name in dict.fromkeys(teachers):
        if name not in names:
            raise InputError(
                f"distil.teachers: no judge {name!r} in run {str(run)!r}; there: {', '.join(names)}"
            )
        yield names.index(name), judges[names.index(name)]


def _provenance(info: JudgeInfo) -> dict[str, JsonValue]:
    return {
        "judge": info.name,
        "model": info.model,
        "dialect": info.dialect,
        "k": info.k,
        "fingerprint": info.fingerprint,
    }


def _of_verdict(
    sample: Sample,
    verdict: Verdict,
    info: JudgeInfo,
    dialect: Dialect,
    counts: Counter[str],
    *,
    reasons: bool,
    seed: int,
) -> Iterator[Rollout]:
    for vote in verdict.votes:
        counts["votes"] += 1
        written = _written(vote, dialect, counts, reasons=reasons)
        if written is None:
            continue
        yield Rollout(
            sample_id=sample.id,
            order=vote.order,
            messages=training_messages(sample, dialect, order=vote.order, seed=seed),
            completion=written.text,
            scores=written.scores,
            correct=agrees_with_label(written.scores, sample, dialect),
            stage=vote.judge or info.name,
            seed=vote.seed or 0,
        )


def _written(
    vote: Vote, dialect: Dialect, counts: Counter[str], *, reasons: bool
) -> Written | None:
    if isinstance(vote, Failure):
        counts["failed"] += 1
        return None
    if vote.superseded:
        counts["superseded"] += 1
        return None
    if not _order_known(vote):
        counts["order_unknown"] += 1
        return None
    written = write_judgment(vote, dialect, reasons=reasons)
    counts["not_writable"] += written is None
    counts["without_reasons"] += reasons and written is not None and written.text.startswith(BARE)
    return written


def _order_known(vote: Judgment) -> bool:
    return sorted(vote.order) == list(range(len(vote.scores)))


def agrees_with_label(scores: Sequence[float], sample: Sample, dialect: Dialect) -> bool | None:
    """Whether scores agree with the sample's label (paper Eq. 10); None if it cannot tell.

    Where the label is a tie on top, the same responses must be tied on top. The label of a single
    response can tell if it is 0 or 1 and the dialect scores such from 0 to 1.
    """
    truth = sample.ground_truth
    if truth is None:
        return None
    if len(truth) > 1 and sample.best is None:
        return top_set(scores) == top_set(truth)
    if not is_scaled(len(truth), dialect) or (len(truth) == 1 and truth[0] not in (0, 1)):
        return None
    return is_correct(scores, truth)


__all__ = [
    "Shape",
    "StoredVotes",
    "agrees_with_label",
    "items_of",
    "read_votes",
    "split_items",
]
