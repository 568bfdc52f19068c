"""Parses the raw texts of votes again, without a call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from deemster.dialects import Dialect, open_dialect
from deemster.dialects.parts import has_parts
from deemster.dialects.vote import CUT, read_vote
from deemster.errors import InputError
from deemster.schemas import Completion, Failure, JudgeInfo, Judgment, Sample, Vote

Reread = Callable[[Sample, Vote], Vote]
STORED = "stored"
"""In place of a dialect's name: the one that read each text, as recorded in the run."""
_READ = ("parse_error", "ambiguous", "refused")
"""Statuses of failures to read a text, where there is one (a provider that refuses gives none)."""


def rereader(name: str, info: JudgeInfo) -> Reread:
    """What parses a vote of a sample again by the dialect `name`, or by the `STORED` one.

    Votes of failed calls stay as they are.

    Raises:
        InputError: there is no such dialect, or it needs more than the text.
    """
    opened = cache(_open)
    if name != STORED:
        opened(name)  # a wrong name is an error whatever the run holds

    def reread(sample: Sample, vote: Vote) -> Vote:
        if isinstance(vote, Failure) and (not vote.raw or vote.status not in _READ):
            return vote
        if not vote.raw:
            if name == STORED:
                return vote
            raise InputError(
                f"sample {sample.id!r}: the run has no raw text to parse again; leave out --dialect"
            )
        noted = str(sample.metadata.get("dialect") or info.dialect)
        if noted.startswith("decision:"):  # numbers of a decision model, which no dialect reads
            return vote
        dialect = opened(noted if name == STORED else name)
        n = len(sample.responses)
        order = vote.order or tuple(range(n))
        if not (dialect.judges_one_at_a_time and has_parts(vote.raw)):
            dialect.check_n(len(order))
        cut = isinstance(vote, Failure) and vote.message.endswith(CUT)
        completion = Completion(
            text=vote.raw,
            finish="length" if cut else "stop",
            usage=vote.usage,
            warnings=vote.warnings,
        )
        read = read_vote(
            dialect, completion, order=order, n=n, draw=vote.draw, seed=vote.seed, judge=vote.judge
        )
        if isinstance(read, Judgment) and isinstance(vote, Judgment):
            kept = {"meta_reward": vote.meta_reward, "superseded": vote.superseded}
            return read.model_copy(update=kept)
        return read

    return reread


def _open(spec: str) -> Dialect:
    if not spec:
        raise InputError("the run does not say which dialect read its texts; name one: --dialect")
    dialect = open_dialect(spec)
    if dialect.top_logprobs:
        raise InputError(f"dialect {spec!r} reads token probabilities, which runs do not keep")
    return dialect
