"""The item browser's data: a small index of all items, and their texts in compressed blocks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Self

from deemster.reports.embed import Blocks
from deemster.reports.records import ItemRow
from deemster.schemas import Conversation, Judgment, Message, Sample, Verdict, Vote

_SNIPPET = 160
_LONGEST = 60_000
"""Characters of one text that the page holds; the run has all."""


@dataclass
class Browser:
    """Collects items as the runs are read. Use as a context manager."""

    samples: Blocks = field(default_factory=Blocks)
    verdicts: Blocks = field(default_factory=Blocks)
    columns: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _known: dict[tuple[str, int], int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.samples.__exit__()
        self.verdicts.__exit__()

    def add(self, row: ItemRow, sample: Sample, verdict: Verdict) -> None:
        """Add one judged item; a sample that several judges judged is stored once."""
        key = (sample.id, hash(sample.model_dump_json()))
        if key not in self._known:
            self._known[key] = self.samples.add(_sample(sample))
        self.verdicts.add(_verdict(verdict))
        confidence = None if row.confidence is None else round(row.confidence, 3)
        for name, value in (
            ("judge", row.judge),
            ("sample", self._known[key]),
            ("id", row.id),
            ("subset", row.subset),
            ("outcome", row.outcome),
            ("confidence", confidence),
            ("votes", row.n_votes),
            ("failed", row.n_failed),
            ("best", row.best),
            ("truth", row.true_best),
            ("text", _snippet(sample)),
        ):
            self.columns[name].append(value)

    def index(self, labels: list[str]) -> dict[str, Any]:
        """What the page needs at once; repeated words are indices into lists."""
        columns = dict(self.columns)
        coded = {}
        for name in ("subset", "outcome"):
            values = sorted(set(columns.get(name, [])))
            place = {value: i for i, value in enumerate(values)}
            columns[name] = [place[value] for value in columns.get(name, [])]
            coded[name] = values
        return {
            "judges": labels,
            "subsets": coded["subset"],
            "outcomes": coded["outcome"],
            "block": self.samples.size,
            "n": len(columns.get("id", [])),
            "columns": columns,
        }


def _snippet(sample: Sample) -> str:
    asked = [turn.text for turn in sample.query if turn.role == "user"]
    return " ".join((asked[-1] if asked else "").split())[:_SNIPPET]


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "query": _turns(sample.query),
        "responses": [_text(response) for response in sample.responses],
        "policies": sample.policies,
        "truth": sample.ground_truth,
        "reference": None if sample.reference is None else _cut(sample.reference),
    }


def _turns(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.role, _text(turn)) for turn in conversation]


def _text(message: Message) -> str:
    parts = [message.text] if message.text else []
    # Named, never loaded: a report opens no address that a sample gives.
    parts += [f"[image: {_cut(image.image_url.url, 100)}]" for image in message.images]
    parts += [f"[call: {c.function.name}({c.function.arguments})]" for c in message.tool_calls]
    return _cut("\n".join(parts))


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "rewards": verdict.rewards,
        "ranking": verdict.ranking,
        "ties": verdict.ties,
        "confidence": verdict.confidence,
        "k": verdict.k,
        "usage": verdict.usage.model_dump(mode="json"),
        "votes": [_vote(vote) for vote in verdict.votes],
    }


def _vote(vote: Vote) -> dict[str, Any]:
    shared = {
        "draw": vote.draw,
        "judge": vote.judge,
        "order": vote.order,
        "seconds": vote.usage.seconds,
        "cost": vote.usage.cost,
    }
    if not isinstance(vote, Judgment):
        failed = {"status": vote.status, "message": _cut(vote.message), "raw": _cut(vote.raw)}
        return shared | failed
    texts = any(critique.text for critique in vote.critiques)
    return shared | {
        "scores": vote.scores,
        "meta": vote.meta_reward,
        "principles": [(p.name, p.description, round(p.weight, 4)) for p in vote.principles],
        "critiques": [(c.response, _cut(c.text), c.scores) for c in vote.critiques],
        # The analysis repeats the critiques, and the raw text both: one of them is enough.
        "analysis": "" if texts else _cut(vote.analysis),
        "raw": "" if texts or vote.analysis else _cut(vote.raw),
    }


def _cut(text: str, longest: int = _LONGEST) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n[… {len(text) - longest} more characters, see the run]"
