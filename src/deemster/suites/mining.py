"""Mining a run: which principles were used in votes that ranked the truth first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deemster.errors import InputError
from deemster.principles import PrincipleBank
from deemster.principles.bank_records import CheckedVote, query_key
from deemster.schemas import Conversation, Judgment, Sample, Verdict
from deemster.suites.store import RunStore

_AT_ONCE = 200
"""Samples per transaction: other writers wait no longer than one takes."""


@dataclass(frozen=True)
class Mined:
    """The result of mining a run."""

    votes: int
    """Votes with principles and a known outcome."""
    right: int
    new: int
    """Votes that the bank had not counted before."""
    sets: int
    """Queries that got a new set."""
    merged: int
    """Principles that are now merged into others, in the whole bank."""


def mine_run(directory: str | Path, bank: PrincipleBank, *, judge: str | None = None) -> Mined:
    """Count the principles of a run's votes by outcome, and keep those of right votes.

    A vote is right if the truly best response has strictly its highest score; on a single
    response with truth 1 or 0, if the score is above or below the middle of its scale
    accordingly. Votes without principles, or on samples without such a truth, are ignored. Mining
    a run twice, or from two processes at once, counts each vote once.

    Args:
        directory: the run.
        bank: where the principles go.
        judge: mine this judge only.

    Raises:
        InputError: there is no run, no such judge, or no vote that can be used.
    """
    with RunStore(directory) as store:
        names = [info.name for info in store.judges()]
        if judge is not None and judge not in names:
            raise InputError(f"no judge {judge!r} in the run; it has: {', '.join(names)}")
        votes = right = new = 0
        touched: dict[str, list[str]] = {}
        for number, info in enumerate(store.judges()):
            if judge not in (None, info.name):
                continue
            rows = (
                (sample.query, found)
                for sample, verdict in store.verdicts(number)
                if sample.query
                and (found := checked_votes(sample, verdict, fingerprint=info.fingerprint))
            )
            source = f"{Path(directory).resolve().name}/{info.name}"
            for batch in _batches(rows):
                votes += sum(len(found) for _, found in batch)
                right += sum(one.right for _, found in batch for one in found)
                added, keys = bank.add_votes(batch, source=source)
                new += added
                touched.setdefault(source, []).extend(keys)
    if not votes:
        raise InputError(
            f"the run in {str(directory)!r} has no votes with principles on samples with a ground "
            "truth; judge with a dialect that writes principles (grm, json)"
        )
    merged = bank.deduplicate()
    sets = sum(bank.keep_right(keys, source=source) for source, keys in touched.items())
    return Mined(votes=votes, right=right, new=new, sets=sets, merged=merged)


def checked_votes(sample: Sample, verdict: Verdict, *, fingerprint: str) -> list[CheckedVote]:
    """The votes of one verdict for which it is known whether they were right."""
    found = []
    query = query_key(sample.query) if sample.query else ""
    for vote in verdict.judgments:
        right = vote_is_right(sample, vote) if vote.principles else None
        if right is None:
            continue
        parts = (fingerprint, query, sample.id, vote.judge, vote.draw, vote.order, vote.raw)
        key = hashlib.sha256(repr(parts).encode(errors="surrogatepass")).digest()[:16]
        found.append(CheckedVote(key, vote.principles, right))
    return found


def vote_is_right(sample: Sample, vote: Judgment) -> bool | None:
    """Whether one vote agrees with the truth; None if that is not known. See `mine_run`."""
    scores = [score for score in vote.scores if score is not None]
    if len(scores) != len(sample.responses):
        return None
    if len(scores) > 1:
        best = sample.best
        if best is None:
            return None
        return all(scores[best] > score for i, score in enumerate(scores) if i != best)
    truth = sample.ground_truth
    if truth is None or truth[0] not in (0, 1) or vote.scale is None:
        return None
    middle = (vote.scale.low + vote.scale.high) / 2
    return scores[0] > middle if truth[0] else scores[0] < middle


def _batches(
    rows: Iterator[tuple[Conversation, list[CheckedVote]]],
) -> Iterator[Sequence[tuple[Conversation, list[CheckedVote]]]]:
    while batch := list(islice(rows, _AT_ONCE)):
        yield batch
