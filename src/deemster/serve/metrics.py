"""Counters of a server, in the text format that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable

from deemster.schemas import Verdict

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper ends in seconds."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Labels = tuple[tuple[str, str], ...]
_HELP = {
    "deemster_requests_total": "Requests answered, by route and status.",
    "deemster_request_seconds": "Time to the end of the reply.",
    "deemster_verdicts_total": "Verdicts, by judge and whether they have rewards.",
    "deemster_votes_total": "Votes, by judge and outcome.",
    "deemster_tokens_total": "Tokens of the models asked, by direction.",
    "deemster_cost_dollars_total": "Known cost of the models asked.",
    "deemster_unpriced_verdicts_total": "Verdicts whose cost is not known.",
    "deemster_left_total": "Requests whose client left before the reply; their votes were cut.",
    "deemster_groups_total": "Groups of rollouts judged together, by whether all had come.",
}


class Metrics:
    """Counts what a server does. One event loop."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter[_Labels]] = defaultdict(Counter)
        self._times: dict[_Labels, tuple[list[int], list[float]]] = {}
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        """Name to help text and the value as it is now."""

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._counters[name][tuple(labels.items())] += by  # type: ignore[assignment]

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.count("deemster_requests_total", route=route, status=str(status))
        buckets, total = self._times.setdefault(
            (("route", route),), ([0] * (len(BUCKETS) + 1), [0.0])
        )
        buckets[bisect_left(BUCKETS, seconds)] += 1
        total[0] += seconds

    def verdict(self, verdict: Verdict) -> None:
        """Count a verdict, its votes and what it cost."""
        judge = verdict.judge.name
        outcome = "scored" if verdict.is_scored else "unscored"
        self.count("deemster_verdicts_total", judge=judge, outcome=outcome)
        for status, votes in Counter(vote.status for vote in verdict.failures).items():
            self.count("deemster_votes_total", votes, judge=judge, outcome=status)
        self.count("deemster_votes_total", verdict.n_valid, judge=judge, outcome="judgment")
        usage = verdict.usage
        self.count("deemster_tokens_total", usage.tokens_in, direction="in")
        self.count("deemster_tokens_total", usage.tokens_out, direction="out")
        if usage.cost is None:
            self.count("deemster_unpriced_verdicts_total")
        else:
            self.count("deemster_cost_dollars_total", usage.cost)

    def text(self) -> str:
        """All of it, as Prometheus scrapes it."""
        lines: list[str] = []
        for name, counter in sorted(self._counters.items()):
            lines += _head(name, _HELP.get(name, ""), "counter")
            lines += [
                f"{name}{_labels(labels)} {_number(value)}" for labels, value in counter.items()
            ]
        for name, (what, value) in sorted(self.gauges.items()):
            lines += [*_head(name, what, "gauge"), f"{name} {_number(value())}"]
        name = "deemster_request_seconds"
        lines += _head(name, _HELP[name], "histogram")
        for labels, (buckets, total) in self._times.items():
            so_far = 0
            for end, here in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
                so_far += here
                lines.append(f"{name}_bucket{_labels((*labels, ('le', end)))} {so_far}")
            lines.append(f"{name}_sum{_labels(labels)} {total[0]:.6f}")
            lines.append(f"{name}_count{_labels(labels)} {so_far}")
        return "\n".join(lines) + "\n"


def _head(name: str, what: str, kind: str) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]


def _labels(labels: _Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


__all__ = ["CONTENT_TYPE", "Metrics"]
