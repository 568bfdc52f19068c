"""A verdict as HTML for notebooks: every text from outside is escaped, nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from deemster.schemas.vote import Failure, Vote

if TYPE_CHECKING:
    from deemster.schemas.verdict import Verdict

_VOTES = 20
"""Votes that are listed; a notebook keeps its outputs in its file."""
_TEXT = 2000
"""Characters of a vote's text that are shown."""


def verdict_html(verdict: Verdict) -> str:
    """Rewards, best first, and every vote to unfold."""
    parts = [f"<p><b>{escape(_headline(verdict))}</b></p>"]
    if verdict.rewards is not None:
        scores = verdict.scores
        rows = [
            (i + 1, f"{verdict.rewards[i]:z.4g}", "–" if scores is None else f"{scores[i]:z.4g}")
            for i in verdict.ranking or range(len(verdict.rewards))
        ]
        parts.append(table_html(("response", "reward", "mean score"), rows))
    parts += [f"<p>Warning: {escape(reason)}.</p>" for reason in verdict.warnings]
    parts += [_vote(vote) for vote in verdict.votes[:_VOTES]]
    if len(verdict.votes) > _VOTES:
        parts.append(f"<p>and {len(verdict.votes) - _VOTES} more votes</p>")
    return f"<div>{''.join(parts)}</div>"


def table_html(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose cells are escaped."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _headline(verdict: Verdict) -> str:
    valid = f"{verdict.n_valid} of {verdict.k} votes valid"
    if verdict.rewards is None:
        return f"No verdict: {valid}"
    if len(verdict.rewards) == 1:
        return f"Reward {verdict.rewards[0]:z.4g}; {valid}"
    if verdict.best is None:
        tied = ", ".join(str(i + 1) for i in verdict.ties[0]) if verdict.ties else "?"
        return f"Tied on top: responses {tied}; {valid}"
    sure = "" if verdict.confidence is None else f", confidence {verdict.confidence:.2f}"
    return f"Response {verdict.best + 1} is best{sure}; {valid}"


def _vote(vote: Vote) -> str:
    if isinstance(vote, Failure):
        said = f"failed ({vote.status}): {vote.message}"
    else:
        said = ", ".join("–" if score is None else f"{score:zg}" for score in vote.scores)
    text = vote.raw if len(vote.raw) <= _TEXT else vote.raw[: _TEXT - 1] + "…"
    return (
        f"<details><summary>vote {vote.draw + 1}: {escape(said)}</summary>"
        f'<pre style="white-space: pre-wrap">{escape(text)}</pre></details>'
    )
